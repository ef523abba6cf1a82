"""A LeRobot dataset of another robot, backward: what is equal, what is rebuilt, and what a bad one is told."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import robot_dataset
from hypothesis import given
from hypothesis import strategies as st
from lerobot.datasets import LeRobotDataset
from PIL import Image
from robot_dataset import CAMERA, JOINTS, LAG, TEXT

from rev2fwd_il.config.lerobot_reversal import make_reversal_features
from rev2fwd_il.config.reading import load_reversal_features
from rev2fwd_il.errors import ConfigError, DataError
from rev2fwd_il.exchange.lerobot_reversal.dataset import LeRobotReversal
from rev2fwd_il.exchange.lerobot_reversal.frames import reverse_frames
from rev2fwd_il.exchange.lerobot_reversal.roles import find_roles

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "reverse_lerobot_dataset.py"
NEW_TEXT = "take the cube out of the box"
KINDS = (None, "image", "video")


def spec(**values):
    return make_reversal_features(values, "test")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> dict[str | None, Path]:
    """The dataset without pictures, with PNG, and with video."""
    folder = tmp_path_factory.mktemp("recorded")
    return {kind: robot_dataset.record(folder / str(kind), kind) for kind in KINDS}


@pytest.fixture(scope="module")
def backward(recorded, tmp_path_factory) -> dict[str | None, Path]:
    """Each of them reversed."""
    folder = tmp_path_factory.mktemp("reversed")
    for kind, root in recorded.items():
        LeRobotReversal(root, spec(), NEW_TEXT).write(folder / str(kind))
    return {kind: folder / str(kind) for kind in KINDS}


def table(root: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted((root / "data").rglob("*.parquet"))])


def numbers(root: Path, key: str) -> np.ndarray:
    return np.stack(table(root)[key].to_numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_twice_reversed_states_and_images_are_the_original(kind, recorded, backward, tmp_path):
    LeRobotReversal(backward[kind], spec(), TEXT).write(tmp_path / "twice")
    original, twice = table(recorded[kind]), table(tmp_path / "twice")
    exact = ["observation.state", "observation.velocity", "object_height", "timestamp", "frame_index", "episode_index"]
    assert all(original[key].equals(twice[key]) for key in [*exact, "index", "task_index"])
    assert (kind != "image") or original[CAMERA].equals(twice[CAMERA])  # the bytes of the PNG files
    assert "next.done" not in twice.column_names


@pytest.mark.parametrize("kind", KINDS)
def test_lerobot_opens_it(kind, recorded, backward):
    forward, back = (LeRobotDataset("local/arm", root=which[kind]) for which in (recorded, backward))
    assert (len(back), back.num_episodes, back.fps) == (len(forward), 3, 30)
    assert back.meta.robot_type == "arm" and back.meta.tasks.index.tolist() == [NEW_TEXT]
    first, length = forward.meta.episodes[1]["dataset_from_index"], forward.meta.episodes[1]["length"]
    mirrored = forward[first + length - 1 - 5]
    frame = back[first + 5]
    assert frame["task"] == NEW_TEXT and frame["timestamp"] == pytest.approx(5 / 30)
    assert np.array_equal(frame["observation.state"], mirrored["observation.state"])
    assert np.array_equal(frame["observation.velocity"], -mirrored["observation.velocity"])
    if kind:
        error = (frame[CAMERA] - mirrored[CAMERA]).abs().mean()
        assert error == 0 if kind == "image" else error < 0.03


def test_statistics_are_those_of_what_was_written(backward):
    stats = json.loads((backward[None] / "meta/stats.json").read_text())
    for key in ("action", "observation.state", "index", "episode_index"):
        values = np.stack(table(backward[None])[key].to_numpy()).reshape(len(table(backward[None])), -1)
        for name, value in {"min": values.min(0), "max": values.max(0), "mean": values.mean(0)}.items():
            np.testing.assert_allclose(stats[key][name], value, rtol=1e-5, atol=1e-6, err_msg=f"{key} {name}")


def test_commands_are_rebuilt(recorded, backward):
    state, action = numbers(backward[None], "observation.state"), numbers(backward[None], "action")
    ends = np.cumsum([row["length"] for row in LeRobotDataset("local/arm", root=recorded[None]).meta.episodes])
    starts = np.concatenate([[0], ends[:-1]])
    for start, end in zip(starts, ends, strict=True):
        joints, commands = state[start:end, :3], action[start:end, :3]
        assert np.array_equal(commands[:-1], joints[1:]) and np.array_equal(commands[-1], joints[-1])
        opening, label = state[start:end, 3] > 60, action[start:end, 3]
        assert set(label.tolist()) == {100.0, 2.0}, "squeezes as the demonstration did, by more than the opening shows"
        commanded, moved = (np.flatnonzero(np.diff(values.astype(int))) for values in (label > 50, opening))
        assert len(moved) == 2 and np.array_equal(moved - commanded, [LAG, LAG])


def frames_of(root: Path) -> list[np.ndarray]:
    (file,) = (root / "videos").rglob("*.mp4")
    with av.open(str(file)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_videos_are_within_the_codecs_error(recorded, backward, tmp_path):
    LeRobotReversal(backward["video"], spec(), TEXT).write(tmp_path / "twice")
    raw = [robot_dataset.make_pictures(seed, len(robot_dataset.make_motion(seed)["action"])) for seed in range(3)]
    raw = np.concatenate(raw).astype(float)
    once, twice, back = (
        np.array(frames_of(r), float) for r in (recorded["video"], tmp_path / "twice", backward["video"])
    )
    assert len(raw) == len(once) == len(twice) == len(back)
    codec = np.abs(once - raw).mean()
    assert np.abs(twice - once).mean() < 2 * codec
    assert np.abs(back[: len(back) // 3][::-1] - once[: len(back) // 3]).mean() < codec


def test_it_is_deterministic(recorded, backward, tmp_path):
    LeRobotReversal(recorded["video"], spec(), NEW_TEXT).write(tmp_path / "again")
    files = sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (backward["video"] / file).read_bytes(), file


def test_several_video_files_when_the_size_limit_is_reached(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr("rev2fwd_il.learning.dataset_videos.MIB", 1)
    LeRobotReversal(recorded["video"], spec(), NEW_TEXT).write(tmp_path / "out")
    assert len(list((tmp_path / "out/videos").rglob("*.mp4"))) == 3
    loaded = LeRobotDataset("local/arm", root=tmp_path / "out")
    for index in (0, 150, len(loaded) - 1):
        assert loaded[index][CAMERA].mean() > 0.2


def test_what_probably_does_not_reverse_is_said(tmp_path, monkeypatch):
    motion = robot_dataset.make_motion

    def hasty(seed):
        """The arm never rests, lags by three frames, and drops the object."""
        out = motion(seed)
        out["observation.state"][:, :3] += np.linspace(0, 4, 107, dtype=np.float32)[:, None]
        out["action"][:-3, :3] = out["observation.state"][3:, :3]
        out["object_height"][:, 0] = 0.5 - 4.9 * (np.clip(np.arange(107) - 50, 0, 6) / 30) ** 2
        return out

    quiet = LeRobotReversal(robot_dataset.record(tmp_path / "quiet"), spec(heights=["object_height"]), NEW_TEXT)
    assert quiet.report()["doubts"] == []
    monkeypatch.setattr(robot_dataset, "make_motion", hasty)
    found = LeRobotReversal(
        robot_dataset.record(tmp_path / "hasty"), spec(heights=["object_height"]), NEW_TEXT
    ).report()
    said = "\n".join(found["doubts"])
    assert "3 commands lead their state by more than 1 frame" in said and "by 3" in said
    assert "6 of 6 gripper events without a rest" in said and "falls freely in 3 of 3" in said
    assert found["by_episode"][0]["free_fall"] == {"object_height/z": 5}


@given(
    seed=st.integers(0, 2**32 - 1), length=st.integers(1, 40), width=st.integers(1, 5), lead=st.integers(1, 8),
    dtype=st.sampled_from([np.float32, np.float64]), scale=st.floats(0.01, 10),
)  # fmt: skip
def test_any_frames_reversed_twice(seed, length, width, lead, dtype, scale):
    rng = np.random.default_rng(seed)
    vector = {"dtype": dtype.__name__, "shape": (width,), "names": None}
    features = dict.fromkeys(("action", "observation.state", "observation.velocity"), vector)
    frames = {key: rng.normal(0, 100, (length, width)).astype(dtype) for key in features}
    roles = find_roles(features, spec(grippers=[], relative={"action": scale}, command_lead_steps=lead))
    once = reverse_frames(frames, roles, {}, {})
    twice = reverse_frames(once, roles, {}, {})
    for key in ("observation.state", "observation.velocity"):
        assert twice[key].tobytes() == frames[key].tobytes() and twice[key].dtype == dtype
    assert np.array_equal(once["observation.velocity"], -frames["observation.velocity"][::-1])
    reached = once["observation.state"] + once["action"] * dtype(scale)
    expected = once["observation.state"][np.minimum(np.arange(length) + lead, length - 1)]
    np.testing.assert_allclose(reached, expected, rtol=1e-4, atol=1e-3)


def test_a_short_yaml_names_what_names_do_not_say(tmp_path):
    table_ = robot_dataset.features()
    for key, names in (("action", ["a", "b", "c", "d"]), ("observation.state", None)):
        table_[key] = table_[key] | {"names": names}
    root = robot_dataset.record(tmp_path / "unnamed", table=table_)
    (tmp_path / "features.yaml").write_text(
        "commands: {action: observation.state}\n"
        "grippers: [{command: action/d, state: observation.state/3, lead_steps: 5}]\n"
        f"goals: {{object_height: observation.state/0}}\ntasks: {{{TEXT}: {NEW_TEXT}}}\n"
    )
    reversal = LeRobotReversal(root, load_reversal_features(tmp_path / "features.yaml"))
    reversal.write(tmp_path / "out")
    assert reversal.report()["gripper_lead_steps"] == {"action/d": 5}
    goal, state = numbers(tmp_path / "out", "object_height"), numbers(tmp_path / "out", "observation.state")
    assert goal[0] == state[106, 0] and LeRobotDataset("x", root=tmp_path / "out")[0]["task"] == NEW_TEXT


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"commands": {"action/elbow.pos": "observation.state/elbo"}}, "the dataset has no `observation.state/elbo`"),
        ({"commands": {"action/elbow.pos": "observation.state"}}, "do not match"),
        ({"grippers": [{"command": "action", "state": "observation.state"}]}, "names 4 dimensions"),
        ({"drop": ["next.reward"]}, "next.reward cannot be dropped"),
        ({"tasks": {"another": "one"}}, "the dataset has no task"),
        ({"heights": ["box/z"]}, "the dataset has no `box/z`"),
        ({"drop": ["action"]}, "action has a role in the reversal and is dropped"),
        (
            {"drop": ["object_height"], "goals": {"object_height": "observation.state/elbow.pos"}},
            "object_height has a role",
        ),
        ({"relative": {"observation.state/elbow.pos": 2}}, "observation.state/elbow.pos is no command of an arm"),
        ({"relative": {"action/gripper.pos": 2}}, "action/gripper.pos is no command of an arm"),
    ],
)
def test_a_yaml_that_does_not_fit_the_dataset(values, said, recorded):
    with pytest.raises(ConfigError, match=said):
        LeRobotReversal(recorded[None], spec(**values), NEW_TEXT)


def test_a_number_that_is_none_is_named_before_anything_is_written(recorded, tmp_path):
    damaged = shutil.copytree(recorded[None], tmp_path / "damaged")
    (file,) = (damaged / "data").rglob("*.parquet")
    rows = pq.read_table(file)
    values = np.stack(rows["observation.state"].to_numpy())
    values[7, 1] = np.nan
    place, field = rows.column_names.index("observation.state"), rows.schema.field("observation.state")
    pq.write_table(rows.set_column(place, field, pa.array(list(values), field.type)), file)
    with pytest.raises(DataError, match=r"observation\.state of episode 0 is not finite(.|\n)*nan in frame 7"):
        LeRobotReversal(damaged, spec(), NEW_TEXT)


def test_a_yaml_with_unknown_keys():
    with pytest.raises(ConfigError, match=r"gripers = .*unknown key; allowed here: command_lead_steps, commands"):
        spec(gripers=[])


def change_rows(root: Path, key: str, change) -> None:
    (file,) = (root / "data").rglob("*.parquet")
    rows = pq.read_table(file)
    values = change(rows[key].to_numpy().copy())
    pq.write_table(rows.set_column(rows.column_names.index(key), rows.schema.field(key), pa.array(values)), file)


def without_gripper(root):
    info = json.loads((root / "meta/info.json").read_text())
    for key in ("action", "observation.state"):
        info["features"][key]["names"] = [*JOINTS, "thumb"]
    (root / "meta/info.json").write_text(json.dumps(info))


def without_a_state(root):
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["action"]["names"] = [*JOINTS[:2], "wrist_flex", "gripper.pos"]
    (root / "meta/info.json").write_text(json.dumps(info))


def without_frames(root):
    (file,) = (root / "data").rglob("*.parquet")
    rows = pq.read_table(file)
    pq.write_table(pa.concat_tables([rows.slice(0, 40), rows.slice(43)]), file)


def at_another_rate(root):
    change_rows(root, "timestamp", lambda t: np.where(np.arange(len(t)) < 200, t, t * 2))


def with_a_broken_video(root):
    (file,) = (root / "videos").rglob("*.mp4")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20000] = bytes(20000)
    file.write_bytes(content)


def with_a_video_of_another_rate(root):
    (file,) = (root / "videos").rglob("*.mp4")
    frames = frames_of(root)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("h264", 15)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def with_a_short_video(root):
    (file,) = (root / "videos").rglob("*.mp4")
    frames = frames_of(root)[:-9]
    with av.open(str(file), "w") as container:
        stream = container.add_stream("h264", 30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def of_another_version(root):
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"codebase_version": "v2.1"}))


def with_depth(root):
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][CAMERA]["info"]["is_depth_map"] = True
    (root / "meta/info.json").write_text(json.dumps(info))


def with_a_missing_file(root):
    next((root / "data").rglob("*.parquet")).unlink()


def without_a_column(root):
    (file,) = (root / "data").rglob("*.parquet")
    pq.write_table(pq.read_table(file).drop_columns(["observation.state"]), file)


@pytest.mark.parametrize(
    ("damage", "kind", "said"),
    [
        (without_gripper, None, "no gripper in the action.*thumb.*grippers: "),
        (without_a_state, None, "`action/wrist_flex` commands no state that is known"),
        (without_frames, None, "episode 0 lacks frames.*number 40 is not there"),
        (at_another_rate, None, "episode 1 was not recorded at the dataset's 30 frames a second"),
        (with_a_broken_video, "video", "the video observation.images.front of episode . cannot be read"),
        (with_a_video_of_another_rate, "video", "has 15 frames a second, the dataset 30"),
        (with_a_short_video, "video", "lacks 9 of the frames"),
        (of_another_version, None, r"another version.*v3\.0.*v2\.1.*convert_dataset_v21_to_v30"),
        (with_a_missing_file, None, "cannot be read"),
        (with_depth, "video", "depth maps are not reversed"),
        (without_a_column, None, "has no column observation.state"),
    ],
)
def test_a_bad_dataset_is_told_what_is_wrong(damage, kind, said, recorded, tmp_path):
    shutil.copytree(recorded[kind], tmp_path / "bad")
    damage(tmp_path / "bad")
    with pytest.raises((DataError, ConfigError), match=rf"(?s){said}"):
        LeRobotReversal(tmp_path / "bad", spec(), NEW_TEXT).write(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bad"], "nothing half-written"


def run(*arguments) -> subprocess.CompletedProcess:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, env=environment
    )


def test_the_command(recorded, tmp_path):
    done = run("--input", recorded["image"], "--out", tmp_path / "out", "--task_text", NEW_TEXT)
    assert done.returncode == 0 and "nothing was proven" in done.stdout, done.stderr
    report = json.loads((tmp_path / "out_report.json").read_text())
    assert report["episodes"] == 3 and report["roles"]["dropped"] == ["next.done"]
    stored = table(tmp_path / "out")[CAMERA][0]["bytes"].as_py()
    assert np.asarray(Image.open(io.BytesIO(stored))).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--input", "nowhere", "--task_text", "x"], "nowhere: not a LeRobot dataset"),
        (["--input", "{recorded}"], "what is the reversal of 'put the cube into the box' called?"),
    ],
)
def test_the_command_ends_with_one_message(arguments, said, recorded, tmp_path):
    done = run(*(text.format(recorded=recorded[None]) for text in arguments), "--out", tmp_path / "out")
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())
