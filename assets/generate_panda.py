"""Write panda.usda, a Franka Emika Panda with its hand for kit-less Isaac Lab, and panda_shapes.usda, how it looks.

    python assets/generate_panda.py            # rewrites both

Kinematics, limits: Franka's published DH table and data sheet. Masses and inertias: Gaz et al., "Dynamic
Identification of the Franka Emika Panda Robot with Retrieval of Feasible Parameters", RA-L 2019. Only the hand and one
box pad a finger collide: all else is visual (panda_shapes.py), since each collider costs solver time and the arm meets
only the cube. The renderer shows a link's meshes in place of its colliders.
Units: m, kg, rad here; USD wants degrees for revolute joints. Frames: link frames after the DH table; `hand` is
Franka's hand frame, its z axis pointing at the fingertips.
"""

from pathlib import Path

import numpy as np
from panda_shapes import shapes
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade, Vt

HALF_PI = np.pi / 2
# link: parent, joint origin in the parent [m], roll/pitch/yaw [rad], lower and upper limit [rad], effort [N m]
REVOLUTE = {
    "link1": ("link0", (0, 0, 0.333), (0, 0, 0), -2.8973, 2.8973, 87.0),
    "link2": ("link1", (0, 0, 0), (-HALF_PI, 0, 0), -1.7628, 1.7628, 87.0),
    "link3": ("link2", (0, -0.316, 0), (HALF_PI, 0, 0), -2.8973, 2.8973, 87.0),
    "link4": ("link3", (0.0825, 0, 0), (HALF_PI, 0, 0), -3.0718, -0.0698, 87.0),
    "link5": ("link4", (-0.0825, 0.384, 0), (-HALF_PI, 0, 0), -2.8973, 2.8973, 12.0),
    "link6": ("link5", (0, 0, 0), (HALF_PI, 0, 0), -0.0175, 3.7525, 12.0),
    "link7": ("link6", (0.088, 0, 0), (HALF_PI, 0, 0), -2.8973, 2.8973, 12.0),
}
FINGER_TRAVEL_M, FINGER_EFFORT_N = 0.04, 40.0
# mass [kg], centre of mass [m], inertia xx yy zz xy xz yz [kg m2] about it
INERTIA = {
    "link0": (0.629769, (-0.041018, -0.00014, 0.049974), (0.00315, 0.00388, 0.004285, 8.29e-7, 0.00015, 8.23e-6)),
    "link1": (4.970684, (0.003875, 0.002081, -0.04762), (0.70337, 0.70661, 0.009117, -0.000139, 0.006772, 0.019169)),
    "link2": (0.646926, (-0.003141, -0.02872, 0.003495), (0.007962, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704)),
    "link3": (
        3.228604,
        (0.027518, 0.039252, -0.066502),
        (0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805),
    ),
    "link4": (3.587895, (-0.05317, 0.104419, 0.027454), (0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641)),
    "link5": (
        1.225946,
        (-0.011953, 0.041065, -0.038437),
        (0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229),
    ),
    "link6": (
        1.666555,
        (0.060149, -0.014117, -0.010517),
        (0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341),
    ),
    "link7": (
        0.735522,
        (0.010517, -0.004252, 0.061597),
        (0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741),
    ),
    "hand": (0.73, (-0.01, 0, 0.03), (0.001, 0.0025, 0.0017, 0, 0, 0)),
    "leftfinger": (0.015, (0, 0, 0.02), (2.375e-6, 2.375e-6, 7.5e-7, 0, 0, 0)),
    "rightfinger": (0.015, (0, 0, 0.02), (2.375e-6, 2.375e-6, 7.5e-7, 0, 0, 0)),
}
HAND_BOX = ((0, 0, 0.033), (0.05, 0.2, 0.066))  # centre, size [m] in the hand frame
PAD_BOX = ((0, 0.006, 0.0445), (0.02, 0.012, 0.022))  # in the finger frame, y pointing away from the grasp: its inner
# face is the plane in which the closed fingers meet


