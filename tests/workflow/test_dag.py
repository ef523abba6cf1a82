"""What Snakemake plans: to any iteration, and after a change exactly what depends on it."""

import re

import pytest

SMOKE = ("--configfile", "config/smoke.yaml")
FIXED = {"collect": 1, "reverse": 1, "replay": 1, "inspect": 2, "convert": 2, "train": 2, "chains": 1, "report": 1}


def full_plan(n: int) -> dict[str, int]:
    chain = {"alternate": n, "merge": 2 * n, "finetune": 2 * n}
    return FIXED | {"evaluate": 2 * (n + 1)} | {rule: count for rule, count in chain.items() if count}


def with_arms(plan: dict[str, int], n: int) -> dict[str, int]:
    """What the arms no_rollouts and forward_demos add to the plan of n iterations."""
    forward = {"collect_forward": 1, "convert_forward": 1, "train_on_forward_demonstrations": 1}
    return plan | forward | {"finetune_without_rollouts": 2 * n, "evaluate": plan["evaluate"] + 2 * n + 1}


@pytest.mark.parametrize("n", [0, 1, 3, 100])
def test_a_dry_run_plans_every_job_to_iteration_n(planner, n):
    assert planner.plan(config=(f"iterations={n}",)) == full_plan(n)


def test_smoke_and_gpu_configurations_plan(planner):
    assert planner.plan(*SMOKE) == with_arms(full_plan(2), 2)
    assert planner.plan("--configfile", "config/gpu.yaml") == full_plan(10)


def test_policies_that_see_learn_from_further_views_and_a_may_start_from_b(planner):
    images = ("--configfile", "config/images.yaml")
    arms = ("arms=[with_rollouts, no_rollouts, forward_demos]",)
    assert planner.plan(*images) == full_plan(1) | {"render_views": 2}
    views = {"render_views": 2, "render_forward_views": 1}
    assert planner.plan(*images, config=arms) == with_arms(full_plan(1), 1) | views
    assert planner.plan(*images, config=("views={copies: 0, turned: 3}",)) == full_plan(1) | {"render_views": 2}
    last = "iter0/checkpoints/checkpoints/last/pretrained_model"
    asked = ("-n", "-p", f"runs/diffusion_A_circle-images/{last}/model.safetensors", *images)
    plan, transfer = planner(*asked).stdout, planner(*asked, config=("train={transfer: true}",)).stdout
    assert "--dataset data/views_A_circle-images.npz" in plan and "--start_from" not in plan
    assert transfer.count(f"--start_from runs/diffusion_B_circle-images/{last}") == 1


def test_rollouts_recorded_without_images_are_rendered_as_the_demonstrations_are(planner):
    images, rollout = ("--configfile", "config/images.yaml"), "{images: false, reversed_rollouts: A}"
    on = ("views={copies: 1, turned: 3}", f"rollout={rollout}", "iterations=2")
    reversal = {"reverse_rollouts": 2, "replay_rollouts": 2}
    assert planner.plan(*images, config=on) == full_plan(2) | reversal | {"render_views": 2, "render_rollouts": 6}
    plan = planner("-n", "-p", *images, config=on).stdout
    merged = {task: re.search(rf"7_finetune.*merged_{task}_circle-images_iter2.*", plan)[0] for task in "AB"}
    both = "data/views_{}_{}_circle-images_iter2.npz"
    assert f"--new_rollouts {both.format('rollout', 'A')} {both.format('replayed', 'A')} --" in merged["A"]
    assert f"--new_rollouts {both.format('rollout', 'B')} --" in merged["B"]
    rendered = re.search(r"3d_render.*views_replayed_A.*iter2.*", plan)[0]
    assert "--input data/replayed_A_circle-images_iter2.npz" in rendered and "views.turned" not in rendered
    assert "views.copies=1" in rendered and "rollout.images" not in plan


