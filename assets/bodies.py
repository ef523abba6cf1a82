"""Bodies as signed distance functions, and their surfaces as meshes of few triangles.

A body is a function of points (M, 3) -> (M,) [m], negative inside. Its surface is extracted on a grid and decimated;
its normals are the function's gradient, so that few triangles shade smoothly. Units: m.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
import warp as wp

Body = Callable[[np.ndarray], np.ndarray]
VOXEL_M, GRADIENT_M = 0.003, 1e-4
PROJECTIONS, AGGRESSION = 3, 3  # of the decimated surface onto the exact one; how coarsely it is decimated, 0 to 10
RING_SIDES, DECIMALS = 24, 4


@dataclass(frozen=True)
class Part:
    """A mesh of one colour (linear RGB)."""

    colour: tuple[float, float, float]
    points: np.ndarray  # (V, 3) [m]
    normals: np.ndarray  # (V, 3)
    triangles: np.ndarray  # (F, 3)


def cylinder(start, end, radius: float, rounding: float = 0.002) -> Body:
    """Flat ends at `start` and `end`, edges rounded."""
    start, end = np.array(start, float), np.array(end, float)
    length = np.linalg.norm(end - start)
    axis = (end - start) / length

    def distance(points):
        along = (points - start) @ axis
        across = np.linalg.norm(points - start - along[:, None] * axis, axis=1)
        beyond = np.stack([across - radius + rounding, np.abs(along - length / 2) - length / 2 + rounding], 1)
        return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0) - rounding

    return distance


def cone(start, end, start_radius: float, end_radius: float) -> Body:
    """Round ends; the radius changes linearly from the one to the other."""
    start, end = np.array(start, float), np.array(end, float)
    squared_length = (end - start) @ (end - start)

    def distance(points):
        share = np.clip((points - start) @ (end - start) / squared_length, 0, 1)[:, None]
        nearest = start + share * (end - start)
        return np.linalg.norm(points - nearest, axis=1) - (start_radius + share[:, 0] * (end_radius - start_radius))

    return distance


def box(centre, size, rounding: float = 0.004) -> Body:
    """`size` (3,) over all, edges rounded."""
    centre, half = np.array(centre, float), np.array(size, float) / 2 - rounding

    def distance(points):
        beyond = np.abs(points - centre) - half
        return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0) - rounding

    return distance


def below(normal, offset: float) -> Body:
    """The half space normal · p <= offset."""
    normal = np.array(normal, float) / np.linalg.norm(normal)
    return lambda points: points @ normal - offset


def blend(*bodies: Body, width: float = 0.03) -> Body:
    """Union with a fillet of about this width (polynomial smooth minimum)."""

    def distance(points):
        result = bodies[0](points)
        for body in bodies[1:]:
            other = body(points)
            overlap = np.maximum(width - np.abs(result - other), 0) / width
            result = np.minimum(result, other) - overlap**2 * width / 4
        return result

    return distance


def common(*bodies: Body) -> Body:
    """What lies in all of them."""
    return lambda points: np.max([body(points) for body in bodies], axis=0)


def unit_gradient(body: Body, points: np.ndarray) -> np.ndarray:
    """Outward normals (M, 3)."""
    gradient = np.stack([body(points + step) - body(points - step) for step in GRADIENT_M * np.eye(3)], 1)
    return gradient / np.linalg.norm(gradient, axis=1, keepdims=True)


def part(colour, body: Body, low, high, triangles: int, cuts=()) -> Part:
    """The surface of a body within `low` to `high` (3,) [m], open where it is cut by planes: (normal, point on it)."""
    low, high = np.array(low, float) - 3 * VOXEL_M, np.array(high, float) + 3 * VOXEL_M
    counts = np.ceil((high - low) / VOXEL_M).astype(int) + 1
    grid = np.stack(np.meshgrid(*(a + VOXEL_M * np.arange(n) for a, n in zip(low, counts)), indexing="ij"), -1)
    field = wp.array(body(grid.reshape(-1, 3)).reshape(counts), dtype=wp.float32, device="cpu")
    vertices, faces = wp.MarchingCubes.extract_surface_marching_cubes(field)
    mesh = trimesh.Trimesh(low + VOXEL_M * vertices.numpy(), faces.numpy().reshape(-1, 3))
    if mesh.volume < 0:
        mesh.invert()
    mesh = mesh.simplify_quadric_decimation(face_count=triangles, aggression=AGGRESSION)
    vertices = mesh.vertices
    for _ in range(PROJECTIONS):  # back onto the surface, which decimation leaves
        vertices = vertices - body(vertices)[:, None] * unit_gradient(body, vertices)
    mesh = trimesh.Trimesh(vertices, mesh.faces)
    for normal, point in cuts:
        mesh = mesh.slice_plane(point, normal)
    return Part(
        colour, mesh.vertices.round(DECIMALS), unit_gradient(body, mesh.vertices).round(3), np.asarray(mesh.faces)
    )


def prism(colour, outline, axis: int, low: float, high: float) -> Part:
    """A convex outline (K, 2) of the two other coordinates, extruded along an axis (0, 1 or 2) with sharp edges."""
    outline, others = np.array(outline, float), [i for i in range(3) if i != axis]
    points = np.zeros((2 * len(outline), 3))
    points[:, others], points[:, axis] = np.tile(outline, (2, 1)), np.repeat([low, high], len(outline))
    hull = trimesh.convex.convex_hull(points)
    flat = hull.triangles.reshape(-1, 3)
    normals = np.repeat(hull.face_normals, 3, axis=0)
    return Part(colour, flat.round(DECIMALS), normals.round(3), np.arange(len(flat)).reshape(-1, 3))


def stretched(body: Body, factors) -> Body:
    """Scaled along x, y, z; distances become bounds, the surface stays exact."""
    return lambda points: body(points / np.array(factors)) * min(factors)


def ring(colour, centre, axis: int, radius: float, width: float = 0.004) -> Part:
    """A thin disc: the gap between two links, or the cap of a drum."""
    centre, angles = np.array(centre, float), np.arange(RING_SIDES) * 2 * np.pi / RING_SIDES
    others = [i for i in range(3) if i != axis]
    outline = centre[others] + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return prism(colour, outline, axis, centre[axis] - width / 2, centre[axis] + width / 2)


def moved(body: Body, rows, shift=(0, 0, 0)) -> Body:
    """The body of a frame in which the point p is `rows` (3, 3) p + `shift` (3,)."""
    return lambda points: body(points @ np.array(rows, float).T + shift)
