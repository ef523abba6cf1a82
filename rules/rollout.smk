# Policies in the simulator: the alternating test that each iteration learns from, and the independent evaluation.

# Their turned versions are for few demonstrations: rollouts lie elsewhere by themselves.
VIEWS_OF_ROLLOUTS = [f"views.{key}" for key in ("copies", "ee_noise", "ee_turn_noise", "num_envs")]


rule alternate:
    message:
        "Alternate A and B without reset, iteration {wildcards.n} (asks for {resources.mem_mb} MB)"
    input:
        policy_A=previous_policy("A"),
        policy_B=previous_policy("B"),
    output:
        A="data/rollout_A_{name}_iter{n}.npz",
        B="data/rollout_B_{name}_iter{n}.npz",
        metrics="runs/alternating_{name}/iter{n}/metrics.json",
        video=report(
            "runs/alternating_{name}/iter{n}/longest_chain.mp4",
            caption="../report/videos.rst",
            category="Videos",
            subcategory="Alternating test",
            labels={"iteration": "{n}", "video": "longest chain"},
        ),
    log:
        "runs/log_{name}/alternate_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/alternate_iter{n}.tsv"
    threads: setting("rollout.num_processes")
    priority: FINISH
    resources:
        gpu=gpus("sim.device"),
        mem_mb=simulation_memory("rollout.num_envs", "rollout.max_episode_steps", "rollout.images"),
        runtime=growing(720),
    params:
        policy_A=subpath(input.policy_A, parent=True),
        policy_B=subpath(input.policy_B, parent=True),
        max_cycles=setting("rollout.max_cycles"),
        num_envs=setting("rollout.num_envs"),
        horizon=setting("rollout.max_episode_steps"),
        height_threshold=setting("task.height_threshold"),
        distance_threshold=setting("task.distance_threshold"),
        goal_xy=setting("task.goal_xy"),
        seed=alternating_seed,
        settings=set_arguments(
            "task",
            "sim",
            "plant",
            "policy",
            "rollout.images",
            "rollout.after_failure",
            "rollout.max_retries",
            "rollout.move_away",
            "rollout.num_processes",
            "evaluation.video_size",
        ),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "6_test_alternating.py --policy_A {params.policy_A} --policy_B {params.policy_B}",
            "--out_A {output.A} --out_B {output.B} --out_metrics {output.metrics} --out_video {output.video}",
            "--max_cycles {params.max_cycles} --num_envs {params.num_envs} --horizon {params.horizon}",
            "--height_threshold {params.height_threshold} --distance_threshold {params.distance_threshold}",
            "--goal_xy {params.goal_xy} --seed {params.seed} --headless {params.settings:q}",
            WANDB,
        )


rule relabel_rollouts:
    message:
        "Relabel the rollouts of Task {wildcards.task} with the targets that they reached, iteration {wildcards.n}"
    input:
        "data/rollout_{task}_{name}_iter{n}.npz",
    output:
        "data/hindsight_{task}_{name}_iter{n}.npz",
    log:
        "runs/log_{name}/relabel_rollouts_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/relabel_rollouts_{task}_iter{n}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=0,
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        settings=set_arguments("task"),
    conda:
        "../envs/work.yaml"
    wildcard_constraints:
        task="B",
    shell:
        script("3c_relabel_targets.py --input {input} --out {output} {params.settings:q}")


rule reverse_rollouts:
    message:
        "Reverse rollouts into candidates for Task {wildcards.task}, iteration {wildcards.n}"
    input:
        rollouts_of_other_task,
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
        gpu=gpus("sim.device"),
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        num_envs=setting("reversal.replay_num_envs"),
        seed=alternating_seed,
        settings=set_arguments("task", "sim", "plant", "demos.images", "reversal"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "3b_replay_forward_data.py --input {input} --out {output.data} --out_report {output.report}",
            "--num_envs {params.num_envs} --seed {params.seed} --headless --resume {params.settings:q}",
        )


use rule render_views as render_rollouts with:
    message:
        "Render the rollouts of Task {wildcards.task} ({wildcards.kind}) from beside their path too, iteration {wildcards.n}"
    input:
        "data/{kind}_{task}_{name}_iter{n}.npz",
    output:
        "data/views_{kind}_{task}_{name}_iter{n}.npz",
    log:
        "runs/log_{name}/render_{kind}_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/render_{kind}_{task}_iter{n}.tsv"
    params:
        seed=alternating_seed,
        settings=set_arguments("task", "sim", "plant", *VIEWS_OF_ROLLOUTS, *SINGLE_FRAMES),
    wildcard_constraints:
        kind="rollout|hindsight|replayed",


