"""The report in a headless Chromium, offline, as wide as a window and as a phone: nothing is cut off or logged.

Opt-in, since a browser is no Python package: `make test-browser`, or REV2FWD_BROWSER=chromium. REV2FWD_SCREENSHOTS
names a folder that keeps what was seen.
"""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from synthetic_run import write_run

from rev2fwd_il.data.reading import EpisodeDataset
from rev2fwd_il.reporting.inspection import inspect
from rev2fwd_il.reporting.page import write_report
from rev2fwd_il.running.benchmarks import read_benchmarks

BROWSER = shutil.which(os.environ.get("REV2FWD_BROWSER", ""))
OFFLINE = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update"]
WIDTHS = {"window": 1200, "phone": 400}  # [px]
MAX_WEIGHT = 8e6  # of the page with its videos [bytes]
# Runs in a copy of the page, inside a frame of the width that is asked for, and tells the page around it what it saw.
PROBE = """
<script>
const problems = [];
addEventListener("error", e => problems.push("error: " + (e.message || e.target.src || e.target.href)), true);
addEventListener("securitypolicyviolation", e => problems.push("blocked: " + e.blockedURI));
const cut = table => {
  const box = table.getBoundingClientRect(), reasons = [];
  if (box.left < 0 || box.right > innerWidth + 1) reasons.push("beyond the window");
  for (let e = table; e !== document.documentElement; e = e.parentElement)
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible") reasons.push("scrolls");
  for (const cell of table.querySelectorAll("th, td"))
    if (cell.clientWidth && cell.scrollWidth > cell.clientWidth + 1) reasons.push("cell: " + cell.textContent);
  return reasons.length ? [table.caption && table.caption.textContent, reasons] : null;
};
const counts = map => [...map.querySelectorAll("[data-count]")].map(count => Number(count.textContent));
addEventListener("load", () => {
  const found = {problems, title: document.title, width: innerWidth};
  for (const one of document.querySelectorAll("details")) one.open = true;
  found.tables = document.querySelectorAll("table").length;
  found.cut = [...document.querySelectorAll("table")].map(cut).filter(Boolean);
  found.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  found.images = [...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight, i.alt]);
  found.videos = [...document.querySelectorAll("video")].map(v => [v.ariaLabel, v.error && v.error.message]);
  found.headings = [...document.querySelectorAll("h1, h2, h3")].map(h => Number(h.tagName[1]));
  const named = e => e.textContent.trim() || e.ariaLabel;
  found.unlabelled = [...document.querySelectorAll("select, a")].filter(e => !named(e)).length;
  found.anchors = [...document.querySelectorAll("a[href^='#']")].filter(a => !document.querySelector(a.hash)).length;
  found.maps = [...document.querySelectorAll(".starts")].map(map => {
    const first = counts(map), before = map.querySelector("select[name=before]");
    before.value = map.querySelector("select[name=after]").value;
    before.dispatchEvent(new Event("change", {bubbles: true}));
    return [first, counts(map), map.querySelectorAll("use.gained[data-start], use.lost[data-start]").length];
  });
  parent.postMessage(JSON.stringify(found), "*");
});
</script>
"""
FRAME = """<!doctype html><title>frame</title><body style="margin: 0"><pre id="probe" hidden></pre><script>
addEventListener("message", e => { document.getElementById("probe").textContent = e.data; });
</script><iframe src="PAGE" style="border: 0; width: WIDTHpx; height: 6000px"></iframe>"""


def browse(page: Path, width: int, *options: str) -> tuple[str, str]:
    """Chromium on a page inside a frame of a width [px]; (standard output, what it logged)."""
    frame = page.with_name(f"frame_{page.stem}.html")
    frame.write_text(FRAME.replace("PAGE", page.name).replace("WIDTH", str(width)))
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", *OFFLINE,
        f"--user-data-dir={page.parent / 'profile'}", f"--window-size={max(width, 500)},6000", "--hide-scrollbars",
        "--virtual-time-budget=20000", "--enable-logging=stderr", *options, frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, done.stderr


def probe(page: Path, width: int) -> dict:
    """What the page, with PROBE in it, tells about itself at a width [px]; fails on anything logged."""
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("<head>", "<head>" + PROBE, 1))
    document, log = browse(probed, width, "--dump-dom")
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
    found = json.loads(html.unescape(re.search(r'<pre id="probe"[^>]*>(.*?)</pre>', document, re.S).group(1)))
    assert found["width"] == width
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a run with three iterations, two arms, findings, benchmarks and videos."""
    root = tmp_path_factory.mktemp("run")
    write_run(root)
    for task in "AB":
        inspect(EpisodeDataset(root / "data" / "B_circle.npz"), root / "runs" / "inspect_circle" / task)
    benchmarks = root / "runs" / "benchmark_circle"
    benchmarks.mkdir()
    for job in ("train_A", "train_B", "evaluate_A_iter1"):
        (benchmarks / f"{job}.tsv").write_text("s\tmax_rss\tcpu_time\n485.96\t1040.80\t460.12\n")
    assert len(read_benchmarks(benchmarks)) == 3
    report = write_report("circle", root / "data", root / "runs", root / "runs" / "report_circle")
    assert report.weight() < MAX_WEIGHT
    return root / "runs" / "report_circle" / "index.html"


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_everything_loads_fits_and_has_a_name(page, width):
    found = probe(page, width)
    assert found["problems"] == [] and "circle" in found["title"]
    assert found["tables"] >= 5 and found["cut"] == [] and found["wide"] <= 0
    assert len(found["images"]) >= 6
    assert all(complete and w > 100 and h > 50 and alt for complete, w, h, alt in found["images"])
    assert found["videos"] and all(name and error is None for name, error in found["videos"])
    assert found["unlabelled"] == 0 and found["anchors"] == 0
    assert found["headings"][0] == 1 and found["headings"].count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found["headings"], found["headings"][1:]))


def test_a_map_follows_what_is_chosen(page):
    """With the same iteration before and after, no start is gained or lost."""
    for first, same, marked in probe(page, WIDTHS["window"])["maps"]:
        assert sum(first) == sum(same) == 200 and first[1] > 0
        assert same[1:3] == [0, 0] and marked == 0


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("holder", ["overflow: hidden", "overflow-x: auto", ""])
def test_a_planted_cut_off_table_is_found(page, width, holder):
    cells = "".join(f"<td>cell {i}</td>" for i in range(20))
    table = f"<table style='display: table; width: 2000px'><caption>planted</caption><tr>{cells}</tr></table>"
    planted = f'<div style="{holder}">{table}</div>'
    other = page.with_name("planted.html")
    other.write_text(page.read_text().replace("</main>", planted + "</main>", 1))
    assert [caption for caption, _ in probe(other, width)["cut"]] == ["planted"]


@pytest.mark.parametrize(("name", "width"), WIDTHS.items())
def test_screenshot(page, name, width):
    picture = page.with_name(f"{name}.png")
    browse(page, width, f"--screenshot={picture}")
    pixels = imread(picture)[:, :width, :3]
    assert pixels.shape[:2] == (6000, width)
    rows = (np.ptp(pixels, axis=(1, 2)) > 0.2).mean()
    assert rows > 0.3, "most of the page is empty"
    if folder := os.environ.get("REV2FWD_SCREENSHOTS"):
        shutil.copy(picture, Path(folder) / picture.name)
