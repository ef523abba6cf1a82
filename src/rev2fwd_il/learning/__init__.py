"""Datasets, policies and training on LeRobot: the only place that imports lerobot or accelerate."""

import logging

from rev2fwd_il.learning.lean_import import import_diffusion_policy

# LeRobot reports at length, at every import, that torchcodec finds no FFmpeg. Nothing here decodes video.
logging.getLogger("lerobot.utils.import_utils").setLevel(logging.ERROR)
import_diffusion_policy()