def test_the_other_arms_start_from_the_first_policies_of_the_method(planner):
    arms = ("arms=[with_rollouts, no_rollouts, forward_demos]", "iterations=2")
    assert planner.plan(config=arms) == with_arms(full_plan(2), 2)
    targets = [f"runs/evaluation_A_circle_no_rollouts/iter{n}/metrics.json" for n in (1, 2)]
    plan = planner("-n", "-p", *targets, config=arms).stdout
    last = "checkpoints/checkpoints/last/pretrained_model"
    assert f"--checkpoint runs/diffusion_A_circle/iter0/{last}" in plan
    assert f"--checkpoint runs/diffusion_A_circle_no_rollouts/iter1/{last} --out" in plan
    assert "rollout_A_circle_iter" not in plan
    assert planner("-n", config=("arms=[no_rollouts]",)).returncode != 0


def test_a_teacher_takes_over_from_the_policies_of_an_arm_of_its_own(planner):
    on = ("arms=[with_rollouts, teacher]", "teacher={run: circle, iteration: 0}", "iterations=2")
    added = {"collect_corrections": 4, "merge_corrections": 4, "finetune_with_teacher": 4, "evaluate": 6 + 4}
    assert planner.plan(config=on) == full_plan(2) | added
    images = ("--configfile", "config/images.yaml")
    seeing = (*on, "teacher={run: circle-images, iteration: 0}")
    assert planner.plan(*images, config=seeing) == full_plan(2) | added | {"render_views": 2}
    last = "checkpoints/checkpoints/last/pretrained_model"
    plan = planner("-n", "-p", *images, config=seeing).stdout
    taught = re.search(r"6b_collect.* data/corrections_A_circle-images_iter2\.npz.*", plan)[0]
    assert f"--checkpoint runs/diffusion_A_circle-images_teacher/iter1/{last}" in taught
    assert f"--teacher runs/diffusion_A_circle-images/iter0/{last}" in taught
    trained = re.search(r"7_finetune.* --out runs/diffusion_A_circle-images_teacher/iter2 .*", plan)[0]
    assert "--rollout_data data/corrections_A_circle-images_iter{1..2}.npz --new" in trained
    assert "--lerobot_dataset_dir data/merged_A_circle-images_teacher_iter2 " in trained


def test_a_teacher_that_is_not_there_is_named(planner):
    arms = "arms=[with_rollouts, teacher]"
    missing, unnamed = (planner("-n", config=(arms, f"teacher={{run: {run}}}")) for run in ("nobody", "''"))
    said = missing.stdout
    assert missing.returncode and "teacher.run: nobody has no policy here: runs/diffusion_A_nobody/iter1/" in said
    assert unnamed.returncode and "the arm `teacher` needs one" in unnamed.stdout


def test_each_seed_is_a_run_of_its_own_and_all_are_summarized(planner):
    planned = full_plan(1)
    three = {rule: 3 * count for rule, count in planned.items()} | {"summarize_seeds": 1}
    assert planner.plan(config=("seeds=[0, 1, 5]",)) == three
    plan = planner("-n", "-p", config=("seeds=[0, 1, 5]",)).stdout
    assert "--run runs/report_circle-seed1/metrics.json 1 --run runs/report_circle-seed5/metrics.json 5" in plan
    alone = planner("-n", "-p", config=("name=circle-seed5", "seed=5")).stdout
    commands = [set(re.findall(r"workflow/scripts/[1-8].*seed5.*", text)) for text in (plan, alone)]
    assert commands[1] <= commands[0] and len(commands[1]) == sum(planned.values())


def test_the_slurm_profile_plans_the_same_jobs(planner):
    assert planner.plan("--workflow-profile", "profiles/slurm") == full_plan(1)


