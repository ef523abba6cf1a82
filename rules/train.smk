# LeRobot datasets and the two policies: trained on demonstrations (iter0), finetuned with rollouts (iter1, iter2, ...).
# Neither is trained before the task has been found to reverse; when that was does not count, hence `ancient`.

TRAIN_KEYS = (
    *("device", "warmup_steps", "weight_decay", "ema_decay", "ee_noise", "ee_turn_noise", "num_processes"),
    *("scene_shift", "scene_turn", "scene_mirror"),
    *("noises_per_observation", "auxiliary_weight", "precision", "transfer"),
)
TRAINING = [
    "policy",
    *(f"train.{key}" for key in TRAIN_KEYS),
]
MERGE = ["rollout.include_failures", "rollout.max_slowness", "rollout.reversed_rollouts"]
SEES_OBJECT = flag("include_obj_pose", "policy.include_obj_pose")


rule convert:
    message:
        "Convert the demonstrations of Task {wildcards.task} to a LeRobot dataset (asks for {resources.mem_mb} MB)"
    input:
        demonstrations(),
    output:
        directory("data/lerobot_{task}_{name}"),
    log:
        "runs/log_{name}/convert_{task}.log",
    benchmark:
        "runs/benchmark_{name}/convert_{task}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=0,
        mem_mb=growing(resources.conversion_mb),
        runtime=growing(120),
    params:
        settings=set_arguments("policy.images"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "4_train_diffusion.py --dataset {input} --lerobot_dataset_dir {output} --convert_only",
            "--out runs/diffusion_{wildcards.task}_{wildcards.name}/iter0 {params.settings:q}",
        )


rule train:
    message:
        "Train the policy of Task {wildcards.task} for {params.steps} steps (asks for {resources.mem_mb} MB)"
    input:
        data=demonstrations(),
        dataset="data/lerobot_{task}_{name}",
        reverses=ancient("data/A_{name}_replay.json"),
        start=starting_policy,
    output:
        policy("{task}", "{name}", 0),
    log:
        "runs/log_{name}/train_{task}.log",
    benchmark:
        "runs/benchmark_{name}/train_{task}.tsv"
    threads: setting("train.num_processes")
    priority: FINISH
    resources:
        gpu=gpus("train.device", "train.num_processes"),
        mem_mb=training_memory,
        runtime=growing(1440),
    params:
        out=subpath(output[0], ancestor=5),
        steps=setting("train.steps"),
        batch_size=setting("train.batch_size"),
        lr=setting("train.lr"),
        seed=training_seed,
        device=setting("train.device"),
        flags=SEES_OBJECT,
        start=lambda _, input: ["--start_from", os.path.dirname(str(input.start))] if input.start else [],
        settings=set_arguments(*TRAINING),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "4_train_diffusion.py --dataset {input.data} --lerobot_dataset_dir {input.dataset} --out {params.out}",
            "--steps {params.steps} --batch_size {params.batch_size} --lr {params.lr} --resume",
            "--seed {params.seed} --device {params.device} {params.flags} {params.start} {params.settings:q}",
            WANDB,
            SAVING,
            processes=PROCESSES,
        )


rule merge:
    message:
        "Merge demonstrations of Task {wildcards.task} and rollouts up to iteration {wildcards.n} (asks for {resources.mem_mb} MB)"
    input:
        original=demonstrations(),
        rollouts=new_rollouts,
    output:
        directory("data/merged_{task}_{name}_iter{n}"),
    log:
        "runs/log_{name}/merge_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/merge_{task}_iter{n}.tsv"
    threads: 1
    priority: FINISH
    resources:
        gpu=0,
        mem_mb=growing(resources.conversion_mb),
        runtime=growing(240),
    params:
        rollouts=rollouts_so_far,
        settings=set_arguments("policy.images", *MERGE),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "7_finetune_with_rollout.py --original_data {input.original} --rollout_data {params.rollouts}",
            "--new_rollouts {input.rollouts} --lerobot_dataset_dir {output} --convert_only",
            "--out runs/diffusion_{wildcards.task}_{wildcards.name}/iter{wildcards.n}",
            "{params.settings:q}",
        )


rule finetune:
    message:
        "Finetune the policy of Task {wildcards.task}, iteration {wildcards.n}, {params.steps} steps (asks for {resources.mem_mb} MB)"
    input:
        original=demonstrations(),
        dataset="data/merged_{task}_{name}_iter{n}",
        checkpoint=previous_policy(),
    output:
        policy("{task}", "{name}", "{n}"),
    log:
        "runs/log_{name}/finetune_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/finetune_{task}_iter{n}.tsv"
    threads: setting("train.num_processes")
    priority: FINISH
    resources:
        gpu=gpus("train.device", "train.num_processes"),
        mem_mb=training_memory,
        runtime=growing(1440),
    params:
        out=subpath(output[0], ancestor=5),
        checkpoint=subpath(input.checkpoint, parent=True),
        steps=setting("train.finetune_steps"),
        batch_size=setting("train.batch_size"),
        lr=setting("train.finetune_lr"),
        rollouts=rollouts_so_far,
        new_rollouts=new_rollouts,
        seed=training_seed,
        device=setting("train.device"),
        flags=SEES_OBJECT,
        settings=set_arguments(*TRAINING, *MERGE, "rollout.max_share"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "7_finetune_with_rollout.py --original_data {input.original} --rollout_data {params.rollouts}",
            "--new_rollouts {params.new_rollouts}",
            "--lerobot_dataset_dir {input.dataset} --checkpoint {params.checkpoint} --out {params.out}",
            "--steps {params.steps} --batch_size {params.batch_size} --lr {params.lr} --resume",
            "--seed {params.seed} --device {params.device} {params.flags} {params.settings:q}",
            WANDB,
            SAVING,
            processes=PROCESSES,
        )
