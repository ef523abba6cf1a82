"""How far a carried object creeps in the grasp, one way: the figures in docs/decisions.md.

    .venv/bin/python benchmarks/creep.py                       # the default: the cube, 2 solver substeps
    .venv/bin/python benchmarks/creep.py --substeps 4 --impratio 100 --integrator rk4

Task B is demonstrated and its reversals are replayed. The object's place in the end-effector frame is compared between
the grasp, when the pads have settled, and the last step before the release.
"""

import argparse
from itertools import islice

import numpy as np
from scipy.spatial.transform import Rotation

SETTLED_STEPS = 12  # after the command to close


def creep(episode) -> np.ndarray:
    """(3,) [m], in the end-effector frame."""
    closed = np.flatnonzero(episode.action[:, 7] < 0)
    at = [closed[0] + SETTLED_STEPS, closed[-1] - 2]
    turns = Rotation.from_quat(episode.ee_pose[at, 3:], scalar_first=True).inv()
    first, last = turns.apply(episode.obj_pose[at, :3] - episode.ee_pose[at, :3])
    return last - first


def main(args: argparse.Namespace) -> None:
    from rev2fwd_il.config.reading import config_from_overrides
    from rev2fwd_il.method.demonstration import demonstrate
    from rev2fwd_il.method.replay import replay, summarize_replays
    from rev2fwd_il.method.reversal import goal_of, reverse_episode
    from rev2fwd_il.sim.cell import Cell
    from rev2fwd_il.sim.environment import environment_cfg
    from rev2fwd_il.sim.launch import launched

    config = config_from_overrides(args.settings)
    cfg = environment_cfg(config, args.num_envs, cameras=False, seed=args.seed)
    cfg.sim.physics.num_substeps = args.substeps or cfg.sim.physics.num_substeps
    for name in ("impratio", "integrator"):
        if (value := getattr(args, name)) is not None:
            setattr(cfg.sim.physics.solver_cfg, name, value)
    lead, label = config.reversal.gripper_lead_steps, config.reversal.gripper_label
    with launched(cfg) as (env, watch):
        cell = Cell(env, watch, config)
        attempts = list(islice(demonstrate(cell, config, "B", args.seed, images=False), args.episodes))
        demos = [episode for episode in attempts if episode.success]
        backwards = [reverse_episode(episode, goal_of(episode), lead, label) for episode in demos]
        replays = summarize_replays(list(replay(cell, config, "A", backwards)))
    moved = 1000 * np.array([creep(episode) for episode in demos])
    print(f"expert {len(demos)} of {len(attempts)}, reversed {replays['succeeded']} of {replays['attempted']}")
    print("creep x, y, z [mm]: mean", moved.mean(0).round(2), "deviation", moved.std(0).round(2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=32)
    parser.add_argument("--num_envs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--substeps", type=int, help="solver substeps (default: the task's)")
    parser.add_argument("--impratio", type=float, help="of the solver (default: the cell's)")
    parser.add_argument("--integrator", help="of the solver (default: the cell's)")
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="KEY=VALUE")
    main(parser.parse_args())
