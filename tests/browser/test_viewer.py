"""`--viewer browser` in a headless Chromium: it draws the cell's markers while a policy acts."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.image import imread

ROOT = Path(__file__).parents[2]
BROWSER = shutil.which(os.environ.get("REV2FWD_BROWSER", ""))
DEADLINE_S = 300


def served(script: subprocess.Popen, log: Path) -> str:
    """The address that the script prints while it runs."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := re.search(r"http://127\.0\.0\.1:\d+/\?url=\S+/proxy", log.read_text())):
        assert script.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(1)
    return found[0]


def test_a_policy_is_watched_in_a_browser(tmp_path):
    policy, log = ROOT / "tests/files/former_diffusion", tmp_path / "log"
    command = [
        sys.executable, ROOT / "workflow/scripts/5_eval_diffusion.py", "--checkpoint", policy, "--task", "B",
        "--out_dir", tmp_path / "out", "--num_episodes", "1000", "--num_envs", "2", "--viewer", "browser",
        "--set", "evaluation.videos=0",
    ]  # fmt: skip
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as script:
        try:
            browser = [
                BROWSER, "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
                f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,800",
                "--virtual-time-budget=90000", f"--screenshot={tmp_path / 'seen.png'}", served(script, log),
            ]  # fmt: skip
            subprocess.run(browser, capture_output=True, timeout=DEADLINE_S, check=True)
        finally:
            script.kill()
    red, green, blue = np.moveaxis(imread(tmp_path / "seen.png")[..., :3], -1, 0)
    assert np.sum((red > 0.6) & (green < 0.4) & (blue < 0.4)) > 50, "no target disc"
    assert np.sum((green > 0.6) & (red < 0.5) & (blue < 0.6)) > 50, "no goal ring"
