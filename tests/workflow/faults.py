"""Killing a run at seeded random moments and going on, as `make run` does, until it is finished."""

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from rev2fwd_il.running import processes
from rev2fwd_il.running.lineage import read_record
from rev2fwd_il.running.provenance import content_hash, without_maker

TIMINGS = ("seconds",)  # what training.json says about time
TARGETS = ("job", "process group", "Snakemake")


def contents(folder: Path) -> dict[str, object]:
    """Relative path -> what the artifact holds, for all that a run leaves; without times, logs and images."""
    out = {}
    for path in sorted([*(folder / "data").rglob("*"), *(folder / "runs").rglob("*")]):
        name = str(path.relative_to(folder))
        if "_so_far" in name:  # the report of what is finished, when a job has failed
            continue
        if path.suffix == ".json":
            values = json.loads(path.read_text())
            out[name] = {key: value for key, value in values.items() if key not in TIMINGS}
            if "made_by" in values:  # whoever changes the code while this runs
                out[name]["made_by"] = without_maker(values["made_by"])
        elif path.suffix == ".npz":
            out[name] = content_hash(path), without_maker(read_record(path))
        elif path.suffix in (".parquet", ".safetensors", ".csv", ".h5", ".tmp", ".pt"):
            out[name] = content_hash(path)
    return out


def finished_files(folder: Path) -> dict[str, int]:
    """Relative path -> time of writing, of the files that Snakemake holds for finished."""
    torn = set()
    for marker in (folder / ".snakemake/incomplete").rglob("*"):
        if marker.is_file():
            name = "".join(marker.relative_to(folder / ".snakemake/incomplete").parts).replace("@", "")
            torn.add(base64.b64decode(name + "=" * (-len(name) % 4)).decode(errors="replace"))
    names = [name for pattern in ("data/*.npz", "runs/*/*/metrics.json") for name in folder.glob(pattern)]
    known = {base64.b64decode(p.name).decode(errors="replace") for p in (folder / ".snakemake/metadata").glob("*=*")}
    names = [name for name in names if str(name.relative_to(folder)) in known - torn]
    return {str(name.relative_to(folder)): name.stat().st_mtime_ns for name in names}


class FaultyRun:
    """A run that is killed `kills` times, in turn one of its jobs, Snakemake alone, all of its process group."""

    def __init__(self, workflow, arguments: list[str], seed: int, pause_s: tuple[float, float]):
        self.workflow, self.arguments, self.pause_s = workflow, arguments, pause_s
        self.rng, self.log = random.Random(seed), []

    def go(self, kills: int, limit: int = 200) -> None:
        """Kill and go on; raises AssertionError when finished work is repeated or the run does not end well."""
        done, attempts = 0, 0
        while attempts < limit:
            attempts += 1
            before = finished_files(self.workflow.folder)
            snakemake = self._start()
            killing, status = done < kills, None
            while done < kills and status is None:
                self._await_a_job(snakemake)
                try:
                    status = snakemake.wait(self.rng.uniform(*self.pause_s))
                except subprocess.TimeoutExpired:
                    kind = TARGETS[done % len(TARGETS)]
                    done += self._kill(snakemake, kind)
                    if kind != "job":  # of which Snakemake goes on with what does not need it
                        break
            status = snakemake.wait() if status is None else status
            self._await_end_of_jobs()
            repeated = [name for name, at in before.items() if finished_files(self.workflow.folder).get(name, at) != at]
            assert not repeated, f"finished work was repeated: {repeated}\n{self.log}"
            if status == 0:
                return
            assert killing, f"failed without being killed\n{self._tail()}"
        raise AssertionError(f"not finished after {attempts} starts: {self.log}\n{self._tail()}")

    def _start(self) -> subprocess.Popen:
        doctor = [sys.executable, str(self.workflow.root / "workflow/scripts/doctor.py"), "--fix"]
        subprocess.run(doctor, cwd=self.workflow.folder, check=True, capture_output=True)
        with open(self.workflow.folder / "faults.log", "a") as log:
            return subprocess.Popen(
                [self.workflow.snakemake, *self.arguments], cwd=self.workflow.folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | {"REV2FWD_PYTHON": sys.executable},
            )  # fmt: skip

    def _kill(self, snakemake: subprocess.Popen, kind: str) -> bool:
        """False where there was nothing to kill."""
        if kind == "job":
            jobs = self._jobs(snakemake)
            if not jobs:
                snakemake.terminate()
                return False
            victim = self.rng.choice(jobs)
            os.kill(victim.pid, signal.SIGKILL)
        elif kind == "Snakemake":
            victim = snakemake.pid
            snakemake.kill()
        else:
            victim = snakemake.pid
            os.killpg(snakemake.pid, signal.SIGKILL)
        self.log.append(f"{time.strftime('%X')} killed {kind}: {victim}")
        print(self.log[-1], flush=True)
        return True

    @staticmethod
    def _jobs(snakemake: subprocess.Popen) -> list:
        return [p for p in processes.descendants(snakemake.pid) if any("workflow/scripts" in w for w in p.command)]

    def _await_a_job(self, snakemake: subprocess.Popen) -> None:
        """Planning takes as long as the machine is busy; what is worth killing begins with the first job."""
        deadline = time.monotonic() + 1800
        while snakemake.poll() is None and not self._jobs(snakemake):
            assert time.monotonic() < deadline, f"no job begins\n{self._tail()}"
            time.sleep(0.1)

    def _await_end_of_jobs(self, seconds: float = 60) -> None:
        """Jobs end with their Snakemake, soon."""
        deadline = time.monotonic() + seconds
        while left := [
            p for p in processes.all_processes()
            if p.folder == self.workflow.folder.resolve() and any("workflow/scripts" in word for word in p.command)
        ]:  # fmt: skip
            assert time.monotonic() < deadline, f"runs on without its Snakemake: {left}"
            time.sleep(0.1)

    def _tail(self) -> str:
        return (self.workflow.folder / "faults.log").read_text()[-5000:]