def test_iteration_n_starts_from_the_checkpoint_of_iteration_n_minus_1(planner):
    target = "runs/diffusion_A_circle/iter2/checkpoints/checkpoints/last/pretrained_model/model.safetensors"
    plan = planner("-n", "-p", target).stdout
    assert "--checkpoint runs/diffusion_A_circle/iter1/checkpoints/checkpoints/last/pretrained_model" in plan
    assert "--rollout_data data/rollout_A_circle_iter{1..2}.npz" in plan
    assert "iter3" not in plan


def test_only_settings_that_differ_from_the_defaults_are_passed_on(planner):
    plan = planner("-n", "-p", "data/B_circle.npz", config=("sim={image_width: 32, device: cpu}",)).stdout
    assert "--set sim.image_width=32 >" in plan
    assert "--set" not in planner("-n", "-p", "data/B_circle.npz").stdout


@pytest.mark.parametrize(
    "target", ["data/rollout_A_circle_iter0.npz", "data/A_other.npz", "data/rollout_C_circle_iter1.npz"]
)
def test_nothing_makes_what_is_outside_the_chain(planner, target):
    result = planner("-n", target)
    assert result.returncode != 0
    assert "MissingRuleException" in result.stdout


def test_a_training_gets_as_many_processes_as_gpus_or_is_refused(planner):
    two = ("train={device: cuda, num_processes: 2}",)
    assert "nproc_per_node=2 workflow/scripts/4_train" in planner("-n", "-p", "--resources", "gpu=2", config=two).stdout
    refused = planner("-n", config=two)
    assert refused.returncode != 0 and "a job needs 2 GPUs, 1 offered" in refused.stdout


def test_rollouts_of_two_processes_take_two_cores(planner):
    two = ("rollout={num_processes: 2}", "evaluation={num_processes: 2}")
    planned = planner("-n", "-p", "--cores", "2", config=two).stdout
    assert planned.count("OMP_NUM_THREADS=2") == 6  # the alternating test, four evaluations, the long chains
    assert planned.count("--set rollout.num_processes=2") == 1
    assert planned.count("--set evaluation.num_processes=2") == 5


def test_hindsight_targets_take_the_place_of_the_rollouts_of_task_b(planner):
    on = ("rollout={hindsight_targets: true}", "iterations=2")
    assert planner.plan(config=on) == full_plan(2) | {"relabel_rollouts": 2}
    plan = planner("-n", "-p", config=on).stdout
    merged = {task: re.search(rf"7_finetune.*merged_{task}_circle_iter2.*", plan)[0] for task in "AB"}
    assert "--rollout_data data/rollout_A_circle_iter{1..2}.npz --new" in merged["A"]
    assert "--rollout_data data/hindsight_B_circle_iter{1..2}.npz --new_rollouts data/hindsight_B" in merged["B"]


def test_what_is_reversed_for_task_a_are_the_rollouts_as_relabelled(planner):
    plan = planner("-n", "-p", config=("rollout={hindsight_targets: true, reversed_rollouts: true}",)).stdout
    assert "--input data/hindsight_B_circle_iter1.npz --out data/reversed_A_circle_iter1.npz" in plan
    assert "--input data/rollout_A_circle_iter1.npz --out data/reversed_B_circle_iter1.npz" in plan


def test_what_follows_a_failure_is_told_to_the_test_that_it_is_set_for(planner):
    plan = planner("-n", "-p", config=("evaluation={after_failure: recover, max_retries: 2}",)).stdout
    alternate, chains = sorted(re.findall(r"6_test.*", plan), key=lambda command: "--kind chains" in command)
    assert "evaluation.after_failure=" in chains and "evaluation.max_retries=2" in chains
    assert "after_failure" not in alternate


def test_the_hand_moves_between_attempts_of_rollouts_alone(planner):
    plan = planner("-n", "-p", config=("rollout={move_away: true}",)).stdout
    alternate, chains = sorted(re.findall(r"6_test.*", plan), key=lambda command: "--kind chains" in command)
    assert "rollout.move_away=true" in alternate and "move_away" not in chains


def test_a_finished_run_has_nothing_to_do(finished):
    assert finished.plan(*SMOKE) == {}


