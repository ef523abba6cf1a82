# Policies in the simulator: the alternating test that each iteration learns from, and the independent evaluation.


rule alternate:
    message:
        "Alternate A and B without reset, iteration {wildcards.n}"
    input:
        policy_A=previous_policy("A"),
        policy_B=previous_policy("B"),
    output:
        A="data/rollout_A_{name}_iter{n}.npz",
        B="data/rollout_B_{name}_iter{n}.npz",
        metrics="runs/alternating_{name}/iter{n}/metrics.json",
        film=report(
            "runs/alternating_{name}/iter{n}/longest_chain.mp4",
            caption="../report/films.rst",
            category="Films",
            subcategory="Alternating test",
            labels={"iteration": "{n}", "film": "longest chain"},
        ),
    log:
        "runs/log_{name}/alternate_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/alternate_iter{n}.tsv"
    threads: settings.rollout.num_processes
    priority: FINISH
    resources:
        gpu=gpus(settings.sim.device),
        mem_mb=growing(10000),
        runtime=growing(720),
    params:
        policy_A=subpath(input.policy_A, parent=True),
        policy_B=subpath(input.policy_B, parent=True),
        max_cycles=settings.rollout.max_cycles,
        num_envs=settings.rollout.num_envs,
        horizon=settings.rollout.horizon,
        height_threshold=settings.task.height_threshold,
        distance_threshold=settings.task.distance_threshold,
        goal_xy=settings.task.goal_xy,
        seed=alternating_seed,
        settings=set_arguments(
            "task",
            "sim",
            "plant",
            "policy",
            "rollout.images",
            "rollout.continue_after_failure",
            "rollout.num_processes",
        ),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "6_test_alternating.py --policy_A {params.policy_A} --policy_B {params.policy_B}",
            "--out_A {output.A} --out_B {output.B} --out_metrics {output.metrics} --out_film {output.film}",
            "--max_cycles {params.max_cycles} --num_envs {params.num_envs} --horizon {params.horizon}",
            "--height_threshold {params.height_threshold} --distance_threshold {params.distance_threshold}",
            "--goal_xy {params.goal_xy} --seed {params.seed} --headless {params.settings:q}",
            WANDB,
        )


rule reverse_rollouts:
    message:
        "Reverse rollouts into candidates for Task {wildcards.task}, iteration {wildcards.n}"
    input:
        rollout_of_other_task,
    output:
        "data/reversed_{task}_{name}_iter{n}.npz",
    log:
        "runs/log_{name}/reverse_rollouts_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/reverse_rollouts_{task}_iter{n}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=0,
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings=set_arguments("reversal.gripper_lead_steps", "reversal.gripper_label"),
    conda:
        "../envs/work.yaml"
    shell:
        script("3_make_forward_data.py --input {input} --out {output} --success_only {params.settings:q}")


rule replay_rollouts:
    message:
        "Replay the reversed rollouts for Task {wildcards.task}, keep those that succeed, iteration {wildcards.n}"
    input:
        "data/reversed_{task}_{name}_iter{n}.npz",
    output:
        data="data/replayed_{task}_{name}_iter{n}.npz",
        report="data/replayed_{task}_{name}_iter{n}.json",
    log:
        "runs/log_{name}/replay_rollouts_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/replay_rollouts_{task}_iter{n}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=gpus(settings.sim.device),
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        num_envs=settings.reversal.replay_num_envs,
        settings=set_arguments("task", "sim", "plant", "reversal"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "3b_replay_forward_data.py --input {input} --out {output.data} --out_report {output.report}",
            "--num_envs {params.num_envs} --headless --resume {params.settings:q}",
        )


