"""A checkpoint from a stranger: none of the names in it is imported or called."""

import json
import shutil

import pytest

from rev2fwd_il.errors import CheckpointError
from rev2fwd_il.learning.checkpoints import last_checkpoint
from rev2fwd_il.learning.policy import load_bundle
from rev2fwd_il.running.checkpoint_files import check_checkpoint


@pytest.fixture
def copied(trained, tmp_path):
    return shutil.copytree(last_checkpoint(trained), tmp_path / "pretrained_model")


def change(file, edit):
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("name", ["policy_preprocessor.json", "policy_postprocessor.json"])
@pytest.mark.parametrize("beside", [{}, {"registry_name": "device_processor"}])
def test_a_class_path_in_a_processor_file_is_not_called(copied, tmp_path, name, beside):
    """LeRobot would import subprocess and call Popen(args=["touch", ...])."""
    marker = tmp_path / "sprung"
    step = {"class": "subprocess.Popen", "config": {"args": ["touch", str(marker)]}} | beside
    change(copied / name, lambda content: content["steps"].append(step))
    with pytest.raises(CheckpointError, match=r"names Python code(.|\n)*subprocess\.Popen"):
        load_bundle(copied)
    assert not marker.exists()


PRE, POST = "policy_preprocessor.json", "policy_postprocessor.json"
EDITS = {  # file, edit, what the error says
    "unregistered": (PRE, lambda c: c["steps"][0].update(registry_name="of_nobody"), "of_nobody"),
    "path as name": (PRE, lambda c: c["steps"][0].update(registry_name="os.system"), "Python code"),
    "no name": (POST, lambda c: c["steps"][0].pop("registry_name"), "Python code"),
    "state elsewhere": (PRE, lambda c: c["steps"][0].update(state_file="../x.safetensors"), "beside"),
    "no steps": (PRE, lambda c: c.pop("steps"), "no list of steps"),
    "class as policy": ("config.json", lambda c: c.update(type="os.system"), "no policy class"),
    "statistics that do not fit": (
        "config.json",
        lambda c: c["own_statistics"]["action"].update(max=[1.0]),
        "own_statistics of action",
    ),
    "statistics that are not there": ("config.json", lambda c: c["own_statistics"].pop("action"), "own_statistics"),
    "ours around no policy": ("config.json", lambda c: c.update(type="rev2fwd_of_nobody"), "of_nobody"),
    "another policy": ("config.json", lambda c: c.update(type="of_nobody"), "of_nobody"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_only_names_that_lerobot_registered_are_accepted(copied, edit):
    name, change_it, message = EDITS[edit]
    change(copied / name, change_it)
    with pytest.raises(CheckpointError, match=message):
        load_bundle(copied)


@pytest.mark.parametrize("content", ["[", "[]", "[" * 10000])
def test_damaged_files_are_named(copied, content):
    (copied / "policy_preprocessor.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"policy_preprocessor\.json"):
        check_checkpoint(copied)


def test_an_own_checkpoint_is_accepted(trained):
    load_bundle(last_checkpoint(trained))
