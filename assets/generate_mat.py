"""Write mat.usda: dark squares painted on the table, for the cameras only; nothing collides with it.

    python assets/generate_mat.py            # rewrites assets/mat.usda

A plain table gives the wrist camera nothing to see: while it looks at nothing else, its pictures are all the same.
Frame: the robot's base, as the table's. Units: m.
"""

from pathlib import Path

import numpy as np
from pxr import Gf, Usd, UsdGeom

SQUARE_M, HEIGHT_M = 0.05, 0.0005
X_M, Y_M = (0.0, 1.0), (-0.6, 0.6)
COLOUR = (0.47, 0.38, 0.29)


def build(path: Path) -> None:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    root = UsdGeom.Xform.Define(stage, "/mat")
    stage.SetDefaultPrim(root.GetPrim())
    columns, rows = (round((high - low) / SQUARE_M) for low, high in (X_M, Y_M))
    dark = [(i, j) for i in range(columns) for j in range(rows) if (i + j) % 2]
    corners = [(X_M[0] + SQUARE_M * (i + a), Y_M[0] + SQUARE_M * (j + b), HEIGHT_M)
               for i, j in dark for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]  # fmt: skip
    squares = UsdGeom.Mesh.Define(stage, "/mat/squares")
    squares.CreatePointsAttr([Gf.Vec3f(*np.round(corner, 4).tolist()) for corner in corners])
    squares.CreateFaceVertexCountsAttr([4] * len(dark))
    squares.CreateFaceVertexIndicesAttr(range(len(corners)))
    squares.CreateSubdivisionSchemeAttr("none")
    squares.CreateDisplayColorAttr([Gf.Vec3f(*COLOUR)])
    stage.Save()


if __name__ == "__main__":
    target = Path(__file__).with_name("mat.usda")
    target.unlink(missing_ok=True)
    build(target)
    print(f"wrote {target}")
