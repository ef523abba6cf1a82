"""Opt-in, as `make test-robomimic` and `make test-aloha`, which fetch what these tests are about."""

import importlib.util

NEEDED = {"robomimic": "test_robomimic_loader.py", "gym_aloha": "test_aloha_backward.py"}
collect_ignore = [test for package, test in NEEDED.items() if not importlib.util.find_spec(package)]
