"""Datasets, policies and training on LeRobot: the only place that imports lerobot or accelerate."""
