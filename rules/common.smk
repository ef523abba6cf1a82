# What the rules share: names, the chain of iterations, settings for command lines, resources. No rules here.
# Every run in RUNS is served by the same rules, whose settings are functions of wildcards.name.

import os
import re
import shlex
from operator import attrgetter

from rev2fwd_il import seeds
from rev2fwd_il.config import resources
from rev2fwd_il.config.run import evaluated_in
from rev2fwd_il.keys import TASKS
from rev2fwd_il.method import stopping
from rev2fwd_il.running.sharing import demonstrations_of

RUNS = {cell.name: cell.config for cell in CELLS}
OWNER = demonstrations_of(
    RUNS
)  # name of a run -> the run that makes its demonstrations: itself, but for some of a study
SHARING = [name for name, owner in OWNER.items() if owner != name]
NEVER = "(?!)"  # matches nothing
CONDA = "conda" in map(str, workflow.deployment_settings.deployment_method)  # the environment's own Python
PYTHON = os.environ.get("REV2FWD_PYTHON", f"env PYTHONPATH={ROOT}/src python" if CONDA else f"{HERE}.venv/bin/python")
WEIGHTS = "checkpoints/checkpoints/last/pretrained_model/model.safetensors"
PROCESSES = asked.train.num_processes
FINISH, EVALUATE = 10, 0  # priorities: what the next iteration waits for goes before what only the report waits for


wildcard_constraints:
    name="|".join(map(re.escape, RUNS)),
    task="A|B",
    arm="(_no_rollouts|_forward_demos|_teacher)?",  # none: with_rollouts, the method itself
    n=r"[1-9]\d*",
    iteration=r"0|[1-9]\d*",


def policy(task, name, n):
    """Weights of a task's policy after iteration n (0: trained on demonstrations only)."""
    return f"runs/diffusion_{task}_{name}/iter{n}/{WEIGHTS}"


def previous_policy(task=None, arm=""):
    """Input function: the weights that iteration n starts from, those of iteration n - 1. Arms share iteration 0."""

    def path(wildcards):
        n = int(wildcards.n)
        if n < 1:
            raise WorkflowError(f"iteration {n} has no predecessor: the chain starts at iteration 1")
        return policy(task or wildcards.task, wildcards.name + (arm if n > 1 else ""), n - 1)

    return path


def demonstrations(kind=""):
    """Input function: what a task's policies are trained on besides rollouts: with further views, where asked for."""

    def path(wildcards):
        views = "views_" if RUNS[wildcards.name].views.are_asked_for else ""
        return f"data/{views}{kind}{wildcards.task}_{wildcards.name}.npz"

    return path


def starting_policy(wildcards):
    """Input function: the other task's first policy, where Task A's is to start from it."""
    transfers = RUNS[wildcards.name].train.transfer and wildcards.task == "A"
    return [policy("B", wildcards.name, 0)] if transfers else []


def own_rollouts(task, name):
    """Stem of the file with a task's rollouts as they are trained on; only Task B has targets to relabel."""
    return "hindsight" if RUNS[name].rollout.hindsight_targets and task == "B" else "rollout"


def rollouts_of_other_task(wildcards):
    """Input function: read backwards, a rollout of one task is a candidate demonstration of the other.

    Wherever Task B has put the object down, Task A can take it from there.
    """
    other = "B" if wildcards.task == "A" else "A"
    return f"data/{own_rollouts(other, wildcards.name)}_{other}_{wildcards.name}_iter{wildcards.n}.npz"


def kinds_of_new_data(wildcards):
    """Stems of the files that an iteration adds to the data of a task."""
    settings, own = RUNS[wildcards.name], own_rollouts(wildcards.task, wildcards.name)
    kinds = [own, "replayed"] if settings.rollout.takes_reversed(wildcards.task) else [own]
    return [f"views_{kind}" if settings.renders_rollouts else kind for kind in kinds]


def rollouts_so_far(wildcards):
    """Bash writes the numbers out. Only the newest is an input: it descends from all earlier ones through the policies,
    and naming them all would make the plan grow with the square of the iterations."""
    numbers = f"{{1..{wildcards.n}}}"
    return [f"data/{kind}_{wildcards.task}_{wildcards.name}_iter{numbers}.npz" for kind in kinds_of_new_data(wildcards)]


def new_rollouts(wildcards):
    """What this iteration collected for the task: without an episode in it the previous policy is kept."""
    return [
        f"data/{kind}_{wildcards.task}_{wildcards.name}_iter{wildcards.n}.npz" for kind in kinds_of_new_data(wildcards)
    ]


