"""Reverse-to-Forward imitation learning: demonstrate the easy task, reverse it, learn both, let them alternate."""

__version__ = "0.2.0.dev0"
