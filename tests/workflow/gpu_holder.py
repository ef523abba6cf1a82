"""A job that holds its GPU names for a moment and fails when another living job holds one of them."""

import os
import sys
import time
from pathlib import Path

devices = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
expected, seconds, out = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
held = Path("held")
held.mkdir(exist_ok=True)


def claim(device):
    marker = held / device
    while True:
        try:
            with open(marker, "x") as file:
                file.write(str(os.getpid()))
            return
        except FileExistsError:
            holder = int(marker.read_text() or 0)
        if not holder or os.path.exists(f"/proc/{holder}"):
            Path("violations").open("a").write(f"{device} held by {holder} and {os.getpid()}\n")
            sys.exit(f"{device} is held twice")
        marker.unlink()  # left by a job that was killed


for device in devices:
    claim(device)
if len(devices) != expected:
    Path("violations").open("a").write(f"asked for {expected}, got {devices}\n")
time.sleep(seconds)
for device in devices:
    (held / device).unlink()
out.write_text(",".join(devices))
