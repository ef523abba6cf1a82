"""What a script sets up for itself before its work, seen in that work: it is counted, nothing is timed."""

import json
import subprocess
import sys

import pytest

COUNTING = """
import gc, json, resource
from rev2fwd_il.running.command_line import make_parser, run

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def main(args=None):
    first = None
    for turn in range(9):
        blocks = [bytearray(2**24) for _ in range(3)]
        del blocks
        first = first or faults()
    page_faults = faults() - first
    searches = gc.get_stats()[2]["collections"]
    kept = [[] for _ in range(10**6)]
    print(json.dumps([page_faults, gc.get_stats()[2]["collections"] - searches]))

"""


def _counted(call: str) -> list[int]:
    return json.loads(subprocess.check_output([sys.executable, "-c", COUNTING + call]))


def test_scripts_use_freed_memory_again_and_look_for_garbage_rarely():
    page_faults, searches = _counted("run(main, make_parser(''))")
    untuned_faults, untuned_searches = _counted("main()")
    assert 10 * page_faults < untuned_faults
    assert searches < untuned_searches


# In processes of their own: what a C library is told cannot be taken back
OTHER_VERSION = "processes.FREED_MEMORY = replace(processes.FREED_MEMORY, written_for={'glibc': '1'})"
EACH_BLOCK_MAPPED = "processes.MMAP_THRESHOLD_BYTES = 0"


def _said_when_tuned_twice(change: str = "") -> str:
    imports = "from dataclasses import replace; from rev2fwd_il.running import processes"
    code = f"{imports}\n{change}\nprocesses.tune_memory()\nprocesses.tune_memory()"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr


def test_freed_memory_is_kept():
    assert _said_when_tuned_twice() == ""


@pytest.mark.parametrize("change", [OTHER_VERSION, EACH_BLOCK_MAPPED])
def test_a_c_library_that_does_not_keep_freed_memory_is_said_once(change):
    (line,) = _said_when_tuned_twice(change).splitlines()
    assert line.startswith("warning: patch 'freed-memory' is off")