def test_raising_n_builds_only_the_new_iteration(finished):
    new = {
        "alternate": 1,
        "merge": 2,
        "finetune": 2,
        "finetune_without_rollouts": 2,
        "evaluate": 4,
        "chains": 1,
        "report": 1,
    }
    assert finished.plan(*SMOKE, config=("iterations=3",)) == new


AFTER_ROLLOUTS = {"merge": 4, "finetune": 4, "chains": 1, "report": 1}
# Task A's data change; through the rollouts B's finetunes do, but not B's first training and what has no rollouts.
AFTER_REVERSAL = AFTER_ROLLOUTS | {
    "reverse": 1, "replay": 1, "inspect": 1, "convert": 1, "train": 1, "alternate": 2, "finetune_without_rollouts": 2,
    "evaluate": 7,
}  # fmt: skip
AFTER_TRAINING = AFTER_ROLLOUTS | {
    "train": 2, "alternate": 2, "finetune_without_rollouts": 4, "evaluate": 11, "train_on_forward_demonstrations": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        ("evaluation={videos: 2}", {"evaluate": 11, "report": 1}),
        ("evaluation={max_cycles: 2}", {"chains": 1, "report": 1}),
        ("evaluation={after_failure: stop}", {"chains": 1, "report": 1}),
        ("train={steps: 61}", AFTER_TRAINING),
        (
            "train={finetune_steps: 31}",
            AFTER_ROLLOUTS | {"alternate": 1, "merge": 2, "finetune_without_rollouts": 4, "evaluate": 8},
        ),
        ("rollout={max_cycles: 2}", AFTER_ROLLOUTS | {"alternate": 2, "evaluate": 4}),
        ("rollout={after_failure: recover}", AFTER_ROLLOUTS | {"alternate": 2, "evaluate": 4}),
        ("reversal={gripper_lead_steps: 5}", AFTER_REVERSAL),
        ("demos={num_episodes: 13}", with_arms(full_plan(2), 2)),
        ("train={save_every: 7}", {}),
        ("wandb={enabled: true}", {}),
    ],
)
def test_a_changed_setting_reruns_what_depends_on_it_and_nothing_else(finished, change, jobs):
    assert finished.plan(*SMOKE, config=(change,)) == jobs


def of(*rules, tasks="AB", iterations=()) -> set[str]:
    """Names of jobs, as those of their logs: rule_task, or rule_task_iter<n>."""
    ends = [f"_iter{n}" for n in iterations] or [""]
    return {rule.format(task=task) + end for rule in rules for task in tasks for end in ends}


FORWARD = {"collect_forward", "convert_forward_A", "train_A_forward_demos", "evaluate_A_forward_demos_iter0"}
EVALUATIONS = of("evaluate_{task}", iterations=(0, 1, 2)) | of("evaluate_{task}_no_rollouts", iterations=(1, 2))
EVALUATIONS |= {"evaluate_A_forward_demos_iter0"}
BEFORE_TRAINING = {"collect", "reverse", "replay", "collect_forward", "convert_forward_A"}
BEFORE_TRAINING |= of("inspect_{task}", "convert_{task}")
ALL_JOBS = FORWARD | EVALUATIONS | BEFORE_TRAINING | of("train_{task}") | {"chains_iter2", "report"}
ALL_JOBS |= of("merge_{task}", "finetune_{task}", "finetune_{task}_no_rollouts", "alternate", iterations=(1, 2))
BEFORE_FINETUNE = FORWARD | BEFORE_TRAINING | of("train_{task}") | of("merge_{task}", "alternate", iterations=(1,))
BEFORE_FINETUNE |= of("evaluate_{task}", iterations=(0,))
ALONE_B = {"collect", "inspect_B", "convert_B", "train_B", "evaluate_B_iter0"}  # what reversal has no part in
ALONE_B |= of("finetune_B_no_rollouts", "evaluate_B_no_rollouts", iterations=(1, 2))


