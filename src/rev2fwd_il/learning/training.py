"""The training loop: windows from memory, one optimizer step, a running average, snapshots to resume from.

Everything random at step k (which windows, noise, diffusion times, crops) derives from (seed, k, process), so a resumed
training ends with the same bits as one that was never interrupted, and a seed gives the same bits twice on a machine.

Under `torchrun --nproc_per_node=P` each process draws its own `batch_size` windows: the effective batch is
P x batch_size. Accelerate averages the gradients; process 0 writes.
"""

import time
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rev2fwd_il import keys, seeds
from rev2fwd_il.errors import ConfigError, Rev2FwdError
from rev2fwd_il.learning import checkpoints
from rev2fwd_il.learning.augmentation import move_scenes, shift_end_effectors
from rev2fwd_il.learning.dataset_reading import load_frames
from rev2fwd_il.learning.image_encoding import choose_precision, encode_in
from rev2fwd_il.learning.normalization import make_stats, standardize
from rev2fwd_il.learning.objective import PRIVILEGED, make_objective
from rev2fwd_il.learning.optimization import MAX_GRADIENT_NORM, WeightAverage, lr_at, make_optimizer
from rev2fwd_il.learning.policy import (
    PolicyBundle,
    check_fits,
    load_bundle,
    make_policy,
    observation_keys,
    policy_input,
)
from rev2fwd_il.learning.progress import Progress
from rev2fwd_il.learning.training_run import TrainingRun
from rev2fwd_il.learning.windows import FrameStore, WindowSampler, cut_windows

LOG_EVERY = 20  # steps between reading the loss back, which on a GPU waits for it


def make_accelerator(device: str) -> Accelerator:
    """One process, or one of torchrun's. `cuda:N` picks that GPU; several processes take theirs by local rank."""
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise ConfigError(f"train.device={device}: no CUDA device here", do="use --device cpu")
        if ":" in device:
            torch.cuda.set_device(device)
    return Accelerator(cpu=device == "cpu")


def train(run: TrainingRun, accelerator: Accelerator | None = None) -> Path | None:
    """Train and write the checkpoint; returns its pretrained_model folder (None where `stop_after` ended it).

    Raises CheckpointError (output exists, parent missing or unfit, foreign snapshot), DataError, ConfigError, and
    Rev2FwdError where the loss is no longer finite.
    """
    accelerator = accelerator or make_accelerator(run.config.train.device)
    total_steps = _total_steps(run)
    checkpoints.check_output(run.out, total_steps, run.parent)
    loop = make_loop(run, accelerator)
    started = time.perf_counter()
    if not loop.run_steps():
        return None
    loop.average.copy_to_model()
    record = run.record(
        accelerator.num_processes,
        total_steps,
        rollout_share=loop.sampler.share,
        final_loss=loop.loss,
        precision=loop.precision,
        seconds=round(time.perf_counter() - started, 1),
    )
    written = checkpoints.step_checkpoint(run.out, total_steps)
    if accelerator.is_main_process:
        checkpoints.write_checkpoint(run.out, loop.bundle, record)
        checkpoints.remove_leftovers(run.out)
    accelerator.wait_for_everyone()
    return written


def make_loop(run: TrainingRun, accelerator: Accelerator) -> "TrainingLoop":
    """Data, policy and optimizer of a run, before its first step or where its snapshot left off."""
    with accelerator.main_process_first():  # which decodes images into a file, if they go there
        folder = checkpoints.image_folder(run.out)
        store = load_frames(run.dataset, run.config.policy.images, run.config.train.memory_gb, folder)
    bundle = _start(run, store, accelerator.device.type)
    sampler = make_sampler(run, store, bundle, _total_steps(run), accelerator.process_index)
    return TrainingLoop(run, bundle, store, sampler, accelerator)


def _total_steps(run: TrainingRun) -> int:
    return run.steps + (checkpoints.steps_done(run.parent) if run.parent else 0)


def make_sampler(run: TrainingRun, store: FrameStore, bundle: PolicyBundle, total_steps: int, rank=0) -> WindowSampler:
    """The draw of windows of this run; a finetune's differs from its parent's."""
    anchors = store.anchors(bundle.drop_n_last_frames)
    seed = seeds.derive(run.config.seed, "batches", total_steps - run.steps)
    return WindowSampler(*anchors, run.config.train.batch_size, run.config.rollout.max_share, seed, rank)


def _start(run: TrainingRun, store: FrameStore, device: str) -> PolicyBundle:
    """A fresh policy with statistics of this data, or the parent with the statistics it was trained with."""
    policy = run.config.policy
    observations = observation_keys(policy)
    if run.parent is not None:
        bundle = load_bundle(run.parent, device)
        check_fits(bundle.config, store, observations, run.parent)
        return bundle
    stats = make_stats(store, observations, policy.n_obs_steps, policy.prediction_horizon, policy.relative_action)
    torch.manual_seed(seeds.derive(run.config.seed, "weights"))
    bundle = make_policy(policy, store, stats, device)
    if run.start_from is not None:
        other = load_bundle(run.start_from, device)
        check_fits(other.config, store, observations, run.start_from)
        bundle.policy.load_state_dict(other.policy.state_dict())
    return bundle


