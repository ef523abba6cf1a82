"""Show what made an artifact, with all it descends from, and whether it is stale against a configuration.

    python workflow/scripts/lineage.py runs/diffusion_A_circle/iter3
    python workflow/scripts/lineage.py data/A_smoke.npz --configfile config/smoke.yaml

Exit status 3 where it is stale.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from rev2fwd_il.config.expansion import expand
from rev2fwd_il.config.reading import load_configs
from rev2fwd_il.config.run import Config
from rev2fwd_il.errors import Rev2FwdError
from rev2fwd_il.running.lineage import draw, read_record, read_tree, stale


def of_run(path: Path, config: Config) -> Config:
    """Of several runs that a configuration asks for, the settings of the one that the path names."""
    runs = expand(config)
    named = [name for name in runs if re.search(rf"_{re.escape(name)}(?![\w-])|_{re.escape(name)}_", str(path))]
    return runs[max(named, key=len)] if named else config


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
        reasons = stale(tree, of_run(args.path, load_configs(["config/config.yaml", *args.configfile])))
    except Rev2FwdError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(draw(tree)))
    print("\n".join(["", "stale:", *(f"  {reason}" for reason in reasons)]) if reasons else "\nnot stale")
    return 3 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
