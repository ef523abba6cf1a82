"""What a task is: one object that answers for both of its directions, A (the hard one) and B (the one demonstrated).

    task = make_task(config.task)                    # by task.kind
    states = task.sample_initial_states("B", rng, 4)
    detector = task.success_detector(num_envs=4)

Poses are [x, y, z, qw, qx, qy, qz] in the robot-base frame [m] (geometry.py). A direction is "A" or "B".
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.config.task import TaskSettings
from rev2fwd_il.errors import ConfigError

Colour = tuple[float, float, float]
FINGER_REACH_M = 0.02  # the fingers hold what is this far beside the end effector


@dataclass(frozen=True)
class Box:
    """A box in the scene: an object that moves, or, without a mass, a fixture."""

    name: str
    size_m: tuple[float, float, float]
    position_m: tuple[float, float, float]  # of its centre, when the scene is made
    colour: Colour
    mass_kg: float | None = None


@dataclass(frozen=True)
class InitialStates:
    """M seeded initial states of one direction; the gripper is open."""

    obj_pose: np.ndarray  # (M, 7) float32
    object_yaw: np.ndarray  # (M,) [rad], of the same object in full precision
    target_pose: np.ndarray  # (M, 7) float32: where the object has to end
    ee_pose: np.ndarray  # (M, 7) float32

    def __len__(self) -> int:
        return len(self.obj_pose)


@dataclass(frozen=True)
class Waypoint:
    """A straight line of the expert's way to `pose` (7,), under one gripper command (+1 open, -1 close)."""

    pose: np.ndarray
    gripper: float
    speed_m_s: float


@dataclass(frozen=True)
class GripperEvent:
    """The gripper changes to `gripper` while the end effector rests, equally long before and after."""

    gripper: float


@dataclass(frozen=True)
class DataBounds:
    """What the data checks may expect of a dataset of this task [m]."""

    placed_m: float  # a success ends this close to its target
    raised_m: float  # and was raised by this much
    lowest_z_m: float  # no object's centre is lower
    goal_xy: tuple[float, float] | None = None  # Task A's targets lie around it,
    goal_radius_m: float = 0.0  # this close
    min_goal_distance_m: float = 0.0  # and Task B's at least this far from it


