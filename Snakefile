# Rev2Fwd as one DAG: demonstrations -> reversed demonstrations -> two policies -> (alternating test -> finetuned
# policies) x N -> evaluation -> report. `snakemake -n` shows the plan, docs/workflow.md how to work with it.

from pathlib import Path

from snakemake.utils import min_version

from rev2fwd_il import doctor
from rev2fwd_il.config import make_config
from rev2fwd_il.errors import Rev2FwdError

min_version("9.27")


configfile: "config/config.yaml"


try:
    settings = make_config(config, "config/config.yaml, --configfile and --config")
    doctor.check_writable(Path.cwd())
except Rev2FwdError as error:
    sys.exit(f"error: {error}")


include: "rules/common.smk"
include: "rules/demos.smk"
include: "rules/train.smk"
include: "rules/rollout.smk"
include: "rules/arms.smk"
include: "rules/report.smk"


localrules:
    all,
    report,


rule all:
    default_target: True
    input:
        *RESULTS.values(),
        f"runs/report_{settings.name}/index.html",


onstart:
    doctor.announce(Path.cwd())


onsuccess:
    doctor.withdraw(Path.cwd())


onerror:
    doctor.withdraw(Path.cwd())
    print(f"Some jobs failed. The report of what is finished: {REPORT_SO_FAR}/index.html")
    shell(
        f"{PYTHON} workflow/scripts/8_report.py --name {settings.name}"
        f" --data_dir data --runs_dir runs --out_dir {REPORT_SO_FAR} || true"
    )