def teachers_policy(wildcards):
    """Input function: who takes over in the arm `teacher`, a policy of another run, which is not made here."""
    teacher = RUNS[wildcards.name].teacher
    path = policy(wildcards.task, teacher.run, teacher.iteration)
    if teacher.run not in RUNS and not os.path.exists(path):
        sys.exit(f"error: teacher.run: {teacher.run} has no policy here: {path}\n  do:       build that run first")
    return path


def corrections_so_far(wildcards):
    """As `rollouts_so_far`, of the arm `teacher`."""
    return [f"data/corrections_{wildcards.task}_{wildcards.name}_iter{{1..{wildcards.n}}}.npz"]


def setting(path):
    """Function of wildcards: the value of `section.leaf` in the run that they name."""
    return lambda wildcards: attrgetter(path)(RUNS[wildcards.name])


def overrides(settings, *names):
    """`--set` with the settings of these sections or leaves that differ from their defaults; nothing if none does."""
    different = settings.overrides(*names)
    return ["--set", *different] if different else []


def set_arguments(*names):
    """Function of wildcards: `overrides` of the run that they name."""
    return lambda wildcards: overrides(RUNS[wildcards.name], *names)


def flag(name, path):
    """Function of wildcards: `--name` where that setting is on."""
    return lambda wildcards: [f"--{name}"] if attrgetter(path)(RUNS[wildcards.name]) else []


def training_seed(wildcards):
    """A seed of its own for each task and iteration."""
    return seeds.derive(RUNS[wildcards.name].seed, "training", wildcards.task, wildcards.get("n", 0))


def alternating_seed(wildcards):
    return seeds.derive(RUNS[wildcards.name].seed, "alternating", wildcards.n)


def chains_seed(wildcards):
    return seeds.derive(RUNS[wildcards.name].seed, "chains")


def gpus(device, processes=None):
    """Resource function: GPUs of a job whose device and number of processes are these settings.

    Snakemake would silently cut them down to what `--resources gpu=` offers: then the workflow is refused.
    """

    def needed(settings):
        count = attrgetter(processes)(settings) if processes else 1
        return count if attrgetter(device)(settings).startswith("cuda") else 0

    most, limit = max(map(needed, RUNS.values())), workflow.global_resources.get("gpu")
    if workflow.is_main_process and limit is not None and limit.value is not None and most > limit.value:
        advice = f"--resources gpu={most}, or fewer processes"
        sys.exit(f"error: a job needs {most} GPUs, {limit.value} offered\n  do:       {advice}")
    return lambda wildcards: needed(RUNS[wildcards.name])


def growing(amount):
    """Resource function: each retry asks for that much more (cluster profiles retry).

    The amount may depend on the run's settings.
    """

    def asked_for(wildcards, attempt):
        return (amount(RUNS[wildcards.name]) if callable(amount) else amount) * attempt

    return asked_for


def simulation_memory(num_envs, max_episode_steps, images=None):
    """Resource function [MB]: of a simulation, by the settings that say how large it is and whether it keeps images."""

    def needed(settings):
        sizes = (attrgetter(path)(settings) for path in (num_envs, max_episode_steps))
        return resources.simulation_mb(settings, *sizes, bool(images) and attrgetter(images)(settings))

    return growing(needed)


def training_memory(wildcards, attempt):
    """Resource function [MB]: data grow with the iterations."""
    return resources.training_mb(RUNS[wildcards.name], int(wildcards.get("n", 0))) * attempt


def script(name, *arguments, processes=1):
    """Shell command of a rule: a script in the work environment, all output in the log, its end shown on failure.

    job.py holds the GPUs that the rule asks for, and ends the script should Snakemake be killed.
    """
    job = f"{PYTHON} {HERE}workflow/scripts/job.py --gpus {{resources.gpu}} --"
    launcher = f" -m torch.distributed.run --standalone --nproc_per_node={processes}" if processes > 1 else ""
    command = " ".join([f"{job} {PYTHON}{launcher} {HERE}workflow/scripts/{name}", *arguments])
    threads = "{threads}" if processes == 1 else f"$((({{threads}} + {processes - 1}) / {processes}))"
    show_end = r"tr '\r' '\n' < {log} | tail -n 20 >&2"
    return f"OMP_NUM_THREADS={threads} {command} > {{log}} 2>&1 || {{{{ {show_end}; exit 1; }}}}"


# What changes nothing about the results stays out of params, so that changing it reruns nothing. All runs share it.
EXPERIMENT = ["--set", 'name="{wildcards.name}"'] if asked.wandb.enabled else []
WANDB = shlex.join(EXPERIMENT + overrides(asked, "wandb"))
SAVING = shlex.join(overrides(asked, "train.save_every", "train.memory_gb"))


def decision(name, n):
    """What was decided after iteration n of a run with `iterations: auto`."""
    return f"runs/stopping_{name}/iter{n}.json"


