# A study: runs that share demonstrations where their settings give the same, and what all runs amount to together.


rule share_demonstrations:
    message:
        "Take {output} over from {input}, which the same seed and settings made"
    input:
        lambda wildcards: f"data/{wildcards.stem}_{OWNER[wildcards.name]}{wildcards.end}",
    output:
        "data/{stem}_{name}{end}",
    log:
        "runs/log_{name}/share_{stem}{end}.log",
    benchmark:
        "runs/benchmark_{name}/share_{stem}{end}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=0,
        mem_mb=growing(100),
        runtime=growing(5),
    conda:
        "../envs/work.yaml"
    wildcard_constraints:
        name="|".join(map(re.escape, SHARING)) or NEVER,
        stem="B|reversed_A|A|forward_A",
        end=r"\.npz|_replay\.json",
    # A refused replay was of demonstrations that the run had of its own.
    shell:
        "rm -f data/A_{wildcards.name}_replay_refused.json && ln -s $(basename {input}) {output} > {log} 2>&1"


ruleorder: share_demonstrations > collect > reverse > replay > collect_forward


rule summarize_study:
    message:
        "Summarize the study {wildcards.experiment}: {params.num_runs} runs"
    input:
        [f"runs/report_{name}/metrics.json" for name in RUNS],
    output:
        rows="runs/study_{experiment}/results.csv",
        summary="runs/study_{experiment}/summary.csv",
        latex="runs/study_{experiment}/table.tex",
        table=report(
            "runs/study_{experiment}/table.md",
            caption="../report/study.rst",
            category="Results",
            labels={"what": "the study's table"},
        ),
        figures=report(
            directory("runs/study_{experiment}/figures"),
            patterns=["{figure}.svg"],
            caption="../report/study.rst",
            category="Results",
            labels={"what": "{figure}"},
        ),
    log:
        "runs/log_{experiment}/summarize_study.log",
    benchmark:
        "runs/benchmark_{experiment}/summarize_study.tsv"
    threads: 1
    priority: EVALUATE
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        out_dir=subpath(output.table, parent=True),
        num_runs=len(RUNS),
    conda:
        "../envs/work.yaml"
    wildcard_constraints:
        experiment=re.escape(asked.name),
    shell:
        script(study_arguments(), "--out_dir {params.out_dir}")