rule evaluate:
    message:
        "Evaluate the policy of Task {wildcards.task} after iteration {wildcards.iteration}{wildcards.arm}"
    input:
        policy("{task}", "{name}{arm}", "{iteration}"),
    output:
        metrics="runs/evaluation_{task}_{name}{arm}/iter{iteration}/metrics.json",
        films=report(
            directory("runs/evaluation_{task}_{name}{arm}/iter{iteration}/videos"),
            patterns=["{film}.mp4"],
            caption="../report/films.rst",
            category="Films",
            subcategory="Task {task}{arm}",
            labels={"iteration": "{iteration}", "film": "{film}"},
        ),
    log:
        "runs/log_{name}/evaluate_{task}{arm}_iter{iteration}.log",
    benchmark:
        "runs/benchmark_{name}/evaluate_{task}{arm}_iter{iteration}.tsv"
    threads: settings.evaluation.num_processes
    priority: EVALUATE
    resources:
        gpu=gpus(settings.sim.device),
        mem_mb=growing(10000),
        runtime=growing(240),
    params:
        checkpoint=subpath(input[0], parent=True),
        out_dir=subpath(output.metrics, parent=True),
        num_episodes=settings.evaluation.num_episodes,
        num_envs=settings.evaluation.num_envs,
        horizon=settings.evaluation.horizon,
        distance_threshold=settings.evaluation.distance_threshold,
        seed=settings.seed,
        settings=set_arguments("task", "sim", "plant", "policy", "evaluation.videos", "evaluation.num_processes"),
    conda:
        "../envs/work.yaml"
    shell:
        "mkdir -p {output.films}; "
        + script(
            "5_eval_diffusion.py --checkpoint {params.checkpoint} --task {wildcards.task} --out_dir {params.out_dir}",
            "--num_episodes {params.num_episodes} --num_envs {params.num_envs} --horizon {params.horizon}",
            "--distance_threshold {params.distance_threshold} --seed {params.seed} --headless {params.settings:q}",
            WANDB,
        )


rule chains:
    message:
        "Alternate A and B without reset for long, with the policies of iteration {wildcards.iteration}"
    input:
        policy_A=policy("A", "{name}", "{iteration}"),
        policy_B=policy("B", "{name}", "{iteration}"),
    output:
        A="runs/chains_{name}/iter{iteration}/rollout_A.npz",
        B="runs/chains_{name}/iter{iteration}/rollout_B.npz",
        metrics="runs/chains_{name}/iter{iteration}/metrics.json",
        film=report(
            "runs/chains_{name}/iter{iteration}/longest_chain.mp4",
            caption="../report/films.rst",
            category="Films",
            subcategory="Long chains",
            labels={"iteration": "{iteration}", "film": "longest chain"},
        ),
    log:
        "runs/log_{name}/chains_iter{iteration}.log",
    benchmark:
        "runs/benchmark_{name}/chains_iter{iteration}.tsv"
    threads: settings.evaluation.num_processes
    priority: EVALUATE
    resources:
        gpu=gpus(settings.sim.device),
        mem_mb=growing(10000),
        runtime=growing(720),
    params:
        policy_A=subpath(input.policy_A, parent=True),
        policy_B=subpath(input.policy_B, parent=True),
        max_cycles=settings.evaluation.max_cycles,
        num_envs=settings.evaluation.chains,
        horizon=settings.evaluation.horizon,
        height_threshold=settings.task.height_threshold,
        distance_threshold=settings.task.distance_threshold,
        goal_xy=settings.task.goal_xy,
        seed=seeds.derive(settings.seed, "chains"),
        settings=set_arguments(
            "task", "sim", "plant", "policy", "rollout.continue_after_failure", "evaluation.num_processes"
        ),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "6_test_alternating.py --policy_A {params.policy_A} --policy_B {params.policy_B}",
            "--out_A {output.A} --out_B {output.B} --out_metrics {output.metrics} --out_film {output.film}",
            "--max_cycles {params.max_cycles} --num_envs {params.num_envs} --horizon {params.horizon}",
            "--height_threshold {params.height_threshold} --distance_threshold {params.distance_threshold}",
            "--goal_xy {params.goal_xy} --seed {params.seed} --kind chains --headless {params.settings:q}",
        )
