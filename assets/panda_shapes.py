"""What the Panda's links look like: white shells, each a smooth union of cylinders and cones, grey caps, dark gaps.

Dimensions are the arm's: shells of 55 mm radius from shoulder to elbow, 50, 48 and 44 mm at the wrist's joints. Where a
shell is cut open, the gap's disc closes it. Frames: the links'. Units: m.
"""

import numpy as np
from bodies import Part, below, blend, box, common, cone, cylinder, moved, part, prism, ring, stretched

WHITE, GREY, DARK = (0.8, 0.8, 0.79), (0.42, 0.44, 0.47), (0.02, 0.02, 0.025)  # linear RGB


def _shoulder(points: np.ndarray) -> np.ndarray:
    """Links 1 and 2: a tube from below leads into the joint's drum along -y."""
    drum = common(cylinder((0, -0.129, 0), (0, 0.05, 0), 0.055, 0.026), below((0, 1, 0), -0.002))
    tube = cone((0, 0, -0.25), (0, 0, -0.13), 0.055, 0.055)
    return blend(tube, cone((0, 0, -0.13), (0, -0.05, -0.03), 0.055, 0.05), drum)(points)


def _elbow(points: np.ndarray) -> np.ndarray:
    """Links 3 and 4: a tube from below leads into the drum along y at x = 0.0825."""
    drum = common(cylinder((0.0825, -0.05, 0), (0.0825, 0.111, 0), 0.055, 0.026), below((0, -1, 0), -0.002))
    tube = cone((0, 0, -0.18), (0, 0, -0.06), 0.055, 0.055)
    return blend(tube, cone((0, 0, -0.065), (0.07, 0.055, -0.005), 0.055, 0.05), drum)(points)


def _forearm(points: np.ndarray) -> np.ndarray:
    spine = stretched(cone((0, 0.09, -0.205), (0, 0.142, -0.06), 0.042, 0.031), (1, 0.66, 1))
    drum = common(cylinder((0, -0.05, 0), (0, 0.13, 0), 0.05, 0.024), below((0, -1, 0), -0.018))
    return blend(blend(cone((0, 0, -0.32), (0, 0, -0.23), 0.055, 0.055), spine, width=0.06), drum)(points)


def _wrist(points: np.ndarray) -> np.ndarray:
    drum = common(cylinder((0, 0, -0.1), (0, 0, 0.056), 0.048, 0.02), below((0, 0, -1), 0.013))
    return blend(drum, cylinder((0.088, -0.08, 0), (0.088, 0.08, 0), 0.044, 0.02))(points)


def _flange(points: np.ndarray) -> np.ndarray:
    lobe = common(
        stretched(cone((0, 0, 0.14), (0.042, 0.042, 0.14), 0.044, 0.036), (1, 1, 0.6)),
        box((0, 0, 0.085), (0.2, 0.2, 0.028)),
    )
    return blend(cylinder((0, 0, 0), (0, 0, 0.1025), 0.044), lobe, width=0.01)(points)


def _base(points: np.ndarray) -> np.ndarray:
    column = blend(
        cone((0, 0, -0.06), (0, 0, 0.09), 0.077, 0.055), cylinder((0, 0, 0), (0, 0, 0.17), 0.055), width=0.01
    )
    rear = common(box((-0.06, 0, 0.03), (0.148, 0.152, 0.18), 0.025), below((-0.72, 0, 0.71), 0.1285))
    return blend(column, rear, width=0.04)(points)


def _hand(points: np.ndarray) -> np.ndarray:
    shoulders = [below((0, side * 0.55, -0.83), 0.044) for side in (-1, 1)]
    body = common(box((0, 0, 0.033), (0.042, 0.204, 0.054), 0.012), *shoulders)
    return blend(body, cylinder((0, 0, 0), (0, 0, 0.03), 0.0315), width=0.012)(points)


def _finger() -> list[Part]:
    """A carriage, a shank and the tip, whose inner face is the collision pad's."""
    tip = [(0, 0.054), (0, 0.036), (0.0085, 0.029), (0.0145, 0.031), (0.0145, 0.054)]
    shank = [(0.0085, 0.03), (0.0145, 0.036), (0.0215, 0.024), (0.0235, 0.012), (0.0115, 0.012)]
    carriage = [(0.003, 0), (0.026, 0), (0.026, 0.014), (0.003, 0.014)]
    return [
        prism(GREY, carriage, 0, -0.0104, 0.0104),
        prism(GREY, shank, 0, -0.0095, 0.0095),
        prism(DARK, tip, 0, -0.009, 0.009),
    ]