@pytest.mark.parametrize(
    ("old", "new", "jobs"),
    [
        ("dwell_steps: [7, 7]", "dwell_steps: [8, 8]", ALL_JOBS),
        ("  lr: 0.001 ", "  lr: 0.002 ", ALL_JOBS - BEFORE_TRAINING),
        ("max_share: 0.5", "max_share: 0.4", ALL_JOBS - BEFORE_FINETUNE),
        ("max_slowness: 0.0", "max_slowness: 1.2", ALL_JOBS - BEFORE_FINETUNE | of("merge_{task}", iterations=(1,))),
        ("distance_threshold: 0.03", "distance_threshold: 0.02", EVALUATIONS | {"report"}),
        ("gripper_lead_steps: 4", "gripper_lead_steps: 5", ALL_JOBS - FORWARD - ALONE_B),
        ("# Optimisation", "# Another word", set()),
    ],
)  # fmt: skip
def test_an_edited_value_lists_exactly_the_jobs_that_depend_on_it(finished, old, new, jobs):
    path = finished.folder / "config/config.yaml"
    before = path.read_text()
    assert before.count(old) == 1
    try:
        path.write_text(before.replace(old, new))
        plan = finished("-n", *SMOKE).stdout
    finally:
        path.write_text(before)
    assert set(re.findall(r"> runs/log_smoke/(\w+)\.log 2>&1", plan)) == jobs, plan


def test_a_comment_in_a_rule_or_a_script_reruns_nothing(finished):
    for path in ("rules/train.smk", "workflow/scripts/4_train_diffusion.py"):
        with open(finished.folder / path, "a") as file:
            file.write("# a remark\n")
    assert finished.plan(*SMOKE) == {}


def test_reversed_rollouts_are_replayed_under_the_looks_of_their_own_iteration(planner):
    """Under `sim.appearance` light and colours are drawn by the seed."""
    plan = planner("-n", "-p", config=("iterations=2", "rollout={reversed_rollouts: true}")).stdout
    replays = re.findall(r"--out_report data/replayed_([AB])_circle_iter(\d)\.json .*--seed (\d+)", plan)
    rollouts = re.findall(r"6_test_alternating.* --out_A data/rollout_A_circle_iter(\d)\.npz .*--seed (\d+)", plan)
    assert len(replays) == 4 and len(rollouts) == 2 and len({seed for _, seed in rollouts}) == 2
    assert {(n, seed) for _, n, seed in replays} == set(rollouts)


def test_reversed_rollouts_may_be_added_to_one_task_alone(planner):
    plan = planner("-n", "-p", config=("rollout={reversed_rollouts: A}",)).stdout
    assert set(re.findall(r"--out data/replayed_([AB])_circle_iter1", plan)) == {"A"}
    merged = re.findall(r"--new_rollouts (.*?) --lerobot_dataset_dir data/merged_([AB])_", plan)
    assert {task: "replayed" in files for files, task in merged} == {"A": True, "B": False}, plan


def test_a_dry_run_says_what_memory_a_job_asks_for(planner):
    asked, simulating = {}, {}
    for name in ("config", "gpu"):
        told = planner("-n", "--configfile", f"config/{name}.yaml", config=("iterations=1",)).stdout
        simulating[name] = [int(mb) for mb in re.findall(r"(?:Collect|Replay|Alternate) .*\(asks for (\d+) MB\)", told)]
        assert len(simulating[name]) == 3, told
        asked[name] = [int(mb) for mb in re.findall(r"(?:Train|Finetune) the policy .*\(asks for (\d+) MB\)", told)]
        assert len(asked[name]) == 4, told
    assert min(asked["gpu"]) > 20_000 > max(asked["config"])  # images of 500 demonstrations and their rollouts
    assert min(simulating["gpu"]) > 12_000 > max(simulating["config"])  # images of 128 episodes in flight