def quat(rpy):
    """Roll, pitch, yaw [rad] as a USD quaternion (w first)."""
    rotation = Gf.Rotation((1, 0, 0), 0)
    for axis, angle in zip(((1, 0, 0), (0, 1, 0), (0, 0, 1)), rpy, strict=True):
        rotation = rotation * Gf.Rotation(axis, np.degrees(angle))
    return Gf.Quatf(rotation.GetQuat())


def transform(rpy, xyz):
    return Gf.Matrix4d().SetRotate(Gf.Rotation(Gf.Quatd(quat(rpy)))).SetTranslateOnly(Gf.Vec3d(*map(float, xyz)))


def add_link(stage, root, name, world):
    prim = UsdGeom.Xform.Define(stage, root.AppendChild(name))
    prim.AddTransformOp().Set(world)
    UsdPhysics.RigidBodyAPI.Apply(prim.GetPrim())
    mass, centre, (xx, yy, zz, xy, xz, yz) = INERTIA[name]
    moments, axes = np.linalg.eigh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    api = UsdPhysics.MassAPI.Apply(prim.GetPrim())
    api.CreateMassAttr(mass)
    api.CreateCenterOfMassAttr(Gf.Vec3f(*centre))
    api.CreateDiagonalInertiaAttr(Gf.Vec3f(*moments.tolist()))
    principal = Gf.Matrix3d(*axes.T.flatten().tolist()).ExtractRotation().GetQuat()
    api.CreatePrincipalAxesAttr(Gf.Quatf(principal))
    return prim


def add_collider(stage, link, name, box):
    centre, size = box
    cube = UsdGeom.Cube.Define(stage, link.GetPath().AppendChild(name))
    cube.CreateSizeAttr(1.0)
    cube.AddTranslateOp().Set(Gf.Vec3d(*map(float, centre)))
    cube.AddScaleOp().Set(Gf.Vec3f(*size))
    UsdPhysics.CollisionAPI.Apply(cube.GetPrim())
    return cube


def add_material(stage, path, colour):
    material = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, path.AppendChild("surface"))
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*colour))
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material


def add_mesh(stage, path, parts):
    """One mesh a link with a subset a colour: of meshes with subsets, Newton's importer keeps the normals."""
    sizes = np.cumsum([0, *(len(part.points) for part in parts)])
    triangles = np.concatenate([part.triangles + first for part, first in zip(parts, sizes, strict=False)])
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(np.concatenate([part.points for part in parts]).astype(np.float32)))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.concatenate([part.normals for part in parts]).astype(np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateFaceVertexCountsAttr([3] * len(triangles))
    mesh.CreateFaceVertexIndicesAttr(triangles.flatten().tolist())
    mesh.CreateSubdivisionSchemeAttr("none")
    colours = [part.colour for part in parts for _ in part.triangles]
    for index, colour in enumerate(dict.fromkeys(colours)):
        faces = [face for face, own in enumerate(colours) if own == colour]
        subset = UsdGeom.Subset.CreateGeomSubset(mesh, f"subset{index}", "face", Vt.IntArray(faces), "materialBind")
        material = add_material(stage, path.GetParentPath().AppendChild(f"material{index}"), colour)
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)


def build_shapes(path):
    """How each link looks: a prim a link, to be referenced."""
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    for name, parts in shapes().items():
        root = UsdGeom.Xform.Define(stage, f"/{name}").GetPath()
        add_mesh(stage, root.AppendChild("mesh"), parts)
    stage.Save()


