"""Opt-in, as `make test-robomimic`, which fetches the loader."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("robomimic") else ["test_robomimic_loader.py"]
