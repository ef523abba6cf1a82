"""The README's moving pictures, from a finished run: a robot doing A, B, A, B, and a demonstration and its reversal.

    .venv/bin/python docs/site/moving_pictures.py --name circle        # docs/alternating.webp, docs/reversal.webp

The first is the first chain of the alternating test that got so far, the second the first demonstration whose reversal
was kept. Datasets hold end-effector poses: the joints drawn are those of inverse kinematics. docs/insertion.webp is the
first of `--name insert`. `--recovery runs/chains_circle/iter1/recoveries/recovered1.mp4` makes docs/recovery.webp of a
video of practice, `--seeing runs/alternating_circle-images/iter1/longest_chain.mp4` docs/seeing.webp of the first
attempts of policies that see.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

import av
import numpy as np
from PIL import Image

from rev2fwd_il.config.run import Config
from rev2fwd_il.data.reading import Episode, EpisodeDataset
from rev2fwd_il.data.video_files import with_caption
from rev2fwd_il.reporting.analysis import reversal_of
from rev2fwd_il.sim.cell import Cell
from rev2fwd_il.sim.launch import simulation
from rev2fwd_il.tasks import make_task

SEEING_S = 16  # how much of the video is shown
RENDERED_PX, ALTERNATING_PX, REVERSAL_PX, NUM_ENVS = 512, 448, 360, 16
EVERY, FPS = 3, 30  # of the frames
MAX_BYTES = 2 * 2**20
SAME_PLACE_M = 0.005


def follower(episode: Episode, dataset: EpisodeDataset) -> Episode | None:
    """The episode that begins where this one ends: the next attempt of the same chain."""
    starts = [np.asarray(dataset.arrays[name])[dataset.starts, :3] for name in ("ee_pose", "obj_pose")]
    ends = [episode.ee_pose[-1, :3], episode.obj_pose[-1, :3]]
    distance = np.max([np.linalg.norm(a - b, axis=1) for a, b in zip(starts, ends, strict=True)], axis=0)
    best = int(distance.argmin())
    return dataset[best] if distance[best] < SAME_PLACE_M else None


def first_chain(a: EpisodeDataset, b: EpisodeDataset) -> list[Episode]:
    """Successful attempts A, B, A, B of one chain."""
    for first in a:
        chain = [first]
        for dataset in (b, a, b):
            following = follower(chain[-1], dataset)
            if following is None:
                break
            chain.append(following)
        if len(chain) == 4 and all(episode.success for episode in chain):
            return chain
    raise SystemExit(f"{a.path}: no chain has four successes; let the run train longer")


def first_pair(demonstrations: EpisodeDataset, reversals: EpisodeDataset) -> tuple[Episode, Episode]:
    """A demonstration and its reversal."""
    for episode in demonstrations:
        index = reversal_of(episode, reversals)
        if index is not None:
            return episode, reversals[index]
    raise SystemExit(f"{reversals.path}: holds no reversal of {demonstrations.path}")


def render(cell: Cell, episode: Episode, caption: str, size_px: int) -> list[Image.Image]:
    """Every third frame, and the last, with its caption."""
    rows = np.unique([*range(0, len(episode), EVERY), len(episode) - 1])
    frames = cell.render_poses(
        episode.ee_pose[rows], episode.obj_pose[rows], episode.gripper_width[rows], episode.target_xy
    )
    images = [Image.fromarray(frame).resize((size_px, size_px), Image.Resampling.LANCZOS) for frame in frames]
    return [Image.fromarray(with_caption(np.asarray(image), caption)) for image in images]


def from_video(path: Path, seconds: float | None = None) -> tuple[list[Image.Image], int]:
    """Every second frame of a video, or of its beginning, and for how long to show each [ms]."""
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate)
        frames = islice(container.decode(video=0), 0, seconds and round(seconds * rate), 2)
        return [frame.to_image() for frame in frames], round(2000 / rate)


def write_webp(path: Path, images: list[Image.Image], quality: int, frame_ms: int = 1000 * EVERY // FPS) -> None:
    images[0].save(path, save_all=True, append_images=images[1:], duration=frame_ms, loop=0, quality=quality, method=4)
    print(f"{path}: {len(images)} frames, {path.stat().st_size / 1e6:.2f} MB")
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{path}: larger than {MAX_BYTES} bytes; lower --quality")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="circle", help="of the run")
    parser.add_argument("--iteration", type=int, default=1, help="whose policies alternate in the chains")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of data/ and runs/")
    parser.add_argument("--out_dir", type=Path, default=Path("docs"))
    parser.add_argument("--quality", type=int, default=55, help="of the WebP files, 0 to 100")
    parser.add_argument("--recovery", type=Path, help="video of a run of failures, for recovery.webp alone")
    parser.add_argument("--seeing", type=Path, help="video of chains of policies that see, for seeing.webp alone")
    args = parser.parse_args()
    if args.recovery or args.seeing:
        images, frame_ms = from_video(args.recovery or args.seeing, None if args.recovery else SEEING_S)
        name = "recovery.webp" if args.recovery else "seeing.webp"
        return write_webp(args.out_dir / name, images, args.quality, frame_ms)
    chains = args.root / f"runs/chains_{args.name}/iter{args.iteration}"
    rollouts = {task: EpisodeDataset(chains / f"rollout_{task}.npz") for task in "AB"}
    data = {task: EpisodeDataset(args.root / f"data/{task}_{args.name}.npz") for task in "AB"}
    config = Config(task=data["B"].meta["task_settings"], evaluation={"video_size": RENDERED_PX})
    texts = make_task(config.task).texts
    chain, (forward, backward) = first_chain(rollouts["A"], rollouts["B"]), first_pair(data["B"], data["A"])
    with simulation(config, NUM_ENVS, cameras=True) as (env, watch):
        cell = Cell(env, watch, config)
        shots = [render(cell, episode, f"{task}: {texts[task]}", ALTERNATING_PX)
                 for task, episode in zip("ABAB", chain, strict=True)]  # fmt: skip
        left = render(cell, forward, "Demonstration of B", REVERSAL_PX)
        right = render(cell, backward, "Its reversal, a demonstration of A", REVERSAL_PX)
    write_webp(args.out_dir / "alternating.webp", [image for shot in shots for image in shot], args.quality)
    pair = [np.concatenate([np.array(a), np.array(b)], 1) for a, b in zip(left, right)]
    write_webp(args.out_dir / "reversal.webp", list(map(Image.fromarray, pair)), args.quality)
    print(
        json.dumps({"chain_frames": [len(episode) for episode in chain], "pair_frames": [len(forward), len(backward)]})
    )


if __name__ == "__main__":
    main()