class SuccessDetector(Protocol):
    """Decides success and names failures for N attempts side by side, from what is measured at each control step."""

    target_pose: np.ndarray  # (N, 7)

    def start(self, env_ids: np.ndarray, directions: Sequence[str], target_pose: np.ndarray, obj_pose: np.ndarray):
        """A new attempt in these M environments; `target_pose`, `obj_pose` (M, 7): its target, and the object now."""

    def update(self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        """Take one control step, (N, 7), (N, 7), (N,), into account; (N,) bool: success has been reached now."""

    def error_m(self, obj_pose: np.ndarray) -> np.ndarray:
        """xy distance of the object from its target, (N,) [m]."""

    def failure(self, env: int) -> str:
        """The kind of failure of an attempt that ends now without success; one of the task's `failures`."""

    def quantities(self, env: int) -> dict[str, tuple[float, float]]:
        """What success is decided by, as measured last: name -> (value, threshold)."""


class Task(ABC):
    """One task; a subclass names its settings, and is made of them."""

    Settings: ClassVar[type[TaskSettings]] = TaskSettings
    texts: ClassVar[dict[str, str]]  # direction -> instruction
    failures: ClassVar[tuple[str, ...]]
    object_name: ClassVar[str]  # of the box that is moved
    environment_state_names: ClassVar[list[str]]
    solver_substeps: ClassVar[int] = 2  # of the physics solver in a physics step
    demonstrated: ClassVar[str] = "B"
    max_closed_on_nothing: ClassVar[int | None] = 30  # control steps, after which an attempt of `recover` is given up:
    # such a hand pushes the object out of reach. None where the task is done with closed fingers
    alike_turn_rad: ClassVar[float | None] = None  # a scene moved over the table with all that is in it is one of this
    # task too, also with the hand turned about the vertical by this much. None: where it is makes a difference

    def __init__(self, settings: TaskSettings):
        self.settings = settings

    @property
    @abstractmethod
    def boxes(self) -> list[Box]:
        """Objects and fixtures of the scene; exactly one, `object_name`, is moved."""

    @property
    def moved_box(self) -> Box:
        """The one that is moved."""
        return next(box for box in self.boxes if box.name == self.object_name)

    @abstractmethod
    def sample_initial_states(self, direction: str, rng: np.random.Generator, count: int) -> InitialStates:
        """Seeded initial states with their targets."""

    @abstractmethod
    def sample_target(self, direction: str, rng: np.random.Generator) -> np.ndarray:
        """(7,): a target for an attempt that begins as things are; the goal draws nothing."""

    @abstractmethod
    def target_poses(self, direction: str, xy: np.ndarray) -> np.ndarray:
        """(M, 2) [m] -> (M, 7): the poses of an object that has been brought there."""

    def can_begin(self, obj_pose: np.ndarray) -> tuple[str, ...]:
        """Directions that can begin where an attempt has left the object (7,), best first; none where it needs help.

        It may lie in the gripper. Unless a task says more: A, wherever the fingers may be sent.
        """
        lower, upper = self.workspace()
        within = (np.abs(obj_pose[:2] - (lower + upper)[:2] / 2) <= (upper - lower)[:2] / 2 + FINGER_REACH_M).all()
        return (keys.TASK_A,) if within and obj_pose[2] >= self.data_bounds.lowest_z_m else ()

    def put_down_pose(self, obj_pose: np.ndarray) -> np.ndarray:
        """Where an object that the hand holds (7,) ends when it is lowered there: on the table, or on a fixture."""
        moved = self.moved_box
        below = [box for box in self.boxes if box.mass_kg is None and _overlap(box, moved, obj_pose[:2])]
        top = max((box.position_m[2] + box.size_m[2] / 2 for box in below), default=0.0)
        lowered = np.array(obj_pose)
        lowered[2] = min(lowered[2], top + moved.size_m[2] / 2)
        return lowered

    def check_movable(self) -> None:
        """Raises ConfigError where a moved scene may not be one of this task (`alike_turn_rad`)."""
        if self.alike_turn_rad is None:
            raise ConfigError(
                f"task.kind={self.settings.kind}: does not say that its scenes may be moved over the table",
                do="set its alike_turn_rad, or leave out train.scene_shift, scene_turn, scene_mirror and views.turned",
            )  # fmt: skip

    def is_target(self, obj_pose: np.ndarray) -> bool:
        """Whether Task B may be asked for the place of an object (7,): Task A begins there, away from the goal."""
        bounds = self.data_bounds
        far = bounds.goal_xy is None or np.linalg.norm(obj_pose[:2] - bounds.goal_xy) >= bounds.min_goal_distance_m
        return bool(far) and self.can_begin(obj_pose)[:1] == (keys.TASK_A,)

    def reached_target(self, direction: str, obj_pose: np.ndarray) -> np.ndarray:
        """(7,) -> (7,): the target that has been reached by an object that lies like this."""
        return self.target_poses(direction, obj_pose[None, :2])[0]

    @abstractmethod
    def sample_ee_poses(self, rng: np.random.Generator, near_xy: np.ndarray) -> np.ndarray:
        """(M, 7): where the end effector may start and end, for objects at (M, 2) [m]."""

    @abstractmethod
    def workspace(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of where an end effector may be sent [m]."""

    @abstractmethod
    def expert_way(
        self, direction: str, states: InitialStates, index: int, ee_end: np.ndarray, rng: np.random.Generator
    ) -> list[Waypoint | GripperEvent]:
        """How the expert does it from state `index`, to the end-effector pose `ee_end` (7,)."""

    def way_away(self, ee_pose: np.ndarray, obj_pose: np.ndarray, ee_end: np.ndarray) -> list[Waypoint]:
        """How the empty hand leaves the object after a success, from pose (7,) to `ee_end` (7,). Here: it stays."""
        return []

    @abstractmethod
    def success_detector(self, num_envs: int, distance_threshold: float | None = None) -> SuccessDetector:
        """For N environments; the tolerance [m] is the settings' unless given."""

    @abstractmethod
    def environment_state(
        self, ee_pose: np.ndarray, obj_pose: np.ndarray, gripper_width: np.ndarray, target_pose: np.ndarray
    ) -> np.ndarray:
        """(..., 7), (..., 7), (...,), (..., 7) or (7,) -> (..., D) float32: what a policy observes of the objects."""

    @abstractmethod
    def parse_environment_state(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(..., D) -> object pose and target pose, (..., 7) each, as far as they were observed."""

    @abstractmethod
    def holds(self, distance_m: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        """Whether an object at this distance from the tool centre point is in the fingers, (...,) bool."""

    def closed_on_nothing(self, distance_m: np.ndarray, gripper_width: np.ndarray) -> np.ndarray:
        """Whether closed fingers have nothing between them, (...,) bool; an object may touch them from outside."""
        return ~self.holds(distance_m, gripper_width) | (gripper_width < min(self.moved_box.size_m) / 2)

    @property
    @abstractmethod
    def data_bounds(self) -> DataBounds:
        """What the data checks may expect."""


def _overlap(fixture: Box, moved: Box, xy: np.ndarray) -> bool:
    """Whether a box `moved`, centred at `xy`, is above a fixture, seen from above; both taken to lie straight."""
    apart = np.abs(np.asarray(fixture.position_m[:2]) - xy)
    return bool((apart < (np.asarray(fixture.size_m[:2]) + moved.size_m[:2]) / 2).all())