def shapes() -> dict[str, list[Part]]:
    """Each link's parts."""
    upper_arm = moved(_shoulder, [[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    elbow = moved(_elbow, [[1, 0, 0], [0, 0, 1], [0, -1, 0]], (0.0825, 0, 0))
    foot = [(-0.154, -0.07), (-0.154, 0.07), (-0.09, 0.094), (0.03, 0.07), (0.071, 0.03),
            (0.071, -0.03), (0.03, -0.07), (-0.09, -0.094)]  # fmt: skip
    return {
        "link0": [
            part(
                WHITE,
                _base,
                (-0.15, -0.09, -0.06),
                (0.085, 0.09, 0.17),
                1400,
                [((0, 0, 1), (0, 0, 0.004)), ((0, 0, -1), (0, 0, 0.138))],
            ),
            prism(GREY, foot, 2, 0, 0.008),
            ring(DARK, (0, 0, 0.14), 2, 0.0542),
        ],
        "link1": [
            part(WHITE, _shoulder, (-0.06, -0.13, -0.22), (0.06, 0.06, 0.06), 1125, [((0, 0, 1), (0, 0, -0.19))]),
            ring(GREY, (0, -0.1285, 0), 1, 0.034),
            ring(DARK, (0, 0, 0), 1, 0.0542),
        ],
        "link2": [
            part(WHITE, upper_arm, (-0.06, -0.22, -0.06), (0.06, 0.06, 0.13), 1125, [((0, 1, 0), (0, -0.191, 0))]),
            ring(GREY, (0, 0, 0.1285), 2, 0.034),
            ring(DARK, (0, -0.1925, 0), 1, 0.0542),
        ],
        "link3": [
            part(WHITE, _elbow, (-0.06, -0.06, -0.15), (0.14, 0.115, 0.06), 1125, [((0, 0, 1), (0, 0, -0.119))]),
            ring(GREY, (0.0825, 0.1105, 0), 1, 0.034),
            ring(DARK, (0.0825, 0, 0), 1, 0.0542),
        ],
        "link4": [
            part(WHITE, elbow, (-0.14, -0.06, -0.06), (0.06, 0.15, 0.115), 1125, [((0, -1, 0), (0, 0.12, 0))]),
            ring(GREY, (0, 0, 0.1105), 2, 0.034),
            ring(DARK, (-0.0825, 0.1215, 0), 1, 0.0542),
        ],
        "link5": [
            part(WHITE, _forearm, (-0.06, -0.06, -0.29), (0.06, 0.135, 0.055), 1300, [((0, 0, 1), (0, 0, -0.261))]),
            ring(GREY, (0, 0.1295, 0), 1, 0.03),
            ring(DARK, (0, 0.0165, 0), 1, 0.049),
        ],
        "link6": [
            part(WHITE, _wrist, (-0.05, -0.07, -0.046), (0.135, 0.085, 0.06), 1125, [((0, 1, 0), (0, -0.049, 0))]),
            ring(GREY, (0, 0, 0.0555), 2, 0.03),
            ring(GREY, (0.088, 0.0795, 0), 1, 0.028),
            ring(DARK, (0.088, -0.0505, 0), 1, 0.0432),
        ],
        "link7": [
            part(WHITE, _flange, (-0.05, -0.05, 0.03), (0.085, 0.085, 0.105), 875, [((0, 0, 1), (0, 0, 0.052))]),
            ring(GREY, (0, 0, 0.1045), 2, 0.0315, 0.007),
        ],
        "hand": [
            part(WHITE, _hand, (-0.033, -0.105, 0), (0.033, 0.105, 0.066), 1100),
            prism(DARK, [(-0.0165, -0.096), (0.0165, -0.096), (0.0165, 0.096), (-0.0165, 0.096)], 2, 0.05, 0.0665),
        ],
        "leftfinger": _finger(),
        "rightfinger": _finger(),
    }
