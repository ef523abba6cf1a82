"""The first screen: what was run, how good it is, how sure that is, how long it took, and a video."""

from dataclasses import dataclass
from pathlib import Path

from rev2fwd_il import keys
from rev2fwd_il.config.task import DEFAULT_KIND
from rev2fwd_il.method.reversibility import MEANING
from rev2fwd_il.reporting.analysis import paired_test
from rev2fwd_il.reporting.formats import (
    NOTHING,
    duration,
    length,
    number,
    number_interval,
    p_value,
    percent,
    percent_interval,
    points,
    words,
)  # fmt: skip
from rev2fwd_il.reporting.results import Results
from rev2fwd_il.reporting.sections.chains import uncapped
from rev2fwd_il.reporting.sections.making import last_record
from rev2fwd_il.running.benchmarks import Benchmark


@dataclass(frozen=True)
class Card:
    """One number, what it is, how sure it is, and what it is compared with."""

    title: str
    value: str
    sure: str
    compared: str = ""


@dataclass(frozen=True)
class Headline:
    """The first screen."""

    what: list[str]
    cards: list[Card]
    video: tuple[str, Path] | None


def headline(results: Results) -> Headline:
    """What there is of it: a run that failed has fewer cards."""
    cards: list[Card | None] = [
        _success(task, results.evaluation[task], results.chosen_iteration)
        for task in keys.TASKS
        if results.evaluation.get(task)
    ]
    if (results.replay or {}).get("refused"):
        cards.append(_refused(results.replay))
    tests = results.long_chains or results.alternating
    if tests:
        cards.append(_cycles(tests, results.alternating))
    if practised := list(results.practice()):
        cards.append(_practice(practised[-1][2]))
    videos = list(results.chain_videos.items())
    cards.append(_took(results.benchmarks))
    return Headline(_what(results), [card for card in cards if card], videos[-1] if videos else None)


def _success(task: str, tests: dict[int, dict], chosen: int) -> Card:
    first, last = min(tests), chosen if chosen in tests else max(tests)
    metrics = tests[last]
    interval = metrics.get("wilson_95")
    sure = f"{metrics.get('successes')} of {metrics.get('num_episodes')} episodes end within "
    sure += f"{length(metrics.get('distance_threshold'))}; 95 % interval {percent_interval(interval)}"
    compared = "" if first == last else _compared(first, tests[first], metrics)
    return Card(f"Task {task}, iteration {last}", percent(metrics.get("rate"), interval), sure, compared)


def _compared(n: int, first: dict, last: dict) -> str:
    if first.get("rate") is None or last.get("rate") is None:
        return ""
    text = f"{points(last['rate'] - first['rate'])} from iteration {n}"
    test = paired_test(first, last)
    if test is None:
        return f"{text}, from other starts"
    verdict = "more than chance explains" if test["p"] < 0.05 else "within what chance explains"
    return f"{text}, {verdict} (p {'' if test['p'] < 0.001 else '= '}{p_value(test['p'])})"


def _refused(replay: dict) -> Card:
    """A task that does not reverse."""
    rate = replay["rate"]
    shown = f"{percent(rate['rate'])}; exact 95 % interval {percent_interval(rate['clopper_pearson_95'])}"
    value = f"{rate['successes']} of {rate['attempts']}"
    return Card("This task does not reverse", f"{value} replay", shown, MEANING)


def _cycles(tests: dict[int, dict], alternating: dict[int, dict]) -> Card:
    metrics = tests[max(tests)]
    cycles = metrics.get("consecutive_success") or {}
    per_chain, allowed = cycles.get("per_chain") or [], metrics.get("max_cycles")
    finished = sum(1 for count in per_chain if allowed is not None and count >= allowed)
    sure = f"mean of {len(per_chain)} chains of at most {number(allowed)}; 95 % interval "
    sure += number_interval(cycles.get("mean_95"))
    done = f"{finished} of {len(per_chain)} chains reached the last allowed cycle" if per_chain else ""
    if (estimate := uncapped(metrics.get("chain_length") or {})) != NOTHING:
        done += f"; without a cap the mean would be {estimate}, if cycles fail evenly"
    return Card("A and B in a row without reset", f"{number(cycles.get('mean'))} cycles", sure, done)


def _practice(numbers: dict) -> Card:
    rate, runs = numbers["interventions_per_1000_attempts"], numbers["runs_of_failures"]
    sure = (
        f"{numbers['interventions']} in {numbers['attempts']} attempts, {number(numbers['simulated_hours'])} simulated "
    )
    sure += f"hours; 95 % interval {number_interval(rate['poisson_95'])}"
    ended = runs["without_intervention"]
    done = f"{ended['successes']} of {ended['attempts']} runs of failures ended without intervention, "
    done += f"{runs['at_the_next_attempt']['successes']} at the next attempt"
    return Card("Interventions per 1,000 attempts", number(rate["rate"]), sure, done)


def _what(results: Results) -> list[str]:
    """Sentences about what was run."""
    record, out = last_record(results), []
    settings = record.get("task_settings") or {}
    kind = settings.get("kind", DEFAULT_KIND) if record else None
    last = max((n for tests in results.evaluation.values() for n in tests), default=None)
    if kind and last is not None:
        rounds = f"{last} iteration{'s' if last != 1 else ''} of rollouts" if last else "no rollouts"
        out.append(f"{words(kind).capitalize()}, {rounds}, seed {record.get('seed')}.")
    if results.decision:
        scores = ", ".join(percent(score) for score in results.decision["scores"])
        out.append(
            f"Iteration {results.decision['chosen']} is chosen, by the mean success of A and B on validation starts "
            f"({scores} from iteration 0 on). The run ended since {results.decision['why']}."
        )
    if results.demos:
        shown = f"{results.demos['episodes']} demonstrations of task B"
        if results.replay:
            shown += (
                f"; {results.replay['succeeded']} of {results.replay['attempted']} reversed ones do task A on replay"
            )
        out.append(f"{shown}.")
    if record:
        machine = (record.get("machine") or {}).get("cpu", "an unknown processor")
        gpu = (record.get("machine") or {}).get("gpu")
        out.append(f"Code {record.get('code_version')}, on {gpu or machine}.")
    return out


def _took(jobs: dict[str, Benchmark]) -> Card | None:
    if not jobs:
        return None
    longest = max(jobs, key=lambda job: jobs[job].seconds)
    total = duration(sum(benchmark.seconds for benchmark in jobs.values()))
    most = f"the longest, {words(longest)}, took {duration(jobs[longest].seconds)}"
    return Card("How long it took", total, f"{len(jobs)} jobs, their times added up; {most}")
