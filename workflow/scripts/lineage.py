"""Show what made an artifact, with all it descends from, and whether it is stale against a configuration.

    python workflow/scripts/lineage.py runs/diffusion_A_circle/iter3
    python workflow/scripts/lineage.py data/A_smoke.npz --configfile config/smoke.yaml

Exit status 3 where it is stale.
"""

import argparse
import json
import sys
from pathlib import Path

from rev2fwd_il.config.reading import load_configs
from rev2fwd_il.errors import Rev2FwdError
from rev2fwd_il.running.lineage import draw, read_record, read_tree, stale


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help=".npz, LeRobot dataset, runs/.../iter<n>, checkpoint, or metrics.json")
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], help="laid over config/config.yaml, in order")
    parser.add_argument("--record", action="store_true", help="print its whole record as JSON instead")
    args = parser.parse_args()
    try:
        if args.record:
            print(json.dumps(read_record(args.path), indent=1))
            return 0
        tree = read_tree(args.path)
        reasons = stale(tree, load_configs(["config/config.yaml", *args.configfile]))
    except Rev2FwdError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(draw(tree)))
    print("\n".join(["", "stale:", *(f"  {reason}" for reason in reasons)]) if reasons else "\nnot stale")
    return 3 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
