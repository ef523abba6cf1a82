# Several training seeds: what their runs, each with a report of its own, amount to together.


rule summarize_seeds:
    message:
        "Summarize {asked.name} over seeds {asked.seeds}"
    input:
        [f"runs/report_{name}/metrics.json" for name in RUNS],
    output:
        figure=report(
            "runs/seeds_{experiment}/success_over_seeds.png",
            caption="../report/seeds.rst",
            category="Results",
            labels={"what": "success rates against iteration, over training seeds"},
        ),
        table=report(
            "runs/seeds_{experiment}/summary.csv",
            caption="../report/seeds.rst",
            category="Results",
            labels={"what": "means and intervals over training seeds"},
        ),
        summary="runs/seeds_{experiment}/summary.json",
        runs="runs/seeds_{experiment}/runs.csv",
        page="runs/seeds_{experiment}/index.html",
    log:
        "runs/log_{experiment}/summarize_seeds.log",
    benchmark:
        "runs/benchmark_{experiment}/summarize_seeds.tsv"
    threads: 1
    priority: EVALUATE
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        out_dir=subpath(output.page, parent=True),
        runs=[f"--run runs/report_{name}/metrics.json {settings.seed}" for name, settings in RUNS.items()],
    conda:
        "../envs/work.yaml"
    wildcard_constraints:
        experiment=re.escape(asked.name),
    shell:
        script("8b_summarize_seeds.py --name {wildcards.experiment} --out_dir {params.out_dir} {params.runs}")
