"""Demonstrations turned about the goal: what stays, where they may lead, and that each is always the same."""

import numpy as np
import pytest
from synthetic import assert_same, make_episode, with_objects

from rev2fwd_il.config.task import read_task_settings
from rev2fwd_il.errors import ConfigError
from rev2fwd_il.method.turned import TurnedDemonstrations, turned
from rev2fwd_il.tasks import make_task
from rev2fwd_il.tasks.pick_place import PickPlace

GOAL, VERSIONS = np.array([0.5, 0.0]), 20


def task(kind="pick_place"):
    return make_task(read_task_settings({"kind": kind}))


class Immovable(PickPlace):
    """A task that does not say that its scenes may be moved."""

    alike_turn_rad = None


@pytest.fixture(scope="module")
def episodes():
    """Two that lead 10 to 29 cm away from the goal."""
    far = [episode for episode in map(make_episode, range(8)) if np.linalg.norm(episode.target_xy - GOAL) > 0.1]
    return far[:2]


def versions(episodes, kind="pick_place", seed=0):
    return list(TurnedDemonstrations(task(kind), episodes, VERSIONS, seed))


def test_each_demonstration_comes_first_and_its_versions_lead_elsewhere_as_far_from_the_goal(episodes):
    all_of_them = versions(episodes)
    assert len(all_of_them) == 2 * (1 + VERSIONS)
    for index, episode in enumerate(episodes):
        first, *others = all_of_them[index * (1 + VERSIONS) :][: 1 + VERSIONS]
        assert_same(first, episode)
        targets = np.stack([each.target_xy for each in others])
        np.testing.assert_allclose(
            np.linalg.norm(targets - GOAL, axis=1), np.linalg.norm(episode.target_xy - GOAL), atol=1e-6
        )
        assert (np.abs(targets - GOAL) <= [0.15 + 1e-6, 0.25 + 1e-6]).all()
        assert len(np.unique(targets.round(4), axis=0)) == VERSIONS
        for each in others:
            apart = [np.linalg.norm(e.obj_pose[:, :3] - e.ee_pose[:, :3], axis=1) for e in (each, episode)]
            np.testing.assert_allclose(*apart, atol=1e-6)
            ahead = [np.linalg.norm(e.action[:, :3] - e.ee_pose[:, :3], axis=1) for e in (each, episode)]
            np.testing.assert_allclose(*ahead, atol=1e-6)
            np.testing.assert_array_equal(each.action[:, 7], episode.action[:, 7])


def test_a_version_follows_from_seed_and_number(episodes):
    again, other = versions(episodes), versions(episodes, seed=1)
    for one, same in zip(versions(episodes), again, strict=True):
        assert_same(one, same)
    assert (again[1].target_xy != other[1].target_xy).any()


def test_what_stands_at_the_goal_looks_alike(episodes):
    """A socket stays where it is: only quarter turns and mirror images, by which no hand is turned."""
    wide = [episode.replace(target_xy=np.float32([0.5, 0.14])) for episode in episodes]
    wide = [episode.replace(target_pose=np.float32([0.5, 0.14, 0.04, 1, 0, 0, 0])) for episode in wide]
    targets_mm = {tuple((1000 * each.target_xy).round().astype(int)) for each in versions(wide, "insert")}
    assert targets_mm == {(500, 140), (500, -140), (640, 0), (360, 0)}
    hands = np.concatenate([each.ee_pose[:, 3:] for each in versions(wide, "insert")])
    np.testing.assert_allclose(np.abs(hands), np.abs(np.tile([1, 0, 0, 0], (len(hands), 1))), atol=1e-6)


def test_other_objects_are_turned_too(episodes):
    among = with_objects(episodes[0])
    moved = turned(task(), among, 0.3, True)
    apart = [np.linalg.norm(e.object_poses[:, :, :3] - e.ee_pose[:, None, :3], axis=-1) for e in (among, moved)]
    np.testing.assert_allclose(*apart, atol=1e-5)


def test_a_task_that_does_not_say_that_it_may_be_moved_is_refused(episodes):
    immovable = Immovable(task().settings)
    assert len(TurnedDemonstrations(immovable, episodes, 0, 0)) == 2
    with pytest.raises(ConfigError, match="alike_turn_rad"):
        TurnedDemonstrations(immovable, episodes, 1, 0)
