"""Cutting the stream of N environments' frames into episodes."""

import numpy as np

from rev2fwd_il.data.reading import Episode


class FrameBuffer:
    """Collects frames of N environments; `cut` ends an environment's episode and returns it."""

    def __init__(self, num_envs: int):
        self._frames: list[list[tuple]] = [[] for _ in range(num_envs)]

    def add(self, env_ids, observation, action: np.ndarray, camera_images=None) -> None:
        """One frame of these environments: the observation, and the action (N, 8) commanded at it."""
        for env in env_ids:
            views = (None, None) if camera_images is None else (camera_images[0][env], camera_images[1][env])
            self._frames[env].append(
                (
                    observation.ee_pose[env],
                    observation.obj_pose[env],
                    action[env],
                    observation.gripper_width[env],
                    *views,
                )
            )

    def length(self, env: int) -> int:
        """Frames collected in this environment since its last cut."""
        return len(self._frames[env])

    def stays_within(self, env: int, frames: int, distance_m: float) -> bool:
        """Whether the end effector has kept to a cube of this edge for so many frames."""
        last = np.array([frame[0][:3] for frame in self._frames[env][-frames:]])
        return len(last) == frames and bool((np.ptp(last, axis=0) < distance_m).all())

    def cut(self, env: int, target_pose: np.ndarray, success: bool) -> Episode:
        """The frames since the last cut as one episode."""
        columns = list(zip(*self._frames[env], strict=True))
        self._frames[env] = []
        poses = [np.array(column, np.float32) for column in columns[:4]]
        views = [None if column[0] is None else np.array(column) for column in columns[4:]]
        ee_pose, obj_pose, action, gripper_width = poses
        target_pose = np.float32(target_pose)
        return Episode(
            ee_pose, obj_pose, action, gripper_width, target_pose[:2], bool(success), *views, target_pose=target_pose
        )
