# With `iterations: auto`: after each iteration, is another one worth its time? Decided on starts of its own.


rule validate:
    message:
        "Validate the policy of Task {wildcards.task} after iteration {wildcards.iteration}"
    input:
        policy("{task}", "{name}", "{iteration}"),
    output:
        "runs/validation_{task}_{name}/iter{iteration}/metrics.json",
    log:
        "runs/log_{name}/validate_{task}_iter{iteration}.log",
    benchmark:
        "runs/benchmark_{name}/validate_{task}_iter{iteration}.tsv"
    threads: setting("evaluation.num_processes")
    priority: FINISH
    resources:
        gpu=gpus("sim.device"),
        mem_mb=growing(10000),
        runtime=growing(240),
    params:
        checkpoint=subpath(input[0], parent=True),
        out_dir=subpath(output[0], parent=True),
        num_episodes=setting("stopping.num_episodes"),
        num_envs=setting("evaluation.num_envs"),
        horizon=setting("evaluation.max_episode_steps"),
        distance_threshold=setting("evaluation.distance_threshold"),
        seed=lambda wildcards: stopping.validation_seed(RUNS[wildcards.name].seed),
        settings=set_arguments("task", "sim", "plant", "policy", "evaluation.num_processes"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "5_eval_diffusion.py --checkpoint {params.checkpoint} --task {wildcards.task} --out_dir {params.out_dir}",
            "--num_episodes {params.num_episodes} --num_envs {params.num_envs} --horizon {params.horizon}",
            "--distance_threshold {params.distance_threshold} --seed {params.seed} --headless {params.settings:q}",
            "--set evaluation.videos=0",
        )


checkpoint decide:
    message:
        "Decide whether to go on after iteration {wildcards.iteration}"
    input:
        validation=expand("runs/validation_{task}_{{name}}/iter{{iteration}}/metrics.json", task=TASKS),
        before=decision_before,
    output:
        "runs/stopping_{name}/iter{iteration}.json",
    log:
        "runs/log_{name}/decide_iter{iteration}.log",
    benchmark:
        "runs/benchmark_{name}/decide_iter{iteration}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=0,
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        before=lambda wildcards, input: ["--before", *input.before] if input.before else [],
        settings=set_arguments("stopping"),
    conda:
        "../envs/work.yaml"
    localrule: True
    shell:
        script(
            "7b_decide_iteration.py --validation {input.validation} {params.before:q} --out {output}",
            "{params.settings:q}",
        )
