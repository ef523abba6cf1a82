"""What a script sets up for itself before its work, seen in that work: it is counted, nothing is timed."""

import json
import subprocess
import sys

COUNTING = """
import gc, json, resource
from rev2fwd_il.cli import make_parser, run

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