def decision_before(wildcards):
    """Input function: the decision after the iteration before, which holds all scores until then."""
    n = int(wildcards.iteration)
    return [decision(wildcards.name, n - 1)] if n else []


def ends(name, wait=True):
    """(last iteration, chosen iteration) of a run. Its plan until the decisions are made: to the next one.

    A dry run shows the plan to the last iteration allowed. With `wait=False`: as far as it has been decided.
    """
    settings = RUNS[name]
    if settings.iterations != "auto":
        return settings.iterations, settings.iterations
    bound, made = settings.stopping.max_iterations, None
    for n in range(bound + 1):
        if wait and not workflow.dryrun:
            checkpoints.decide.get(name=name, iteration=n)  # raises until it is there and up to date
        elif not os.path.exists(decision(name, n)):
            break
        made = stopping.read_decision(Path(decision(name, n)))
        if not made.goes_on:
            return made.iteration, made.chosen
    if wait:
        return bound, bound
    return (made.iteration, made.chosen) if made else (0, 0)


def evaluations(name, arm, tasks, iterations):
    suffix = f"_{arm}" if arm else ""
    return [f"runs/evaluation_{task}_{name}{suffix}/iter{n}/metrics.json" for n in iterations for task in tasks]


def results(name):
    """What a run is asked for.

    Each list is ascending: asked only for the last iteration, Snakemake would recurse to the first.
    """
    settings, (last, chosen) = RUNS[name], ends(name)
    others = [arm for arm in settings.arms if arm != "with_rollouts"]
    return {
        "demonstrations": [f"data/{stem}_{name}.npz" for stem in ("B", "reversed_A", "A")],
        "inspection": [f"runs/inspect_{name}/{task}" for task in TASKS],
        "replay": f"data/A_{name}_replay.json",
        "evaluations": evaluations(name, None, TASKS, range(last + 1)),
        "decision": decision(name, last) if settings.iterations == "auto" else [],
        "arms": [path for arm in others for path in evaluations(name, arm, *evaluated_in(arm, last))],
        "chains": f"runs/chains_{name}/iter{chosen}/metrics.json" if settings.evaluation.chains else [],
        "alternating": [
            path
            for n in range(1, last + 1)
            for path in (
                f"runs/alternating_{name}/iter{n}/metrics.json",
                *(f"data/rollout_{task}_{name}_iter{n}.npz" for task in TASKS),
            )
        ],
    }


def everything(wildcards):
    """Input function: what all runs are asked for."""
    lists = [values for name in RUNS for values in results(name).values()]
    return [path for values in lists for path in ([values] if isinstance(values, str) else values)]


def over_runs(wildcards):
    """Input function: what several runs are asked for together."""
    if asked.study.is_asked_for:
        return f"runs/study_{asked.name}/table.md"
    return f"runs/seeds_{asked.name}/index.html" if asked.seeds else []


def study_arguments():
    """The command line that summarizes a study: each run, whose demonstrations it has, and its factors."""
    runs = [
        shlex.join(["--run", cell.name, OWNER[cell.name], *(f"{name}={level}" for name, level in cell.factors.items())])
        for cell in CELLS
    ]
    without = [name for name, settings in RUNS.items() if not settings.evaluation.chains]
    expected = f"--iterations {asked.iterations} --arms {' '.join(asked.arms)}"
    expected += f" --without_chains {' '.join(without)}" if without else ""
    return f"8c_summarize_study.py --name {asked.name} --runs_dir runs {expected} {' '.join(runs)}"


def summarize_study_so_far():
    """The same where jobs failed; no rule may take its folder for its own output."""
    return f"{study_arguments()} --out_dir runs/study_{asked.name}_so_far --so_far"


def shown(name, wait=True):
    """The same for the report's command line, in few words; tests/workflow/test_report.py holds the two together."""
    settings, (last, chosen) = RUNS[name], ends(name, wait)
    chains = "--chains" if settings.evaluation.chains else "--no-chains"
    by_decision = [f"--chosen {chosen}"] if settings.iterations == "auto" else []
    return [f"--iterations {last}", *by_decision, f"--arms {' '.join(settings.arms)}", chains]


def so_far(name):
    """Folder of the report of a run that failed; no rule may take it for its own output."""
    return f"runs/report_{name}_so_far"


def current_only(name):
    """Arguments: where jobs failed, results of an older configuration may still lie where they would have written."""
    settings = RUNS[name]
    sections = [section for section, value in settings if hasattr(value, "model_dump")]
    return shlex.join(["--current_only", "--seed", str(settings.seed), *overrides(settings, *sections)])


def run_anyway(script_and_arguments):
    """After a failure: another one changes nothing. What stands in braces is no wildcard here."""
    command = f"{PYTHON} {HERE}workflow/scripts/{script_and_arguments} || true"
    shell(command.replace("{", "{{").replace("}", "}}"))