rule evaluate:
    message:
        "Evaluate the policy of Task {wildcards.task} after iteration {wildcards.iteration}{wildcards.arm}"
    input:
        policy("{task}", "{name}{arm}", "{iteration}"),
    output:
        metrics="runs/evaluation_{task}_{name}{arm}/iter{iteration}/metrics.json",
        videos=report(
            directory("runs/evaluation_{task}_{name}{arm}/iter{iteration}/videos"),
            patterns=["{video}.mp4"],
            caption="../report/videos.rst",
            category="Videos",
            subcategory="Task {task}{arm}",
            labels={"iteration": "{iteration}", "video": "{video}"},
        ),
    log:
        "runs/log_{name}/evaluate_{task}{arm}_iter{iteration}.log",
    benchmark:
        "runs/benchmark_{name}/evaluate_{task}{arm}_iter{iteration}.tsv"
    threads: setting("evaluation.num_processes")
    priority: EVALUATE
    resources:
        gpu=gpus("sim.device"),
        mem_mb=growing(10000),
        runtime=growing(240),
    params:
        checkpoint=subpath(input[0], parent=True),
        out_dir=subpath(output.metrics, parent=True),
        num_episodes=setting("evaluation.num_episodes"),
        num_envs=setting("evaluation.num_envs"),
        horizon=setting("evaluation.max_episode_steps"),
        distance_threshold=setting("evaluation.distance_threshold"),
        seed=setting("seed"),
        settings=set_arguments(
            "task",
            "sim",
            "plant",
            "policy",
            "evaluation.videos",
            "evaluation.video_size",
            "evaluation.num_processes",
        ),
    conda:
        "../envs/work.yaml"
    shell:
        "mkdir -p {output.videos}; "
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
        video=report(
            "runs/chains_{name}/iter{iteration}/longest_chain.mp4",
            caption="../report/videos.rst",
            category="Videos",
            subcategory="Long chains",
            labels={"iteration": "{iteration}", "video": "longest chain"},
        ),
        recoveries=report(
            directory("runs/chains_{name}/iter{iteration}/recoveries"),
            patterns=["{video}.mp4"],
            caption="../report/videos.rst",
            category="Videos",
            subcategory="Long chains",
            labels={"iteration": "{iteration}", "video": "{video}"},
        ),
    log:
        "runs/log_{name}/chains_iter{iteration}.log",
    benchmark:
        "runs/benchmark_{name}/chains_iter{iteration}.tsv"
    threads: setting("evaluation.num_processes")
    priority: EVALUATE
    resources:
        gpu=gpus("sim.device"),
        mem_mb=growing(10000),
        runtime=growing(720),
    params:
        policy_A=subpath(input.policy_A, parent=True),
        policy_B=subpath(input.policy_B, parent=True),
        max_cycles=setting("evaluation.max_cycles"),
        num_envs=setting("evaluation.chains"),
        horizon=setting("evaluation.max_episode_steps"),
        height_threshold=setting("task.height_threshold"),
        distance_threshold=setting("task.distance_threshold"),
        goal_xy=setting("task.goal_xy"),
        seed=chains_seed,
        settings=set_arguments(
            "task",
            "sim",
            "plant",
            "policy",
            "evaluation.chain_video_size",
            "evaluation.after_failure",
            "evaluation.max_retries",
            "evaluation.num_processes",
        ),
    conda:
        "../envs/work.yaml"
    shell:
        "mkdir -p {output.recoveries}; "
        + script(
            "6_test_alternating.py --policy_A {params.policy_A} --policy_B {params.policy_B}",
            "--out_A {output.A} --out_B {output.B} --out_metrics {output.metrics} --out_video {output.video}",
            "--out_recoveries {output.recoveries}",
            "--max_cycles {params.max_cycles} --num_envs {params.num_envs} --horizon {params.horizon}",
            "--height_threshold {params.height_threshold} --distance_threshold {params.distance_threshold}",
            "--goal_xy {params.goal_xy} --seed {params.seed} --kind chains --headless {params.settings:q}",
        )
