# What a run amounts to: one table, one curve, one page.


rule report:
    message:
        "Write the report of {wildcards.name}"
    input:
        unpack(lambda wildcards: results(wildcards.name)),
    output:
        curve=report(
            "runs/report_{name}/success_curve.png",
            caption="../report/success_curve.rst",
            category="Results",
            labels={"what": "success rates against iteration"},
        ),
        chains=report(
            "runs/report_{name}/chains.png",
            caption="../report/chains.rst",
            category="Results",
            labels={"what": "consecutive successes of the alternating test"},
        ),
        failures=report(
            "runs/report_{name}/failures.png",
            caption="../report/failures.rst",
            category="Results",
            labels={"what": "what went wrong in failed episodes"},
        ),
        table=report(
            "runs/report_{name}/metrics.csv",
            caption="../report/metrics.rst",
            category="Results",
            labels={"what": "metrics, one row an iteration and task"},
        ),
        metrics="runs/report_{name}/metrics.json",
        page=report(
            "runs/report_{name}/index.html",
            caption="../report/index.rst",
            category="Results",
            labels={"what": "the whole run on one page"},
        ),
    log:
        "runs/log_{name}/report.log",
    benchmark:
        "runs/benchmark_{name}/report.tsv"
    threads: 1
    priority: EVALUATE
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        out_dir=subpath(output.page, parent=True),
        shown=lambda wildcards: shown(wildcards.name),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "8_report.py --name {wildcards.name} --data_dir data --runs_dir runs --out_dir {params.out_dir}",
            "{params.shown}",
        )
