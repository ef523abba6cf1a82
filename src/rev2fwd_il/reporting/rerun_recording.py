"""One episode as a recording for the Rerun viewer: `write_rrd`. Open it with `rerun FILE`.

world/end_effector, object      frames over time, with their whole paths
world/commanded                 the pose commanded at the frame
world/target                    where the object has to end, a circle of radius distance_threshold
cameras/table, cameras/wrist    what the policy sees
success/...                     the quantities that decide success, beside their thresholds
"""

from pathlib import Path

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.npz import refuse_existing
from rev2fwd_il.data.schema import FRAME_FIELDS, Episode
from rev2fwd_il.errors import DataError
from rev2fwd_il.tasks import task_of
from rev2fwd_il.tasks.task import SuccessDetector, Task

AXIS_M = 0.05
BLUE, ORANGE, RED, GREY = (70, 110, 220), (230, 140, 40), (220, 50, 50), (150, 150, 150)


def write_rrd(path: str | Path, episode: Episode, meta: dict, *, fps: float, name: str) -> Path:
    """Write the recording. Raises DataError when `path` exists or rerun-sdk is not installed."""
    try:
        import rerun as rr
    except ImportError:
        raise DataError("a Rerun recording needs rerun-sdk", do="install envs/work.txt (`make setup`)") from None
    path = Path(path)
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    episode = episode.replace(**{field: np.array(getattr(episode, field)) for field in FRAME_FIELDS})  # aligned: Arrow
    with rr.RecordingStream("rev2fwd_il", recording_id=name) as recording:
        recording.save(str(path))
        task, direction = task_of(meta), meta.get("task", keys.TASK_B)
        detector = task.success_detector(1)
        detector.start(np.array([0]), [direction], episode.target_pose[None], episode.obj_pose[:1])
        _log_scene(rr, recording, episode, task)
        for t in range(len(episode)):
            recording.set_time("frame", sequence=t)
            recording.set_time("time", duration=t / fps)
            _log_frame(rr, recording, episode, t)
            _log_success(rr, recording, episode, detector, t)
        recording.flush()
    return path


def _log_scene(rr, recording, episode: Episode, task: Task) -> None:
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    angle = np.linspace(0, 2 * np.pi, 49)
    circle = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1) * task.settings.distance_threshold
    circle += [*episode.target_xy, 0.001]
    recording.log("world/target", rr.LineStrips3D([circle], colors=[RED]), static=True)
    for place, pose, colour in (("end_effector", episode.ee_pose, BLUE), ("object", episode.obj_pose, ORANGE)):
        recording.log(f"world/path_of_{place}", rr.LineStrips3D([pose[:, :3].copy()], colors=[colour]), static=True)
        recording.log(f"world/{place}", rr.TransformAxes3D(AXIS_M), static=True)
    half = [side / 2 for side in task.moved_box.size_m]
    recording.log("world/object/box", rr.Boxes3D(half_sizes=[half], colors=[ORANGE]), static=True)


def _log_frame(rr, recording, episode: Episode, t: int) -> None:
    for place, pose in (("end_effector", episode.ee_pose[t]), ("object", episode.obj_pose[t])):
        x_first = pose[[4, 5, 6, 3]]
        recording.log(f"world/{place}", rr.Transform3D(translation=pose[:3], quaternion=rr.Quaternion(xyzw=x_first)))
    recording.log("world/commanded", rr.Points3D([episode.action[t, :3]], radii=[0.005], colors=[GREY]))
    recording.log("gripper/width_m", rr.Scalars(float(episode.gripper_width[t])))
    recording.log("gripper/command", rr.Scalars(float(episode.action[t, 7])))
    for camera, name in (("table", keys.IMAGES), ("wrist", keys.WRIST_IMAGES)):
        if (images := getattr(episode, name)) is not None:
            recording.log(f"cameras/{camera}", rr.Image(images[t]))


def _log_success(rr, recording, episode: Episode, detector: SuccessDetector, t: int) -> None:
    detector.update(episode.ee_pose[t : t + 1], episode.obj_pose[t : t + 1], episode.gripper_width[t : t + 1])
    for number, (name, (value, threshold)) in enumerate(detector.quantities(0).items(), start=1):
        recording.log(f"success/{number}_{name}/value_m", rr.Scalars(value))
        recording.log(f"success/{number}_{name}/threshold_m", rr.Scalars(threshold))
