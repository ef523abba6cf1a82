# LeRobot datasets and the two policies: trained on demonstrations (iter0), finetuned with rollouts (iter1, iter2, ...).

TRAIN_KEYS = ("device", "warmup_steps", "weight_decay", "ema_decay", "hand_noise", "hand_turn_noise", "num_processes")
TRAINING = [
    "policy",
    *(f"train.{key}" for key in TRAIN_KEYS),
]
MERGE = ["rollout.include_failures", "rollout.reversed_rollouts"]
SEES_OBJECT = flag("include_obj_pose", settings.policy.include_obj_pose)


rule convert:
    message:
        "Convert the demonstrations of Task {wildcards.task} to a LeRobot dataset"
    input:
        "data/{task}_{name}.npz",
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
        mem_mb=growing(6000),
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
        "Train the policy of Task {wildcards.task} for {params.steps} steps"
    input:
        data="data/{task}_{name}.npz",
        dataset="data/lerobot_{task}_{name}",
    output:
        policy("{task}", "{name}", 0),
    log:
        "runs/log_{name}/train_{task}.log",
    benchmark:
        "runs/benchmark_{name}/train_{task}.tsv"
    threads: settings.train.num_processes
    priority: FINISH
    resources:
        gpu=gpus(settings.train.device, settings.train.num_processes),
        mem_mb=growing(8000),
        runtime=growing(1440),
    params:
        out=subpath(output[0], ancestor=5),
        steps=settings.train.steps,
        batch_size=settings.train.batch_size,
        lr=settings.train.lr,
        seed=training_seed,
        device=settings.train.device,
        flags=SEES_OBJECT,
        settings=set_arguments(*TRAINING),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "4_train_diffusion.py --dataset {input.data} --lerobot_dataset_dir {input.dataset} --out {params.out}",
            "--steps {params.steps} --batch_size {params.batch_size} --lr {params.lr} --resume",
            "--seed {params.seed} --device {params.device} {params.flags} {params.settings:q}",
            WANDB,
            SAVING,
            processes=settings.train.num_processes,
        )


rule merge:
    message:
        "Merge the demonstrations of Task {wildcards.task} with the rollouts up to iteration {wildcards.n}"
    input:
        original="data/{task}_{name}.npz",
        rollouts=[f"data/{kind}_{{task}}_{{name}}_iter{{n}}.npz" for kind in NEW_DATA],
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
        mem_mb=growing(6000),
        runtime=growing(240),
    params:
        rollouts=rollouts_so_far,
        settings=set_arguments("policy.images", *MERGE),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "7_finetune_with_rollout.py --original_data {input.original} --rollout_data {params.rollouts}",
            "--lerobot_dataset_dir {output} --convert_only",
            "--out runs/diffusion_{wildcards.task}_{wildcards.name}/iter{wildcards.n}",
            "{params.settings:q}",
        )


rule finetune:
    message:
        "Finetune the policy of Task {wildcards.task}, iteration {wildcards.n}, for {params.steps} more steps"
    input:
        original="data/{task}_{name}.npz",
        dataset="data/merged_{task}_{name}_iter{n}",
        checkpoint=previous_policy(),
    output:
        policy("{task}", "{name}", "{n}"),
    log:
        "runs/log_{name}/finetune_{task}_iter{n}.log",
    benchmark:
        "runs/benchmark_{name}/finetune_{task}_iter{n}.tsv"
    threads: settings.train.num_processes
    priority: FINISH
    resources:
        gpu=gpus(settings.train.device, settings.train.num_processes),
        mem_mb=growing(8000),
        runtime=growing(1440),
    params:
        out=subpath(output[0], ancestor=5),
        checkpoint=subpath(input.checkpoint, parent=True),
        steps=settings.train.finetune_steps,
        batch_size=settings.train.batch_size,
        lr=settings.train.finetune_lr,
        rollouts=rollouts_so_far,
        seed=training_seed,
        device=settings.train.device,
        flags=SEES_OBJECT,
        settings=set_arguments(*TRAINING, *MERGE, "rollout.max_share"),
    conda:
        "../envs/work.yaml"
    shell:
        script(
            "7_finetune_with_rollout.py --original_data {input.original} --rollout_data {params.rollouts}",
            "--lerobot_dataset_dir {input.dataset} --checkpoint {params.checkpoint} --out {params.out}",
            "--steps {params.steps} --batch_size {params.batch_size} --lr {params.lr} --resume",
            "--seed {params.seed} --device {params.device} {params.flags} {params.settings:q}",
            WANDB,
            SAVING,
            processes=settings.train.num_processes,
        )
