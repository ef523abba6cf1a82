"""What of a dataset probably does not reverse, and how far its grippers lag: one pass over its numbers.

A motion that could be played backward is slow where it makes and breaks contact, rests there on both sides, and is
where its command says one frame later. Where that does not hold, the reversed command asks for something else than what
was recorded. Speeds are relative to the 95th percentile of an episode's, since units differ from joint to joint.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from rev2fwd_il.exchange.lerobot_reversal.frames import Frames, Ranges, answers, column
from rev2fwd_il.exchange.lerobot_reversal.roles import Gripper, Roles

MAX_LEAD_STEPS, CLEARLY = 15, 0.8
RESTING, FAST = 0.1, 0.5  # of an episode's 95th percentile of speed
GRAVITY_M_S2, FALLING, FALL_FRAMES = 9.81, 0.5, 2  # of gravity, for so many frames


@dataclass
class Survey:
    """Of the episodes added so far."""

    roles: Roles
    fps: float
    ranges: dict[Gripper, Ranges] = field(default_factory=dict)
    episodes: list[dict] = field(default_factory=list)
    _lags: dict[Gripper, list[int]] = field(default_factory=dict)
    _misses: np.ndarray | None = None  # (commands, 1 + MAX_LEAD_STEPS) sums of |command(t) - state(t + lead)|

    def lead_steps(self) -> dict[Gripper, int]:
        """Frames by which each gripper's command comes before its opening crosses the middle: given, or the median."""
        measured = {g: max(1, round(median(lags))) if lags else 1 for g, lags in self._lags.items()}
        return {g: g.lead_steps or measured.get(g, 1) for g in self.roles.grippers}

    def command_leads(self) -> dict[str, int]:
        """Frames after which each commanded state is clearly nearest to its command; else those of the reversed one."""
        absolute = [pair for pair in self.roles.commands if pair.scale is None]
        if self._misses is None:
            return {}
        usual = self.roles.command_lead_steps
        clearly = self._misses.min(1) < CLEARLY * self._misses[:, min(usual, MAX_LEAD_STEPS)]
        leads = np.where(clearly, self._misses.argmin(1), usual)
        return {str(pair.command): int(lead) for pair, lead in zip(absolute, leads, strict=True)}

    def add(self, frames: Frames) -> None:
        """An episode, forward."""
        absolute = [pair for pair in self.roles.commands if pair.scale is None]
        misses = [_misses(column(frames, pair.command), column(frames, pair.state)) for pair in absolute]
        if misses:
            self._misses = np.array(misses) + (0 if self._misses is None else self._misses)
        for gripper in self.roles.grippers:
            moved = [change for change in answers(frames, gripper, self.ranges[gripper]) if change.widens is not None]
            self._lags.setdefault(gripper, []).extend(change.answered - change.commanded for change in moved)
        speed = self._speed(frames)
        events = [event for gripper in self.roles.grippers for event in self._events(frames, gripper, speed)]
        falls = [[str(d), _falling(column(frames, d), self.fps)] for d in self.roles.heights]
        self.episodes.append(
            {"frames": len(speed), "gripper_events": events, "free_fall": {name: n for name, n in falls if n}}
        )

    def _speed(self, frames: Frames) -> np.ndarray:
        """(T,) of all commanded states together, relative to the episode's 95th percentile."""
        steps = [
            np.diff(column(frames, pair.state), prepend=column(frames, pair.state)[0]) for pair in self.roles.commands
        ]
        speed = np.sqrt(np.square(np.array(steps, float)).sum(0)) if steps else np.zeros(_length(frames))
        return speed / max(np.percentile(speed, 95), 1e-12)

    def _events(self, frames: Frames, gripper: Gripper, speed: np.ndarray) -> Iterator[dict]:
        for _, frame, widens in answers(frames, gripper, self.ranges[gripper]):
            if widens is None:
                continue
            resting = speed < RESTING
            yield {
                "gripper": str(gripper.command), "frame": frame, "widens": widens,
                "speed": round(float(speed[frame]), 3),
                "dwell_before": _run(resting[:frame][::-1]), "dwell_after": _run(resting[frame:]),
            }  # fmt: skip


def measure(frames: Iterable[Frames], roles: Roles) -> dict[Gripper, Ranges]:
    """The ranges of each gripper's command and opening over all episodes."""
    lows, highs = {}, {}
    for episode in frames:
        for gripper in roles.grippers:
            for dimension in (gripper.command, gripper.state):
                values = column(episode, dimension)
                lows[dimension] = min(lows.get(dimension, np.inf), float(values.min()))
                highs[dimension] = max(highs.get(dimension, -np.inf), float(values.max()))
    spans = {dimension: highs[dimension] - lows[dimension] for dimension in lows}
    return {gripper: Ranges(spans[gripper.command], spans[gripper.state]) for gripper in roles.grippers}


def doubts(survey: Survey) -> list[str]:
    """What probably does not reverse, in words; none where nothing was found."""
    found, total = [], len(survey.episodes)
    leads = {name: lead for name, lead in survey.command_leads().items() if lead > survey.roles.command_lead_steps}
    if leads:
        worst = max(leads, key=leads.get)
        found.append(
            f"{len(leads)} commands lead their state by more than {survey.roles.command_lead_steps} frame(s), most "
            f"{worst} by {leads[worst]}: the reversed commands would be followed late (command_lead_steps)"
        )
    lead_steps = {str(gripper.command): steps for gripper, steps in survey.lead_steps().items()}
    events = [(i, e) for i, episode in enumerate(survey.episodes) for e in episode["gripper_events"]]
    hasty = [i for i, e in events if min(e["dwell_before"], e["dwell_after"]) < lead_steps[e["gripper"]]]
    if hasty:
        found.append(
            f"{len(hasty)} of {len(events)} gripper events without a rest before and after as long as the gripper "
            f"takes, in {len(set(hasty))} of {total} episodes, the first in {hasty[0]}"
        )
    fast = [i for i, e in events if e["speed"] > FAST]
    if fast:
        found.append(f"{len(fast)} of {len(events)} gripper events in fast motion, the first in episode {fast[0]}")
    still = [i for i, episode in enumerate(survey.episodes) if not episode["gripper_events"]]
    if still and survey.roles.grippers:
        found.append(f"no gripper opens or closes in {len(still)} of {total} episodes, the first is {still[0]}")
    falling = [i for i, episode in enumerate(survey.episodes) if episode["free_fall"]]
    if falling:
        found.append(f"an object falls freely in {len(falling)} of {total} episodes, the first is {falling[0]}")
    return found


def _length(frames: Frames) -> int:
    return len(next(iter(frames.values())))


def _misses(command: np.ndarray, state: np.ndarray) -> list[float]:
    """Sums of |command(t) - state(t + lead)| over the frames that all leads have, by lead."""
    count = max(0, len(state) - MAX_LEAD_STEPS)
    return [float(np.abs(command[:count] - state[lead : lead + count]).sum()) for lead in range(1 + MAX_LEAD_STEPS)]


def _run(flags: np.ndarray) -> int:
    """How many are true from the first on."""
    return len(flags) if flags.all() else int(np.argmin(flags))


def _falling(height: np.ndarray, fps: float) -> int:
    """Frames in which a height (T,) [m] accelerates downward like what falls, FALL_FRAMES or more at a time."""
    falls = np.diff(height.astype(float), 2) * fps**2 < -FALLING * GRAVITY_M_S2
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[False], falls, [False]]).astype(int))))[::2]
    return int(runs[runs >= FALL_FRAMES].sum())