class TrainingLoop:
    """The state that moves: step, weights, optimizer, average."""

    def __init__(self, run: TrainingRun, bundle: PolicyBundle, store: FrameStore, sampler: WindowSampler, accelerator):
        self.run, self.bundle, self.store, self.sampler, self.accelerator = run, bundle, store, sampler, accelerator
        self.config, self.task = run.config.train, run.task()
        self.observations = list(bundle.config.input_features)
        self.scene = self.config.scene_shift, self.config.scene_turn, self.config.scene_mirror
        if self.config.moves_scenes:
            self.task.check_movable()
        bundle.policy.train()
        self.average = WeightAverage(bundle.policy, self.config.ema_decay)
        self.precision = choose_precision(self.config.precision, accelerator.device)
        encode_in(self.precision, bundle.policy)
        self.privileged = standardize(store, keys.OBS_ENVIRONMENT_STATE) if self.config.auxiliary_weight else None
        dim = 0 if self.privileged is None else self.privileged.shape[1]
        self.objective = make_objective(bundle.policy, self.config, dim)
        optimizer = make_optimizer(self.objective.parameters(), self.config, run.lr)
        self.step, self.loss = 0, float("nan")
        self.settings = run.settings(accelerator.num_processes)
        self.snapshot = checkpoints.snapshot_path(run.out)
        if run.resume and self.snapshot.exists():
            self._continue(checkpoints.load_snapshot(self.snapshot, self.settings), optimizer)
        self.model: nn.Module
        self.model, self.optimizer = accelerator.prepare(self.objective, optimizer)

    def _continue(self, state: dict | None, optimizer: torch.optim.Optimizer) -> None:
        """Take over a snapshot's state; None leaves the start as it is."""
        if state is None:
            print(f"note: {self.snapshot} is of a former version of the code: the training starts anew", flush=True)
            return
        self.step = state["step"]
        self.objective.load_state_dict(state["weights"])
        self.average.load(state["average"])
        optimizer.load_state_dict(state["optimizer"])

    def run_steps(self) -> bool:
        """Take all steps; False where `stop_after` ended them early."""
        run, main = self.run, self.accelerator.is_main_process
        end = run.steps if run.stop_after is None else min(run.stop_after, run.steps)
        total, since = torch.zeros((), device=self.accelerator.device), self.step
        job = "finetune" if run.parent else "train"
        with Progress(run.config, run.out, run.steps, self.step, job_type=job, enabled=main) as progress:
            while self.step < end:
                total += self.take_step()
                save = self.step % self.config.save_every == 0 and self.step < run.steps
                if self.step % LOG_EVERY == 0 or save or self.step == end:
                    self.loss = self._check_finite(total.item() / (self.step - since))
                    progress.update(self.step, self.loss, self.optimizer.param_groups[0]["lr"], self.parts)
                    total, since = total.zero_(), self.step
                if save and main:
                    self._save()
        return end == run.steps

    def take_step(self) -> Tensor:
        """One optimizer step; its loss, still on the device."""
        anchors, noise_seed = self.sampler(self.step)
        torch.manual_seed(noise_seed)
        lr = lr_at(self.step, self.run.steps, self.config.warmup_steps, self.run.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss, self.parts = self.model(self.make_batch(anchors))
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(self.step)
        self.step += 1
        return loss.detach()

    def make_batch(self, anchors: Tensor) -> dict[str, Tensor]:
        """Normalised windows on the device, as the policy's forward takes them."""
        config = self.bundle.config
        steps = config.n_obs_steps, self.bundle.prediction_horizon
        windows = cut_windows(self.store, anchors, *steps, self.observations)
        if self.config.moves_scenes:
            windows = move_scenes(windows, self.task, *self.scene)
        if self.config.ee_noise and not config.image_features:  # images would still show it in its place
            windows = shift_end_effectors(windows, self.task, self.config.ee_noise, self.config.ee_turn_noise)
        windows = {key: value.to(self.accelerator.device, non_blocking=True) for key, value in windows.items()}
        batch = policy_input(self.bundle, windows)
        if self.privileged is not None:
            batch[PRIVILEGED] = self.privileged[anchors].to(self.accelerator.device, non_blocking=True)
        return batch

    def _check_finite(self, loss: float) -> float:
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise Rev2FwdError(
                f"{self.run.out}: the loss is not finite at step {self.step}", expected="a number", found=loss,
                do="lower --lr, or look for outliers in the data (2_inspect_data.py)",
            )  # fmt: skip
        return loss

    def _save(self) -> None:
        state = {
            "settings": self.settings,
            "step": self.step,
            "weights": self.objective.state_dict(),
            "average": self.average.values,
            "optimizer": self.optimizer.state_dict(),
        }
        checkpoints.save_snapshot(self.snapshot, state)
