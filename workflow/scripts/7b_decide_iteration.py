"""Decide whether another iteration is worth its time, by the validation of the policies after this one.

python workflow/scripts/7b_decide_iteration.py --validation runs/validation_{A,B}_circle/iter1/metrics.json \
    --before runs/stopping_circle/iter0.json --out runs/stopping_circle/iter1.json
"""

import argparse
from pathlib import Path

from rev2fwd_il.running.command_line import make_parser, run


def parser() -> argparse.ArgumentParser:
    out = make_parser(__doc__.splitlines()[0])
    out.add_argument("--validation", nargs="+", type=Path, required=True, help="metrics.json of both tasks")
    out.add_argument("--before", type=Path, help="decision after the iteration before; none after iteration 0")
    out.add_argument("--out", type=Path, required=True, help="decision (.json)")
    return out


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.errors import DataError
    from rev2fwd_il.method.stopping import decide, read_decision
    from rev2fwd_il.running.json_files import read_json, write_json

    settings = config_from_overrides(args.settings).stopping
    rates = {}
    for path in args.validation:
        metrics = read_json(path)
        if metrics.get("rate") is None or "task" not in metrics:
            raise DataError(f"{path}: no success rate", expected="metrics.json of 5_eval_diffusion.py")
        rates[metrics["task"]] = metrics["rate"]
    decision = decide(args.before and read_decision(args.before), sum(rates.values()) / len(rates), settings)
    write_json(args.out, decision.to_note() | {"rates": rates})
    shown = ", ".join(f"{task} {rate:.3f}" for task, rate in rates.items())
    what = "goes on" if decision.goes_on else f"ends, with iteration {decision.chosen} chosen"
    print(f"iteration {decision.iteration}: {shown} on the validation starts; {decision.why}: the run {what}")


if __name__ == "__main__":
    run(main, parser())
