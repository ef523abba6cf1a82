# Rev2Fwd as one DAG: demonstrations -> reversed demonstrations -> two policies -> (alternating test -> finetuned
# policies) x N -> evaluation -> report. `snakemake -n` shows the plan, docs/workflow.md how to work with it.

import logging
import sys
from pathlib import Path

from snakemake.utils import min_version

ROOT = Path(str(workflow.current_basedir)).resolve()  # of this workflow, which another one may use as a module
HERE = "" if ROOT == Path.cwd().resolve() else f"{ROOT}/"  # before paths to its files; artifacts lie where one works
sys.path.insert(0, str(ROOT / "src"))  # rules and library are of one checkout, whichever Snakemake reads them

from rev2fwd_il.running import doctor
from rev2fwd_il.config.expansion import cells
from rev2fwd_il.config.run import make_config
from rev2fwd_il.errors import Rev2FwdError

min_version("9.27")


configfile: f"{HERE}config/config.yaml"


if not workflow.is_main_process:  # each job reads the configuration again: notes about it are said once
    logging.getLogger("rev2fwd_il").setLevel(logging.ERROR)
try:
    asked = make_config(config, "config/config.yaml, --configfile and --config")
    CELLS = cells(asked)
    doctor.check_writable(Path.cwd())
except Rev2FwdError as error:
    sys.exit(f"error: {error}")


include: "rules/common.smk"
include: "rules/demos.smk"
include: "rules/train.smk"
include: "rules/rollout.smk"
include: "rules/arms.smk"
include: "rules/report.smk"
include: "rules/seeds.smk"
include: "rules/study.smk"
include: "rules/lerobot.smk"


# Only where asked for: a workflow with a checkpoint plans all of itself in each job of a cluster.
if any(settings.iterations == "auto" for settings in RUNS.values()):

    include: "rules/stopping.smk"


localrules:
    all,
    report,
    share_demonstrations,
    summarize_seeds,
    summarize_study,


rule all:
    default_target: True
    input:
        everything,
        [f"runs/report_{name}/index.html" for name in RUNS],
        over_runs,


onstart:
    doctor.announce(Path.cwd())


onsuccess:
    doctor.withdraw(Path.cwd())


onerror:
    doctor.withdraw(Path.cwd())
    print("Some jobs failed. Reports of what is finished:")
    for name in RUNS:
        print(f"  {so_far(name)}/index.html")
        arguments = f"--name {name} --data_dir data --runs_dir runs --out_dir {so_far(name)}"
        run_anyway(f"8_report.py {arguments} {' '.join(shown(name, wait=False))} {current_only(name)}")
    if asked.study.is_asked_for:
        run_anyway(summarize_study_so_far())
