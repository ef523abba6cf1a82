"""How well image encoders say where things are after a given time of training, on demonstrations they were not shown.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/encoders.py data/lerobot_B_circle-images --stages 4 3 2 1

For each number of residual stages (`policy.backbone_stages`) the policy's own encoder and a linear layer are trained to
give the environment state from both images and the robot's state, for `--seconds` of CPU time. Of that state, the
object's and the target's place are reported.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from rev2fwd_il import keys
from rev2fwd_il.config.reading import with_changes
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.image_encoding import choose_precision, encode_in
from rev2fwd_il.learning.normalization import make_stats, standardize
from rev2fwd_il.learning.policy import make_policy, observation_keys, policy_input
from rev2fwd_il.learning.windows import FrameStore, cut_windows

HELD_OUT, TESTED_FRAMES, BATCH = 6, 1500, 32  # every sixth demonstration is held out, with its moved copy
OBJECT_XY, TARGET_XY = [0, 1], [7, 8]  # of the environment state
SEEING = ["policy.images=true", "policy.include_obj_pose=false", "policy.n_obs_steps=1", "policy.crop_ratio=1.0",
          "policy.diffusion.use_separate_rgb_encoder_per_camera=false"]  # fmt: skip


def split(store: FrameStore) -> tuple[Tensor, Tensor]:
    """Frames to train on and to test with; frames of one start and target, hence copies, are on the same side."""
    first = store.frames[keys.OBS_ENVIRONMENT_STATE][store.episode_start][:, OBJECT_XY + TARGET_XY]
    group = torch.unique((first * 1000).round(), dim=0, return_inverse=True)[1]
    held_out = (group % HELD_OUT == 0).nonzero()[:, 0]
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))  # the same for each encoder
    return (group % HELD_OUT > 0).nonzero()[:, 0], held_out[order[:TESTED_FRAMES]]


def measure(store: FrameStore, stages: int, seconds: float, lr: float) -> str:
    """Train, then test: one row of the table."""
    torch.manual_seed(0)
    config = with_changes([*SEEING, f"policy.backbone_stages={stages}"]).policy
    seen = observation_keys(config)
    bundle = make_policy(config, store, make_stats(store, seen, 1, config.prediction_horizon, True), "cpu")
    encode_in(choose_precision("auto", torch.device("cpu")), bundle.policy)
    encoder, wanted = bundle.policy.diffusion.rgb_encoder, standardize(store, keys.OBS_ENVIRONMENT_STATE)
    train, test = split(store)
    head = nn.Linear(8 + 2 * encoder.feature_dim, wanted.shape[1])
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr)

    def predict(frames: Tensor) -> Tensor:
        given = policy_input(bundle, cut_windows(store, frames, 1, config.prediction_horizon, seen))
        normal = bundle.policy._normalized(given)
        images = torch.stack([normal[key] for key in keys.CAMERAS], 2).flatten(0, 2)
        return head(torch.cat([normal[keys.OBS_STATE][:, 0], encoder(images).reshape(len(frames), -1)], 1))

    began, steps = time.process_time(), 0
    while (done := (time.process_time() - began) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1, (steps + 1) / 100) * (1 + math.cos(math.pi * done)) / 2
        frames = train[torch.randint(len(train), (BATCH,))]
        nn.functional.mse_loss(predict(frames), wanted[frames]).backward()
        nn.utils.clip_grad_norm_(parameters, 10.0)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    with torch.no_grad():
        errors = torch.cat([predict(part) for part in test.split(100)]) - wanted[test]
    unit = store.frames[keys.OBS_ENVIRONMENT_STATE].std(0, correction=0).clamp_min(0.02)
    medians = [f"{1000 * (errors * unit)[:, xy].norm(dim=1).median():.1f}" for xy in (OBJECT_XY, TARGET_XY)]
    places = "{} x {}".format(*reversed(encoder.backbone(images_like(store)).shape[2:]))
    return f"| {stages} | {places} | {BATCH * steps / seconds:.0f} | {medians[0]} | {medians[1]} |"


def images_like(store: FrameStore) -> Tensor:
    """One black image of the dataset's size, (1, 3, H, W)."""
    return torch.zeros(1, 3, *store.frames[keys.OBS_TABLE_IMAGE].shape[1:3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="LeRobot dataset with images")
    parser.add_argument("--stages", type=int, nargs="+", default=[4, 3, 2, 1])
    parser.add_argument("--seconds", type=float, default=90, help="CPU time each")
    parser.add_argument("--lr", type=float, default=1e-3)
    args = parser.parse_args()
    store = load_frames(args.dataset, images=True)
    print("| stages | places | observations/s | object, median error [mm] | target [mm] |\n|---|---|---|---|---|")
    for stages in args.stages:
        print(measure(store, stages, args.seconds, args.lr), flush=True)


if __name__ == "__main__":
    main()
