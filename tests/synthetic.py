"""Episodes without a simulator: the hand of Task B on straight lines, small images that show where it is."""

from itertools import pairwise

import numpy as np

from rev2fwd_il.data.reading import FRAME_FIELDS, IMAGE_FIELDS, DatasetWriter, Episode

META = {"task": "B", "fps": 30.0, "seed": 0}
DOWN = np.array([1.0, 0.0, 0.0, 0.0])


def make_episode(seed: int, *, size: int = 0, success: bool = True) -> Episode:
    """Pick at (0.5, 0), place at a random target; `size` > 0 adds both cameras with size x size pixels."""
    rng = np.random.default_rng(seed)
    target = rng.uniform([0.35, -0.25], [0.65, 0.25])
    goal, above = np.array([0.5, 0.0, 0.02]), np.array([0, 0, 0.2])
    start = rng.uniform([0.4, -0.1, 0.25], [0.6, 0.1, 0.3])
    place = np.array([*target, 0.02])
    points = [start, goal + above, goal, goal, goal + above, place + above, place, place, place + above]
    commands, labels = [], []
    for leg, (a, b) in enumerate(pairwise(points)):
        count = 20 if np.allclose(a, b) else int(np.linalg.norm(b - a) / 0.012) + 1
        commands += list(a + (b - a) * np.linspace(0, 1, count, endpoint=False)[:, None])
        labels += [-1.0 if 2 <= leg < 6 else 1.0] * count
    position, label = np.array(commands), np.array(labels)
    frames = len(position)
    width = np.empty(frames)
    opening = 0.08
    for t in range(frames):
        opening += np.clip((0.04 if label[t] < 0 else 0.08) - opening, -0.008, 0.008)
        width[t] = opening
    position = position + rng.normal(0, 1e-4, position.shape)
    carried = np.arange(frames) > np.flatnonzero(label < 0)[0]
    obj = np.tile(goal, (frames, 1))
    released = np.flatnonzero(label < 0)[-1]
    obj[carried] = position[carried]
    obj[released:] = place
    obj[:, 2] = np.maximum(obj[:, 2], 0.02)
    ee_pose = np.concatenate([position, np.tile(DOWN, (frames, 1))], 1)
    following = np.concatenate([ee_pose[1:], ee_pose[-1:]])
    images = {}
    if size:
        images = {"images": _table_view(position, obj, size, target), "wrist_images": _wrist_view(position, size)}
    return Episode(
        ee_pose=ee_pose.astype(np.float32),
        obj_pose=np.concatenate([obj, np.tile([1.0, 0, 0, 0], (frames, 1))], 1).astype(np.float32),
        action=np.concatenate([following, label[:, None]], 1).astype(np.float32),
        gripper_width=width.astype(np.float32),
        target_xy=target.astype(np.float32),
        success=success,
        **images,
    )


def with_objects(episode: Episode, names=("lid", "tray"), seed: int = 0) -> Episode:
    """The episode among further objects that move and turn, with a target that is turned and raised."""
    rng = np.random.default_rng(seed)
    poses = rng.normal(0, 0.1, (len(episode), len(names), 7))
    poses[..., 3:] /= np.linalg.norm(poses[..., 3:], axis=-1, keepdims=True)
    target = np.float32([*episode.target_xy, 0.11, np.cos(0.3), 0, 0, np.sin(0.3)])
    return episode.replace(object_poses=poses.astype(np.float32), target_pose=target)


def write_dataset(path, episodes, **meta):
    """Write episodes as one NPZ at `path` and return the path."""
    with DatasetWriter(path, META | meta) as writer:
        for episode in episodes:
            writer.add(episode)
    return path


def assert_same(one: Episode, other: Episode) -> None:
    """All frames, the target and the outcome, bit for bit."""
    for name in (*FRAME_FIELDS, *IMAGE_FIELDS, "object_poses", "target_xy", "target_pose"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is None:
            continue
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), name
    assert one.success == other.success


def _pixel(position: np.ndarray, size: int) -> tuple[int, int]:
    row = int(np.clip((position[1] + 0.3) / 0.6 * size, 1, size - 2))
    return row, int(np.clip((position[0] - 0.3) / 0.4 * size, 1, size - 2))


def _table_view(position, obj, size, target):
    view = np.full((len(position), size, size, 3), 120, np.uint8)
    view += (np.indices((size, size)).sum(0) % 2 * 20).astype(np.uint8)[None, :, :, None]
    for frame in range(len(position)):
        for where, colour in ((target, (200, 30, 30)), (obj[frame], (60, 60, 220)), (position[frame], (250, 250, 250))):
            row, column = _pixel(where, size)
            view[frame, row - 1 : row + 1, column - 1 : column + 1] = colour
        view[frame, 0, 0] = int(position[frame, 2] * 500) % 256
        view[frame, 0, 1] = np.random.default_rng(frame).integers(0, 255, 3)
    return view


def _wrist_view(position, size):
    texture = np.random.default_rng(1).integers(0, 255, (512, 512, 3), np.uint8)
    offsets = (position[:, :2] * 400 + position[:, 2:] * 300 + 20).astype(int) % (512 - size)
    return np.stack([texture[r : r + size, c : c + size] for r, c in offsets])
