"""Write what only cameras see of the table: mat.usda, its top with squares painted on it, and the markers.

    python assets/generate_mat.py            # rewrites mat.usda, ring.usda (the goal), disc.usda (the target)

Nothing collides with them: contacts are exact against table.usda's plane, which is not drawn. A plain table gives the
wrist camera nothing to see: while it looks at nothing else, its images are all equal.
Frame: the robot's base, as the table's; a marker's centre, with a radius of 1, the ring's inner one. Units: m.
"""

from pathlib import Path

import numpy as np
from pxr import Gf, Usd, UsdGeom

SQUARE_M, HEIGHT_M = 0.05, 0.0001  # a shadow's rays start so far above a surface: higher squares shade the table
X_M, Y_M = (0.0, 0.9), (-0.5, 0.5)
LIGHT, DARK, EDGE = (0.55, 0.45, 0.35), (0.47, 0.38, 0.29), (0.2, 0.13, 0.08)
TOP_X_M, TOP_Y_M, TOP_M, FRAME_M, INSET_M = (-0.22, 0.93), (-0.53, 0.53), 0.01, 0.05, 0.01
RING_WIDTH, CORNERS = 0.45, 48
GREEN, RED = (0.1, 0.7, 0.2), (0.85, 0.1, 0.1)


def stage_at(path: Path, root: str) -> Usd.Stage:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, root).GetPrim())
    return stage


def add_quads(stage: Usd.Stage, path: str, corners: list, quads: list[int], colour) -> None:
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.CreatePointsAttr([Gf.Vec3f(*np.round(corner, 4).tolist()) for corner in corners])
    mesh.CreateFaceVertexCountsAttr([4] * (len(quads) // 4))
    mesh.CreateFaceVertexIndicesAttr(quads)
    mesh.CreateSubdivisionSchemeAttr("none")
    mesh.CreateDisplayColorAttr([Gf.Vec3f(*colour)])


def add_board(stage: Usd.Stage, path: str, x: tuple, y: tuple, z: tuple, colour) -> None:
    ranges = np.array([x, y, z])
    board = UsdGeom.Cube.Define(stage, path)
    board.CreateSizeAttr(1.0)
    board.AddTranslateOp().Set(Gf.Vec3d(*ranges.mean(1).tolist()))
    board.AddScaleOp().Set(Gf.Vec3f(*np.diff(ranges)[:, 0].tolist()))
    board.CreateDisplayColorAttr([Gf.Vec3f(*colour)])


def build_mat(path: Path) -> None:
    stage = stage_at(path, "/mat")
    columns, rows = (round((high - low) / SQUARE_M) for low, high in (X_M, Y_M))
    dark = [(i, j) for i in range(columns) for j in range(rows) if (i + j) % 2]
    corners = [(X_M[0] + SQUARE_M * (i + a), Y_M[0] + SQUARE_M * (j + b), HEIGHT_M)
               for i, j in dark for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]  # fmt: skip
    add_quads(stage, "/mat/squares", corners, list(range(len(corners))), DARK)
    add_board(stage, "/mat/top", TOP_X_M, TOP_Y_M, (-TOP_M, 0), LIGHT)
    inset = ((low + INSET_M, high - INSET_M) for low, high in (TOP_X_M, TOP_Y_M))
    add_board(stage, "/mat/frame", *inset, (-TOP_M - FRAME_M, -TOP_M), EDGE)
    stage.Save()


def build_ring(path: Path) -> None:
    stage = stage_at(path, "/ring")
    corners = [(radius * x, radius * y, 0) for x, y in circle() for radius in (1, 1 + RING_WIDTH)]
    quads = [(2 * i + k) % len(corners) for i in range(CORNERS) for k in (0, 1, 3, 2)]
    add_quads(stage, "/ring/band", corners, quads, GREEN)
    stage.Save()


def build_disc(path: Path) -> None:
    stage = stage_at(path, "/disc")
    corners = [(x, y, 0) for x, y in circle()]
    quads = [corner for i in range(1, CORNERS - 2, 2) for corner in (0, i, i + 1, i + 2)]
    add_quads(stage, "/disc/plate", corners, quads, RED)
    stage.Save()


def circle() -> np.ndarray:
    angles = np.arange(CORNERS) * 2 * np.pi / CORNERS
    return np.stack([np.cos(angles), np.sin(angles)], 1)


if __name__ == "__main__":
    for name, build in (("mat.usda", build_mat), ("ring.usda", build_ring), ("disc.usda", build_disc)):
        target = Path(__file__).with_name(name)
        target.unlink(missing_ok=True)
        build(target)
        print(f"wrote {target}")
