"""Run one job of the workflow: hold `--gpus` GPUs of this machine for it, and end it when its Snakemake is gone.

python workflow/scripts/job.py --gpus 1 -- python workflow/scripts/4_train_diffusion.py ...
"""

import argparse
import sys

from rev2fwd_il.errors import Rev2FwdError
from rev2fwd_il.running.job import run_job


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpus", type=int, default=0, help="devices of CUDA_VISIBLE_DEVICES, or of nvidia-smi")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="after --")
    args = parser.parse_args()
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        parser.error("no command")
    try:
        return run_job(command, args.gpus)
    except Rev2FwdError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
