"""How long policies take to plan, for one arm and for 64 at once: medians, measured in turn on the same machine.

    P=iter0/checkpoints/checkpoints/last/pretrained_model
    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/planning.py runs/diffusion_A_circle/$P runs/diffusion_B_circle/$P

gives a row of a table for each checkpoint.
"""

import argparse
from functools import partial
from statistics import median

import torch
from measuring import seconds

from rev2fwd_il.learning.inference import ChunkPolicy
from rev2fwd_il.learning.policy import PolicyBundle, load_bundle

ARMS = (1, 64)


def observed(bundle: PolicyBundle, arms: int) -> dict[str, torch.Tensor]:
    """Anything that `arms` arms might have observed: the time does not depend on it."""
    config = bundle.config
    shapes = {name: (arms, config.n_obs_steps, *feature.shape) for name, feature in config.input_features.items()}
    seen = {name: torch.rand(shape) for name, shape in shapes.items()}
    images = {name: (255 * seen[name]).to(torch.uint8).movedim(-3, -1) for name in config.image_features}
    return seen | images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--repetitions", type=int, default=50)
    args = parser.parse_args()
    bundles = {path: load_bundle(path, "cpu") for path in args.checkpoints}
    took = {(path, arms): [] for path in bundles for arms in ARMS}
    for repetition in range(args.repetitions + 1):
        for (path, arms), times in took.items():
            spent = seconds(partial(ChunkPolicy(bundles[path]).plan, observed(bundles[path], arms)))
            times += [spent] if repetition else []  # the first is slower
    print("| checkpoint | parameters |", *(f"{arms} arms [ms] |" for arms in ARMS))
    for path, bundle in bundles.items():
        parameters = sum(weights.numel() for weights in bundle.policy.parameters())
        print(f"| {path} | {parameters:,} |", *(f"{1000 * median(took[path, arms]):.1f} |" for arms in ARMS))


if __name__ == "__main__":
    main()
