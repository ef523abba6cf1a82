"""What is drawn collides with nothing, and what collides is where it was."""

import numpy as np
import pytest
from pxr import Usd, UsdGeom, UsdPhysics

from rev2fwd_il.robots.robot import ASSETS

COLLIDERS = {"hand/palm", "leftfinger/pad", "rightfinger/pad"}


@pytest.fixture(scope="module")
def panda():
    return Usd.Stage.Open(str(ASSETS / "panda.usda"))


def test_every_link_is_drawn_as_a_mesh_of_its_own_size_with_normals(panda):
    for link in (prim for prim in panda.Traverse() if prim.HasAPI(UsdPhysics.RigidBodyAPI)):
        (mesh,) = (UsdGeom.Mesh(prim) for prim in Usd.PrimRange(link) if prim.IsA(UsdGeom.Mesh))
        points, normals = (np.array(values.Get()) for values in (mesh.GetPointsAttr(), mesh.GetNormalsAttr()))
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=2e-3)
        assert len(points) == len(normals) and 0.02 < np.ptp(points, axis=0).max() < 0.35


def test_palm_and_pads_alone_collide(panda):
    colliding = {prim for prim in panda.Traverse() if prim.HasAPI(UsdPhysics.CollisionAPI)}
    assert {str(prim.GetPath()).removeprefix("/panda/") for prim in colliding} == COLLIDERS
    assert not any(prim.IsA(UsdGeom.Mesh) for prim in colliding)


def test_the_tips_meet_where_the_pads_do(panda):
    finger = panda.GetPrimAtPath("/panda/leftfinger")
    points = np.array(UsdGeom.Mesh(finger.GetPrimAtPath("visual/mesh")).GetPointsAttr().Get())
    pad = UsdGeom.Cube(finger.GetPrimAtPath("pad"))
    centre, size = (np.array(op.Get()) for op in pad.GetOrderedXformOps())
    inner = points[points[:, 1] < 1e-6]
    np.testing.assert_allclose(inner[:, 1], centre[1] - size[1] / 2, atol=1e-6)
    assert abs(inner[:, 2].max() - (centre[2] + size[2] / 2)) < 0.002


@pytest.mark.parametrize("name", ["mat", "ring", "disc"])
def test_the_table_and_its_markers_are_only_drawn(name):
    stage = Usd.Stage.Open(str(ASSETS / f"{name}.usda"))
    schemas = (UsdPhysics.CollisionAPI, UsdPhysics.RigidBodyAPI)
    assert not any(prim.HasAPI(schema) for prim in stage.Traverse() for schema in schemas)
