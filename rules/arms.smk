# Experiment arms beside the method: what it is measured against. They share its demonstrations and first policies.


use rule finetune as finetune_without_rollouts with:
    message:
        "Train the policy of Task {wildcards.task} on the demonstrations alone, iteration {wildcards.n}"
    input:
        original=demonstrations(),
        dataset="data/lerobot_{task}_{name}",
        checkpoint=previous_policy(arm="_no_rollouts"),
    output:
        policy("{task}", "{name}_no_rollouts", "{n}"),
    log:
        "runs/log_{name}/finetune_{task}_no_rollouts_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/finetune_{task}_no_rollouts_iter{n}.tsv"
    priority: EVALUATE
    params:
        rollouts=[],
        new_rollouts=[],


use rule collect as collect_forward with:
    message:
        "Collect {params.num_episodes} demonstrations of Task A, forward"
    output:
        "data/forward_A_{name}.npz",
    log:
        "runs/log_{name}/collect_forward.log",
    benchmark:
        "runs/benchmark_{name}/collect_forward.tsv"
    priority: EVALUATE
    params:
        task="A",


use rule render_views as render_forward_views with:
    message:
        "Render the forward demonstrations of Task {wildcards.task} from beside their path too"
    input:
        "data/forward_{task}_{name}.npz",
    output:
        "data/views_forward_{task}_{name}.npz",
    log:
        "runs/log_{name}/render_forward_views_{task}.log",
    benchmark:
        "runs/benchmark_{name}/render_forward_views_{task}.tsv"
    priority: EVALUATE


use rule convert as convert_forward with:
    message:
        "Convert the forward demonstrations of Task {wildcards.task} to a LeRobot dataset"
    input:
        demonstrations("forward_"),
    output:
        directory("data/lerobot_forward_{task}_{name}"),
    log:
        "runs/log_{name}/convert_forward_{task}.log",
    benchmark:
        "runs/benchmark_{name}/convert_forward_{task}.tsv"
    priority: EVALUATE


use rule train as train_on_forward_demonstrations with:
    message:
        "Train the policy of Task {wildcards.task} on forward demonstrations for {params.steps} steps"
    input:
        data=demonstrations("forward_"),
        dataset="data/lerobot_forward_{task}_{name}",
        reverses=ancient("data/A_{name}_replay.json"),
        start=starting_policy,
    output:
        policy("{task}", "{name}_forward_demos", 0),
    log:
        "runs/log_{name}/train_{task}_forward_demos.log",
    benchmark:
        "runs/benchmark_{name}/train_{task}_forward_demos.tsv"
    priority: EVALUATE


rule collect_corrections:
    message:
        "Have the teacher take over in Task {wildcards.task}, iteration {wildcards.n} (asks for {resources.mem_mb} MB)"
    input:
        policy=previous_policy(arm="_teacher"),
        teacher=teachers_policy,
    output:
        data="data/corrections_{task}_{name}_iter{n}.npz",
        metrics="runs/corrections_{task}_{name}/iter{n}/metrics.json",
    log:
        "runs/log_{name}/collect_corrections_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/collect_corrections_{task}_iter{n}.tsv"
    threads: setting("rollout.num_processes")
    priority: EVALUATE
    resources:
        gpu=gpus("sim.device"),
        mem_mb=simulation_memory("rollout.num_envs", "rollout.max_episode_steps", "policy.images"),
        runtime=growing(720),
    params:
        policy=subpath(input.policy, parent=True),
        teacher=subpath(input.teacher, parent=True),
        attempts=setting("teacher.attempts"),
        num_envs=setting("rollout.num_envs"),
        horizon=setting("rollout.max_episode_steps"),
        seed=alternating_seed,
        settings=set_arguments("task", "sim", "plant", "teacher", "rollout.num_processes", "policy.images"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "6b_collect_corrections.py --checkpoint {params.policy} --teacher {params.teacher} --task {wildcards.task}",
            "--out {output.data} --out_metrics {output.metrics} --attempts {params.attempts}",
            "--num_envs {params.num_envs} --horizon {params.horizon} --seed {params.seed} --headless {params.settings:q}",
        )


use rule merge as merge_corrections with:
    message:
        "Merge demonstrations of Task {wildcards.task} and corrections up to iteration {wildcards.n} (asks for {resources.mem_mb} MB)"
    input:
        original=demonstrations(),
        rollouts="data/corrections_{task}_{name}_iter{n}.npz",
    output:
        directory("data/merged_{task}_{name}_teacher_iter{n}"),
    log:
        "runs/log_{name}/merge_{task}_teacher_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/merge_{task}_teacher_iter{n}.tsv"
    priority: EVALUATE
    params:
        rollouts=corrections_so_far,


use rule finetune as finetune_with_teacher with:
    message:
        "Finetune the policy of Task {wildcards.task} with corrections, iteration {wildcards.n}, {params.steps} steps"
    input:
        original=demonstrations(),
        dataset="data/merged_{task}_{name}_teacher_iter{n}",
        checkpoint=previous_policy(arm="_teacher"),
    output:
        policy("{task}", "{name}_teacher", "{n}"),
    log:
        "runs/log_{name}/finetune_{task}_teacher_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/finetune_{task}_teacher_iter{n}.tsv"
    priority: EVALUATE
    params:
        rollouts=corrections_so_far,
        new_rollouts="data/corrections_{task}_{name}_iter{n}.npz",
