"""What a process sets up for itself, seen from outside: page faults are counted, nothing is timed."""

import subprocess
import sys

ROUNDS = """
import resource
from rev2fwd_il.processes import tune_memory
{first}
before = 0
for turn in range(9):
    blocks = [bytearray(2**24) for _ in range(3)]
    del blocks
    before = before or resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_is_used_again():
    faults = {
        first: int(subprocess.check_output([sys.executable, "-c", ROUNDS.format(first=first)]))
        for first in ("", "tune_memory()")
    }
    assert 10 * faults["tune_memory()"] < faults[""]
