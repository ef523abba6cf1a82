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
SUCCESS = "success"
EPISODE_ENDS = "episode_ends"
META = "meta"

OBS_STATE = "observation.state"
OBS_ENVIRONMENT_STATE = "observation.environment_state"
OBS_TABLE_IMAGE = "observation.images.table"
OBS_WRIST_IMAGE = "observation.images.wrist"

GRIPPER_OPEN, GRIPPER_CLOSE = 1.0, -1.0

TASK_A, TASK_B = "A", "B"
TASKS = (TASK_A, TASK_B)
TASK_TEXT = {
    TASK_A: "Pick the cube from anywhere on the table and place it at the goal.",
    TASK_B: "Pick the cube from the goal and place it at the target.",
}
