"""Checks on camera images: black or constant frames, stale frames after a reset, frozen and swapped cameras."""

import zlib

import numpy as np

from rev2fwd_il import keys
from rev2fwd_il.data.checks.findings import ERROR, WARNING, Finding, by_episode, inner_frames, severity_for
from rev2fwd_il.data.reading import IMAGE_FIELDS, EpisodeDataset

BLACK = 4  # of 255: a frame with no brighter value is black
CONSTANT = 2  # of 255: a frame that spans less shows nothing
SCENE_MOVED_M = 0.01  # end effector or object this far apart cannot give identical images
FROZEN_FRAMES = 10
SAMPLED_EPISODES = 8
BLOCK_FRAMES = 512


def cameras(dataset: EpisodeDataset) -> dict[str, np.ndarray]:
    """The image fields present: name -> (T, H, W, 3) uint8, memory-mapped."""
    return {name: dataset.arrays[name] for name in IMAGE_FIELDS if name in dataset.arrays}


def check_content(dataset: EpisodeDataset) -> list[Finding]:
    """No frame is black or of one colour; reads every image once, in blocks."""
    found = []
    for name, images in cameras(dataset).items():
        extremes = []
        for start in range(0, len(images), BLOCK_FRAMES):
            flat = images[start : start + BLOCK_FRAMES].reshape(-1, np.prod(images.shape[1:3]), 3)
            extremes.append(np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1))
        low, high = np.concatenate(extremes).astype(int).transpose(1, 0, 2)  # each (T, 3)
        black = (high <= BLACK).all(axis=1)
        constant = ~black & (high - low < CONSTANT).all(axis=1)
        found += by_episode(dataset, np.flatnonzero(black), ERROR, "black_image", "the image is black", name)
        message = "the image has one colour"
        found += by_episode(dataset, np.flatnonzero(constant), severity_for(dataset), "constant_image", message, name)
    return found


def check_freshness(dataset: EpisodeDataset) -> list[Finding]:
    """An image equals an earlier one only while the scene stands still: neither after a reset nor later."""
    pose = np.concatenate([dataset.arrays[keys.EE_POSE][:, :3], dataset.arrays[keys.OBJ_POSE][:, :3]], axis=1)

    def moved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        difference = pose[a] - pose[b]
        return np.maximum(*(np.linalg.norm(half, axis=1) for half in np.split(difference, 2, axis=1))) > SCENE_MOVED_M

    found, inner = [], inner_frames(dataset)
    for name, images in cameras(dataset).items():
        hashes = np.array([zlib.crc32(np.ascontiguousarray(image)) for image in images])
        first = dataset.starts[1:]
        stale = first[(hashes[first] == hashes[first - 1]) & moved(first, first - 1)]
        message = "the first image is the last one of the episode before"
        found += by_episode(dataset, stale, severity_for(dataset), "stale_image", message, name)
        begin = np.intersect1d(dataset.starts, inner)
        held = begin[(hashes[begin] == hashes[begin + 1]) & moved(begin, begin + 1)]
        message = "the first image is repeated although the scene moves"
        found += by_episode(dataset, held, severity_for(dataset), "repeated_image", message, name)
        later = np.arange(FROZEN_FRAMES, dataset.num_frames)
        later = later[
            np.searchsorted(dataset.ends, later, "right")
            == np.searchsorted(dataset.ends, later - FROZEN_FRAMES, "right")
        ]
        frozen = later[(hashes[later] == hashes[later - FROZEN_FRAMES]) & moved(later, later - FROZEN_FRAMES)]
        message = (
            f"the image is the one of {FROZEN_FRAMES} frames before although the scene moved (or nothing it shows did)"
        )
        found += by_episode(dataset, frozen, WARNING, "frozen_camera", message, name)
    return found


def check_swapped(dataset: EpisodeDataset) -> list[Finding]:
    """The wrist camera moves, the table camera does not: over an episode more of its image changes."""
    images = cameras(dataset)
    if len(images) < 2:
        return []
    change = dict.fromkeys(images, 0.0)
    for episode in range(min(len(dataset), SAMPLED_EPISODES)):
        frames = np.linspace(dataset.starts[episode], dataset.ends[episode] - 1, 8).astype(int)
        for name, stack in images.items():
            spread = np.ptp(np.stack([stack[frame] for frame in frames]).astype(int), axis=0)
            change[name] += float((spread.max(axis=-1) > 16).mean())
    table, wrist = change[keys.IMAGES], change[keys.WRIST_IMAGES]
    if table > wrist:
        message = "more of the table camera's image changes than of the wrist camera's: are they swapped?"
        return [Finding(WARNING, "cameras_swapped", message, field=keys.IMAGES)]
    return []


IMAGE_CHECKS = (check_content, check_freshness, check_swapped)
