"""The report in a headless Chromium, offline: every picture loads, nothing is logged, and there is something to see.

Opt-in, since a browser is no Python package: `make test-browser`, or REV2FWD_BROWSER=chromium.
"""

import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from matplotlib.image import imread
from synthetic_run import write_run

from rev2fwd_il.episodes import EpisodeDataset
from rev2fwd_il.inspection import inspect
from rev2fwd_il.report import write_report

BROWSER = shutil.which(os.environ.get("REV2FWD_BROWSER", ""))
OFFLINE = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update"]
# Runs in a copy of the page, after its own content; the page itself has no script.
PROBE = """
<script>
const problems = [];
addEventListener("error", e => problems.push("error: " + (e.message || e.target.src || e.target.href)), true);
addEventListener("securitypolicyviolation", e => problems.push("blocked: " + e.blockedURI));
addEventListener("load", () => {
  const pictures = [...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight, i.alt]);
  const films = [...document.querySelectorAll("video")].map(v => [v.currentSrc || v.src, v.error && v.error.message]);
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const result = document.createElement("pre");
  result.id = "probe";
  result.textContent = JSON.stringify({problems, pictures, films, wide, title: document.title});
  document.body.append(result);
});
</script>
"""


def browse(page, *options):
    """Chromium on a page; (standard output, what it logged)."""
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", *OFFLINE,
        f"--user-data-dir={page.parent / 'profile'}", "--window-size=1200,4000", "--virtual-time-budget=20000",
        "--enable-logging=stderr", *options, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    write_run(root)
    for task in "AB":
        inspect(EpisodeDataset(root / "data" / "B_circle.npz"), root / "runs" / "inspect_circle" / task)
    write_report("circle", root / "data", root / "runs", root / "runs" / "report_circle")
    return root / "runs" / "report_circle" / "index.html"


def test_every_picture_loads_and_nothing_is_logged(page):
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("<head>", "<head>" + PROBE, 1))
    document, log = browse(probed, "--dump-dom")
    console = [line for line in log.splitlines() if "CONSOLE" in line]
    assert console == []
    found = json.loads(re.search(r'<pre id="probe">(.*?)</pre>', document, re.S).group(1).replace("&amp;", "&"))
    assert found["problems"] == [] and "circle" in found["title"]
    assert len(found["pictures"]) >= 6
    assert all(complete and width > 100 and height > 50 for complete, width, height, _ in found["pictures"])
    assert found["films"] and all(error is None for _, error in found["films"])
    assert found["wide"] <= 0, "the page is wider than the window"


def test_screenshot(page):
    picture = page.with_name("page.png")
    browse(page, f"--screenshot={picture}")
    pixels = imread(picture)[..., :3]
    assert pixels.shape[:2] == (4000, 1200)
    rows = (np.ptp(pixels, axis=(1, 2)) > 0.2).mean()
    assert rows > 0.3, "most of the page is empty"
    if keep := os.environ.get("REV2FWD_SCREENSHOT"):
        shutil.copy(picture, keep)
