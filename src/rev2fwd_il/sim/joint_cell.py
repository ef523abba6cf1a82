"""The cell commanded by joint positions, and one that notes the joints while it is commanded by poses."""

import numpy as np
import torch

from rev2fwd_il.sim.cell import Cell, Observation


class JointCell(Cell):
    """A `Cell` of `simulation(..., control="joints")`."""

    @torch.inference_mode()
    def step(self, action: np.ndarray) -> Observation:
        """Command (N, J + 1): joints [rad] and grippers, advance one control step, and measure."""
        return self._advance(torch.as_tensor(action, dtype=torch.float32, device=self._device))

    @torch.inference_mode()
    def reset_joints(
        self, env_ids: np.ndarray, joint_pos: np.ndarray, gripper_width: np.ndarray, obj_pose: np.ndarray
    ) -> Observation:
        """Put arms (M, J) [rad], fingers (M,) [m] and objects (M, 7) of these environments in place, at rest."""
        ids = torch.as_tensor(np.asarray(env_ids), dtype=torch.int32, device=self._device)
        fingers = np.repeat(np.asarray(gripper_width)[:, None] / 2, 2, axis=1)
        joints = np.concatenate([joint_pos, fingers], 1, dtype=np.float32)
        self.env.action_manager.reset(ids.long())
        self._place_object(ids, self._object, obj_pose)
        self._write_joints(ids, torch.as_tensor(joints, device=self._device))
        self.observation = self._read(self.env.observation_manager.compute())
        return self.observation


class JointRecorder:
    """A cell that keeps, of all steps since its last reset, the joints before and what the drives were told."""

    def __init__(self, cell: Cell):
        self._cell = cell
        self._measured: list[np.ndarray] = []
        self._commanded: list[np.ndarray] = []

    def __getattr__(self, name: str):
        return getattr(self._cell, name)

    def reset(self, *arguments, **options) -> Observation:
        """As `Cell.reset`; what was kept is forgotten."""
        self.forget()
        return self._cell.reset(*arguments, **options)

    def forget(self) -> None:
        """Begin anew."""
        self._measured, self._commanded = [], []

    def step(self, action: np.ndarray) -> Observation:
        """As `Cell.step`."""
        self._measured.append(self._cell.joint_pos())
        observation = self._cell.step(action)
        self._commanded.append(self._cell.joint_targets())
        return observation

    def joints(self, env: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Of an environment's first steps: arm and fingers (T, J + 2) measured, arm (T, J) commanded [rad, m]."""
        measured, commanded = (
            np.stack([step[env] for step in kept[:length]]) for kept in (self._measured, self._commanded)
        )
        return measured, commanded[:, :-2]
