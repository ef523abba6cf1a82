"""What is said about a run while it runs: jobs by their own progress bars, the time left by earlier benchmarks."""

import io
import os

import pytest

from rev2fwd_il.running.run_progress import Past, RunProgress, last_bar, read_past, short_time, unit_of
from rev2fwd_il.running.status_lines import LOG_EVERY_S, StatusLines

PAST = Past({"train_A": 480.0, "train_B": 500.0}, {"train": 490.0, "evaluate": 60.0}, at_once=2.0)


@pytest.fixture
def progress():
    """A run of two trainings and four evaluations; its clock is set by hand."""
    clock = [0.0]
    out = RunProgress(PAST, now=lambda: clock[0])
    out.clock = clock
    out.plan({"train": 2, "evaluate": 4, "all": 1})
    return out


def test_time_left_is_the_work_over_the_jobs_beside_each_other(progress):
    assert progress.total == 6 and progress.time_left() == f"about {short_time((2 * 490 + 4 * 60) / 2)} left"
    progress.start(1, "train_A", "train", None)
    progress.start(2, "train_B", "train", None)
    progress.clock[0] = 400.0
    assert progress.time_left() == f"about {short_time((4 * 60 + 80 + 100) / 2)} left"
    assert progress.lines()[0] == "train_A    –    running for 7 min of about 8 min"


def test_what_was_never_measured_is_named(progress):
    progress.plan({"train": 1, "invent": 2})
    assert progress.time_left() == "more than 4 min left, never measured: invent"
    progress.plan({"invent": 2})
    assert progress.time_left() == "time left unknown, never measured: invent"


def test_an_unmeasured_job_tells_by_itself(progress, tmp_path):
    log = tmp_path / "invent.log"
    log.write_text("starting\riter0:  25%|██▌       | 10/40 [00:50<02:30,  5.00s/step, loss=0.1]")
    progress.plan({"invent": 1})
    progress.start(1, "invent", "invent", log)
    progress.clock[0] = 50.0
    assert progress.lines() == ["invent   25 %  10 of 40 steps, 02:30 left", "0 of 1 jobs done; about 2 min left"]


def test_a_second_bar_of_a_job_counts_from_its_own_beginning(progress, tmp_path):
    log = tmp_path / "invent.log"
    log.write_text("chains: 100%|██| 64/64 [09:00<00:00,  8.4s/cycle]\nfilm:  10%|█ | 1/10 [00:15<02:15, 15.0s/frame]")
    progress.plan({"invent": 1})
    progress.start(1, "invent", "invent", log)
    progress.clock[0] = 555.0
    assert progress.time_left() == "about 2 min left"


def test_jobs_that_have_ended_tell_of_those_to_come(progress):
    """By rule; a job that is known by its name from before is known better."""
    progress.plan({"invent": 3, "train": 1})
    for number, failed in enumerate((False, True)):
        progress.start(number, f"invent_{number}", "invent", None)
        progress.clock[0] += 30.0 + 300 * failed
        progress.end(number, failed=failed)
    progress.start(2, "invent_2", "invent", None)
    progress.start(3, "train_A", "train", None)
    assert progress.time_left() == f"about {short_time(480)} left"
    assert progress.describe(progress.running[2]).endswith("of about 30 s")


def test_done_and_failed_are_counted(progress):
    for number, name in enumerate(("train_A", "train_B", "evaluate_A_iter0")):
        progress.start(number, name, name.split("_")[0], None)
    progress.end(0), progress.end(1, failed=True)
    assert progress.end(77) is None
    assert progress.summary().startswith("1 of 6 jobs done, 1 failed; ")


def test_a_plan_that_grows_on_the_way_is_counted(progress):
    for number in range(3):
        progress.start(number, f"train_{number}", "train", None)
    progress.start(0, "train_0", "train", None)  # a retry is no further job
    assert progress.total == 7


def test_the_last_bar_of_a_log(tmp_path):
    log = tmp_path / "x.log"
    assert last_bar(log) is None and last_bar(None) is None
    log.write_bytes(b"\xff\xfe 100%|" + b"x" * 9000)
    assert last_bar(log) is None
    log.write_text("a:   5%|▌| 1/20 [00:01<00:19,  1.00cycle/s]\ra: 100%|█| 20/20 [00:20<00:00,  1.00cycle/s]\ndone\n")
    assert last_bar(log)["count"] == "20/20"
    assert [unit_of(rate) for rate in ("8.37step/s", "1.25s/episode", "?cycle/s")] == ["steps", "episodes", "cycles"]


def test_past_runs_are_read_with_how_many_ran_beside_each_other(tmp_path):
    folder = tmp_path / "benchmark_circle"
    folder.mkdir()
    for job, seconds, end in (("train_A", 100, 100), ("train_B", 100, 100), ("evaluate_A_iter1", 50, 1050)):
        (folder / f"{job}.tsv").write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t1\t1\n")
        os.utime(folder / f"{job}.tsv", (end, end))
    past = read_past(tmp_path)
    assert past.by_stage == {"train": 100.0, "evaluate": 50.0} and past.by_job["train_B"] == 100.0
    assert past.at_once == pytest.approx(250 / 150)
    assert read_past(tmp_path / "nowhere") == Past()


def test_a_log_file_gets_a_line_now_and_then_and_no_control_characters():
    stream = io.StringIO()
    status = StatusLines(stream)
    for second in range(int(2 * LOG_EVERY_S) + 1):
        status.show(["train_A  10 %"], float(second))
    status.say("done train_A")
    assert stream.getvalue() == "train_A  10 %\n" * 2 + "done train_A\n"


def test_a_terminal_is_redrawn_in_place():
    stream = io.StringIO()
    status = StatusLines(stream, in_place=True)
    status.show(["a", "b"], 0.0)
    status.show(["c"], 0.1)
    status.say("stays")
    assert stream.getvalue() == "a\nb\n" + "\033[A\033[2K" * 2 + "c\n" + "\033[A\033[2K" + "stays\n"
