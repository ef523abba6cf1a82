"""A job that holds its GPU names for a moment and fails when another living job holds one of them."""

import os
import sys
import time
from pathlib import Path

devices = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
expected, seconds, out = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
held = Path("held")
held.mkdir(exist_ok=True)
mine = Path(f"held.{os.getpid()}")
mine.write_text(str(os.getpid()))


def complain(line):
    with open("violations", "a") as file:
        file.write(line + "\n")
    sys.exit(line)


def claim(device):
    marker = held / device
    while True:
        try:
            os.link(mine, marker)
            return
        except FileExistsError:
            try:
                holder = int(marker.read_text())
            except FileNotFoundError:
                continue
        if os.path.exists(f"/proc/{holder}"):
            complain(f"{device} held by {holder} and {os.getpid()}")
        marker.unlink(missing_ok=True)  # left by a job that was killed


for device in devices:
    claim(device)
if len(devices) != expected:
    complain(f"asked for {expected}, got {devices}")
time.sleep(seconds)
for device in devices:
    (held / device).unlink()
out.write_text(",".join(devices))
