"""The real Snakemake of .venv-engine, run on a copy of the workflow."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SNAKEMAKE = os.environ.get("REV2FWD_SNAKEMAKE", str(ROOT / ".venv-engine/bin/snakemake"))


class Workflow:
    """A folder that holds the workflow, and the means to call Snakemake there."""

    snakemake = SNAKEMAKE
    root = ROOT

    def __init__(self, folder: Path):
        self.folder = folder
        for part in ("rules", "report", "config", "profiles", "workflow", "assets"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "envs").mkdir()
        for path in [ROOT / "Snakefile", *(ROOT / "envs").glob("*.yaml")]:
            shutil.copy(path, folder / path.relative_to(ROOT))

    def __call__(
        self, *arguments: str, config: tuple[str, ...] = (), timeout_s: float = 300, under: tuple[str, ...] = ()
    ):
        command = [*under, SNAKEMAKE, *arguments, *(["--config", *config] if config else [])]
        environment = os.environ | {"REV2FWD_PYTHON": sys.executable}
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
        )  # fmt: skip

    def plan(self, *arguments: str, config: tuple[str, ...] = ()) -> dict[str, int]:
        """Jobs of a dry run by rule, without `all`."""
        result = self("-n", "--quiet", "rules", *arguments, config=config)
        assert result.returncode == 0, result.stdout
        if "Nothing to be done" in result.stdout:
            return {}
        table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", result.stdout, re.M | re.S).group(1)
        jobs = {rule: int(count) for rule, count in (line.split() for line in table.splitlines() if line.strip())}
        jobs.pop("all", None)
        return jobs
