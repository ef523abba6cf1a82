"""Datasets, policies and training on LeRobot: the only place that imports lerobot or accelerate."""

import logging

# LeRobot reports at length, at every import, that torchcodec finds no FFmpeg. Nothing here decodes video.
logging.getLogger("lerobot.utils.import_utils").setLevel(logging.ERROR)
