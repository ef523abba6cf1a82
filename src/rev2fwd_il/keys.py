"""Names of fields and features, each written once.

NPZ fields follow the data contract (docs/data.md); feature names are LeRobot's.
"""

IMAGES = "images"
WRIST_IMAGES = "wrist_images"
EE_POSE = "ee_pose"
OBJ_POSE = "obj_pose"
ACTION = "action"
GRIPPER_WIDTH = "gripper_width"
TARGET_XY = "target_xy"
TARGET_POSE = "target_pose"
OBJECT_POSES = "object_poses"
SUCCESS = "success"
ROLLOUT = "rollout"  # of a LeRobot dataset: whether a policy acted
EPISODE_ENDS = "episode_ends"
META = "meta"
OBJECT_NAMES = "object_names"  # in meta
AFTER_FAILURE = "after_failure"  # in meta: numbers of the episodes that began where a failed one had left things

OBS_STATE = "observation.state"
OBS_ENVIRONMENT_STATE = "observation.environment_state"
OBS_TABLE_IMAGE = "observation.images.table"
OBS_WRIST_IMAGE = "observation.images.wrist"

CAMERAS = {OBS_TABLE_IMAGE: IMAGES, OBS_WRIST_IMAGE: WRIST_IMAGES}  # and their fields in an NPZ

GRIPPER_OPEN, GRIPPER_CLOSE = 1.0, -1.0
CONTROL_HZ = 30  # commands, and frames of a dataset, per second

TASK_A, TASK_B = "A", "B"
TASKS = (TASK_A, TASK_B)
