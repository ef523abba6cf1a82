# What the rules share: names, the chain of iterations, settings for command lines, resources. No rules here.

import os
import shlex

from rev2fwd_il import seeds
from rev2fwd_il.keys import TASKS

PYTHON = os.environ.get("REV2FWD_PYTHON", ".venv/bin/python")
WEIGHTS = "checkpoints/checkpoints/last/pretrained_model/model.safetensors"
NEW_DATA = ["rollout", "replayed"] if settings.rollout.reversed_rollouts else ["rollout"]
FINISH, EVALUATE = 10, 0  # priorities: what the next iteration waits for goes before what only the report waits for


wildcard_constraints:
    name=settings.name,
    task="A|B",
    arm="(_no_rollouts|_forward_demos)?",  # none: dagger, the method itself
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


def rollout_of_other_task(wildcards):
    """Input function: read backwards, a rollout of one task is a candidate demonstration of the other."""
    other = "B" if wildcards.task == "A" else "A"
    return f"data/rollout_{other}_{wildcards.name}_iter{wildcards.n}.npz"


def rollouts_so_far(wildcards):
    """Bash writes the numbers out. Only the newest is an input: it descends from all earlier ones through the policies,
    and naming them all would make the plan grow with the square of the iterations."""
    numbers = f"{{1..{wildcards.n}}}"
    return [f"data/{kind}_{wildcards.task}_{wildcards.name}_iter{numbers}.npz" for kind in NEW_DATA]


def set_arguments(*names):
    """`--set` with the settings of these sections or leaves that differ from their defaults; nothing if none does."""
    overrides = settings.overrides(*names)
    return ["--set", *overrides] if overrides else []


def flag(name, on):
    return [f"--{name}"] if on else []


def training_seed(wildcards):
    """A seed of its own for each task and iteration."""
    return seeds.derive(settings.seed, "training", wildcards.task, wildcards.get("n", 0))


def alternating_seed(wildcards):
    return seeds.derive(settings.seed, "alternating", wildcards.n)


def gpus(device, processes=1):
    """GPUs of a job. Snakemake would silently cut them down to what `--resources gpu=` offers."""
    needed = processes if device.startswith("cuda") else 0
    limit = workflow.global_resources.get("gpu")
    if workflow.is_main_process and limit is not None and limit.value is not None and needed > limit.value:
        advice = f"--resources gpu={needed}, or fewer processes"
        sys.exit(f"error: a job needs {needed} GPUs, {limit.value} offered\n  do:       {advice}")
    return needed


def growing(amount):
    """Resource function: each retry asks for that much more (cluster profiles retry)."""
    return lambda wildcards, attempt: amount * attempt


def script(name, *arguments, processes=1):
    """Shell command of a rule: a script in the work environment, all output in the log, its end shown on failure.

    job.py holds the GPUs that the rule asks for, and ends the script should Snakemake be killed.
    """
    job = f"{PYTHON} workflow/scripts/job.py --gpus {{resources.gpu}} --"
    launcher = f" -m torch.distributed.run --standalone --nproc_per_node={processes}" if processes > 1 else ""
    command = " ".join([f"{job} {PYTHON}{launcher} workflow/scripts/{name}", *arguments])
    threads = "{threads}" if processes == 1 else f"$((({{threads}} + {processes - 1}) / {processes}))"
    show_end = r"tr '\r' '\n' < {log} | tail -n 20 >&2"
    return f"OMP_NUM_THREADS={threads} {command} > {{log}} 2>&1 || {{{{ {show_end}; exit 1; }}}}"


# What changes nothing about the results stays out of params, so that changing it reruns nothing.
EXPERIMENT = ["--set", f'name="{settings.name}"'] if settings.wandb.enabled else []
WANDB = shlex.join(EXPERIMENT + set_arguments("wandb"))
SAVING = shlex.join(set_arguments("train.save_every"))

# What a run is asked for, each list ascending: asked only for the last iteration, Snakemake would recurse to the first.
RESULTS = {
    "inspection": [f"runs/inspect_{settings.name}/{task}" for task in TASKS],
    "replay": f"data/A_{settings.name}_replay.json",
    "evaluations": [
        f"runs/evaluation_{task}_{settings.name}/iter{n}/metrics.json"
        for n in range(settings.iterations + 1)
        for task in TASKS
    ],
    "arms": [
        f"runs/evaluation_{task}_{settings.name}_{arm}/iter{n}/metrics.json"
        for arm, tasks, iterations in (
            ("no_rollouts", TASKS, range(1, settings.iterations + 1)),
            ("forward_demos", ["A"], [0]),
        )
        if arm in settings.arms
        for n in iterations
        for task in tasks
    ],
    "chains": (
        f"runs/chains_{settings.name}/iter{settings.iterations}/metrics.json" if settings.evaluation.chains else []
    ),
    "alternating": [
        path
        for n in range(1, settings.iterations + 1)
        for path in (
            f"runs/alternating_{settings.name}/iter{n}/metrics.json",
            *(f"data/rollout_{task}_{settings.name}_iter{n}.npz" for task in TASKS),
        )
    ],
}
REPORT_SO_FAR = f"runs/report_{settings.name}_so_far"  # of a run that failed; no rule may take it for its own output
