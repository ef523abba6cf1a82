# A LeRobot dataset of somebody's own robot, reversed: data/theirs/NAME, with NAME.yaml beside it (docs/lerobot.md).


rule reverse_lerobot:
    message:
        "Reverse the LeRobot dataset {wildcards.dataset}"
    input:
        dataset="data/theirs/{dataset}",
        features="data/theirs/{dataset}.yaml",
    output:
        dataset=directory("data/theirs_reversed/{dataset}"),
        report="data/theirs_reversed/{dataset}_report.json",
    log:
        "runs/log_theirs/reverse_{dataset}.log",
    benchmark:
        "runs/benchmark_theirs/reverse_{dataset}.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=growing(4000),
        runtime=growing(240),
    conda:
        "../envs/work.yaml"
    wildcard_constraints:
        dataset=r"[A-Za-z0-9][\w-]*",
    shell:
        script(
            "reverse_lerobot_dataset.py --input {input.dataset} --out {output.dataset}",
            "--features {input.features}",
        )
