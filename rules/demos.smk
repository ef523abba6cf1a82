# Task B demonstrations, their time reversal into Task A, and its proof by replay.

SINGLE_FRAMES = ("policy.images", "policy.n_obs_steps")  # which views suppose


rule collect:
    message:
        "Collect {params.num_episodes} demonstrations of Task B (asks for {resources.mem_mb} MB)"
    output:
        "data/B_{name}.npz",
    log:
        "runs/log_{name}/collect.log",
    benchmark:
        "runs/benchmark_{name}/collect.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=gpus("sim.device"),
        mem_mb=simulation_memory("demos.num_envs", "task.max_episode_steps", "demos.images"),
        runtime=growing(240),
    params:
        task="B",
        num_episodes=setting("demos.num_episodes"),
        num_envs=setting("demos.num_envs"),
        horizon=setting("task.max_episode_steps"),
        image_width=setting("sim.image_width"),
        image_height=setting("sim.image_height"),
        goal_xy=setting("task.goal_xy"),
        seed=setting("seed"),
        settings=set_arguments("task", "sim", "plant", "demos"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "1_collect_data_pick_place.py --out {output} --task {params.task}",
            "--num_episodes {params.num_episodes} --num_envs {params.num_envs} --horizon {params.horizon}",
            "--image_width {params.image_width} --image_height {params.image_height} --goal_xy {params.goal_xy}",
            "--seed {params.seed} --headless --resume {params.settings:q}",
        )


rule reverse:
    message:
        "Reverse Task B demonstrations in time"
    input:
        "data/B_{name}.npz",
    output:
        "data/reversed_A_{name}.npz",
    log:
        "runs/log_{name}/reverse.log",
    benchmark:
        "runs/benchmark_{name}/reverse.tsv"
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
        script("3_make_forward_data.py --input {input} --out {output} --success_only --verify {params.settings:q}")


rule replay:
    message:
        "Replay the reversed trajectories in the simulator, keep those that succeed (asks for {resources.mem_mb} MB)"
    input:
        "data/reversed_A_{name}.npz",
    output:
        data="data/A_{name}.npz",
        report="data/A_{name}_replay.json",
    log:
        "runs/log_{name}/replay.log",
    benchmark:
        "runs/benchmark_{name}/replay.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=gpus("sim.device"),
        mem_mb=simulation_memory("reversal.replay_num_envs", "task.max_episode_steps", "demos.images"),
        runtime=growing(240),
    params:
        num_envs=setting("reversal.replay_num_envs"),
        seed=setting("seed"),
        settings=set_arguments("task", "sim", "plant", "demos.images", "reversal"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "3b_replay_forward_data.py --input {input} --out {output.data} --out_report {output.report}",
            "--num_envs {params.num_envs} --seed {params.seed} --headless --resume {params.settings:q}",
        )


rule render_views:
    message:
        "Render the demonstrations of Task {wildcards.task} from beside their path too"
    input:
        "data/{task}_{name}.npz",
    output:
        "data/views_{task}_{name}.npz",
    log:
        "runs/log_{name}/render_views_{task}.log",
    benchmark:
        "runs/benchmark_{name}/render_views_{task}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=gpus("sim.device"),
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        seed=setting("seed"),
        settings=set_arguments("task", "sim", "plant", "views", *SINGLE_FRAMES),
    conda:
        "../envs/work.yaml"
    shell:
        script("3d_render_views.py --input {input} --out {output} --seed {params.seed} --resume {params.settings:q}")


rule inspect:
    message:
        "Inspect the demonstrations of Task {wildcards.task}"
    input:
        "data/{task}_{name}.npz",
    output:
        report(
            directory("runs/inspect_{name}/{task}"),
            patterns=["{view}.png", "{view}.mp4"],
            caption="../report/demonstrations.rst",
            category="Demonstrations",
            subcategory="Task {task}",
            labels={"view": "{view}"},
        ),
    log:
        "runs/log_{name}/inspect_{task}.log",
    benchmark:
        "runs/benchmark_{name}/inspect_{task}.tsv"
    threads: 1
    priority: EVALUATE
    resources:
        gpu=0,
        mem_mb=growing(4000),
        runtime=growing(30),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "2_inspect_data.py --dataset {input} --out_dir {output} --enable_xyz_viz --rrd",
            "--stats_json {output}/stats.json",
        )
