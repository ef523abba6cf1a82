"""What the documentation and comments name is there: modules, files, links."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "src" / "rev2fwd_il"
PACKAGES = "|".join(path.parent.name for path in LIBRARY.glob("*/__init__.py"))
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "workflow/scripts/PIPELINE_README.md"]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split() if (ROOT / name).is_file()]


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name}: {target}"


def test_modules_that_are_named_exist():
    """`package/module.py` and `src/rev2fwd_il/...`, in pages, comments, configurations and messages."""
    files = tracked("*.md", "*.py", "*.smk", "*.yaml", "*.sh", "*.rst", "Snakefile", "Makefile")
    wrong = []
    for path in files:
        for named in re.findall(rf"(?<![\w/.])(?:src/rev2fwd_il/)?((?:{PACKAGES})/[a-z_/]*\.py)\b", path.read_text()):
            if not (LIBRARY / named).is_file() and not (ROOT / named).is_file():
                wrong.append(f"{path.relative_to(ROOT)}: {named}")
        for named in re.findall(r"src/rev2fwd_il/([\w/]+(?:\.py)?)", path.read_text()):
            if not (LIBRARY / named).exists():
                wrong.append(f"{path.relative_to(ROOT)}: src/rev2fwd_il/{named}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scripts_that_are_named_exist(page):
    for named in re.findall(
        r"workflow/scripts/[\w.]+\.(?:py|sh)|benchmarks/\w+\.py|profiles/\w+|rules/\w+\.smk", page.read_text()
    ):
        assert (ROOT / named).exists(), f"{page.name}: {named}"


def test_the_site_leaves_no_page_or_package_out():
    """`make docs` builds it, strictly: a link that leads nowhere stops it. Here: what its menu would miss."""
    site = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r"^ +- [\w &-]+: ([\w/]+\.md)\b", site.partition("\nnav:")[2], re.M))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert listed == pages
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert packages == {Path(page).stem for page in pages if page.startswith("api/")}
    for package in packages:
        assert f"::: rev2fwd_il.{package}\n" in (ROOT / f"docs/api/{package}.md").read_text()


def test_the_documentation_environment_is_pinned_with_hashes():
    lock = (ROOT / "envs/docs.txt").read_text()
    asked = [line for line in (ROOT / "envs/docs.in").read_text().splitlines() if not line.startswith("#")]
    for name in (re.match(r"[\w-]+", line).group() for line in asked):
        assert re.search(rf"^{name}==\S+ \\\n    --hash=sha256:", lock, re.M), f"{name}: run `make lock`"
    assert "http" not in lock, "the lock names a registry"