def add_joint(stage, root, kind, name, parent, child, rpy, xyz, child_rpy=(0, 0, 0)):
    joint = kind.Define(stage, root.AppendPath(f"joints/{name}"))
    joint.CreateBody0Rel().SetTargets([root.AppendChild(parent)] if parent else [])
    joint.CreateBody1Rel().SetTargets([root.AppendChild(child)])
    joint.CreateLocalPos0Attr(Gf.Vec3f(*map(float, xyz)))
    joint.CreateLocalRot0Attr(quat(rpy))
    joint.CreateLocalPos1Attr(Gf.Vec3f(0))
    joint.CreateLocalRot1Attr(quat(child_rpy))
    return joint


def add_drive(joint, kind, lower, upper, effort):
    """Limits, and a position drive whose gains Isaac Lab's actuator configuration replaces."""
    joint.CreateLowerLimitAttr(lower)
    joint.CreateUpperLimitAttr(upper)
    drive = UsdPhysics.DriveAPI.Apply(joint.GetPrim(), kind)
    drive.CreateTypeAttr("force")
    drive.CreateStiffnessAttr(10.0)
    drive.CreateDampingAttr(1.0)
    drive.CreateMaxForceAttr(effort)


def build(path):
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = Sdf.Path("/panda")
    base = UsdGeom.Xform.Define(stage, root)
    stage.SetDefaultPrim(base.GetPrim())
    UsdPhysics.ArticulationRootAPI.Apply(base.GetPrim())
    UsdGeom.Scope.Define(stage, root.AppendChild("joints"))

    world = {"link0": Gf.Matrix4d(1.0)}
    links = {"link0": add_link(stage, root, "link0", world["link0"])}
    add_joint(stage, root, UsdPhysics.FixedJoint, "base", None, "link0", (0, 0, 0), (0, 0, 0))

    for name, (parent, xyz, rpy, lower, upper, effort) in REVOLUTE.items():
        world[name] = transform(rpy, xyz) * world[parent]
        links[name] = add_link(stage, root, name, world[name])
        joint = add_joint(stage, root, UsdPhysics.RevoluteJoint, f"joint{name[-1]}", parent, name, rpy, xyz)
        joint.CreateAxisAttr("Z")
        add_drive(joint, "angular", np.degrees(lower), np.degrees(upper), effort)

    hand_rpy, hand_xyz = (0, 0, -np.pi / 4), (0, 0, 0.107)
    world["hand"] = transform(hand_rpy, hand_xyz) * world["link7"]
    links["hand"] = add_link(stage, root, "hand", world["hand"])
    add_joint(stage, root, UsdPhysics.FixedJoint, "hand_joint", "link7", "hand", hand_rpy, hand_xyz)

    for index, (name, yaw) in enumerate((("leftfinger", 0.0), ("rightfinger", np.pi)), start=1):
        world[name] = transform((0, 0, yaw), (0, 0, 0.0584)) * world["hand"]
        links[name] = add_link(stage, root, name, world[name])
        joint = add_joint(
            stage, root, UsdPhysics.PrismaticJoint, f"finger_joint{index}", "hand", name, (0, 0, yaw), (0, 0, 0.0584)
        )
        joint.CreateAxisAttr("Y")
        add_drive(joint, "linear", 0.0, FINGER_TRAVEL_M, FINGER_EFFORT_N)

    add_collider(stage, links["hand"], "palm", HAND_BOX)
    for name in ("leftfinger", "rightfinger"):
        pad = add_collider(stage, links[name], "pad", PAD_BOX)
        # Soft pads touch with an area, not a point: without friction about the normal a cube swings in the grasp.
        pad.GetPrim().CreateAttribute("mjc:condim", Sdf.ValueTypeNames.Int).Set(4)
    for name, link in links.items():
        visual = UsdGeom.Xform.Define(stage, link.GetPath().AppendChild("visual"))
        visual.GetPrim().GetReferences().AddReference("./panda_shapes.usda", f"/{name}")
    stage.Save()


if __name__ == "__main__":
    for name, write in (("panda_shapes.usda", build_shapes), ("panda.usda", build)):
        target = Path(__file__).with_name(name)
        target.unlink(missing_ok=True)
        write(target)
        print(f"wrote {target}")
