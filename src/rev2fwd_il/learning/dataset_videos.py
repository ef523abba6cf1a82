"""Video files of a LeRobot dataset: episodes one after another in one stream, each frame encoded once.

LeRobot encodes each episode on its own and copies the whole file to append it. The encoder's settings are those that
the source's metadata names, and frames go from decoder to encoder in the video's own pixel format.
"""

import logging
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import PictureType
from lerobot.configs import RGBEncoderConfig, VideoEncoderConfig
from lerobot.datasets.compute_stats import sample_indices
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from lerobot.datasets.io_utils import write_info
from lerobot.datasets.utils import update_chunk_file_indices

from rev2fwd_il.learning.table_files import MIB, image_stats, shrunk
from rev2fwd_il.running.processes import scheduling_restored

log = logging.getLogger(__name__)


def encoder_like(feature: dict) -> VideoEncoderConfig:
    """The encoder that a video feature was made by, or LeRobot's default for what cannot be encoded here."""
    try:
        return RGBEncoderConfig.from_video_info(feature.get("info") or feature.get("video_info"))
    except ValueError as error:
        log.warning("note: videos are encoded by LeRobot's default: %s", error)
        return RGBEncoderConfig()


class VideoFiles:
    """Appends episodes to the video files of one camera of a dataset whose metadata `meta` keeps."""

    def __init__(self, meta: LeRobotDatasetMetadata, key: str, encoder: VideoEncoderConfig):
        self._meta, self._key, self._encoder = meta, key, encoder
        self._chunk, self._file, self._frames, self._bytes = 0, 0, 0, 0
        self._container, self._stream = None, None

    def append(self, frames: Iterable[av.VideoFrame], length: int) -> tuple[dict, dict]:
        """Encode one episode. Returns its place, for the episode's row of metadata, and its statistics."""
        if self._bytes >= self._meta.video_files_size_in_mb * MIB:
            self._finish_file()
            self._chunk, self._file = update_chunk_file_indices(self._chunk, self._file, self._meta.chunks_size)
        first, wanted, sampled = self._frames, set(sample_indices(length)), []
        with scheduling_restored():
            for index, frame in enumerate(frames):
                if index in wanted:
                    sampled.append(shrunk(frame.to_ndarray(format="rgb24")))
                self._encode(frame)
        place = {"chunk_index": self._chunk, "file_index": self._file}
        place |= {"from_timestamp": first / self._meta.fps, "to_timestamp": self._frames / self._meta.fps}
        return {f"videos/{self._key}/{name}": value for name, value in place.items()}, image_stats(sampled)

    def close(self) -> None:
        """Nothing follows: note in the metadata what the files are."""
        self._finish_file()
        self._meta.update_video_info(self._key, self._encoder)
        write_info(self._meta.info, self._meta.root)

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _path(self) -> Path:
        place = {"video_key": self._key, "chunk_index": self._chunk, "file_index": self._file}
        return self._meta.root / self._meta.video_path.format(**place)

    def _encode(self, frame: av.VideoFrame) -> None:
        if self._container is None:
            self._path().parent.mkdir(parents=True, exist_ok=True)
            self._container, options = av.open(str(self._path()), "w"), self._encoder.get_codec_options(as_strings=True)
            self._stream = self._container.add_stream(self._encoder.vcodec, self._meta.fps, options=options)
            self._stream.width, self._stream.height = frame.width, frame.height
            self._stream.pix_fmt = self._encoder.pix_fmt
        if frame.format.name != self._encoder.pix_fmt:
            frame = frame.reformat(format=self._encoder.pix_fmt)
        frame.pict_type = PictureType.NONE  # as decoded, it would ask the encoder for a frame of the same kind
        frame.pts, frame.time_base = self._frames, Fraction(1, self._meta.fps)
        self._mux(frame)
        self._frames += 1

    def _mux(self, frame: av.VideoFrame | None) -> None:
        packets = self._stream.encode(frame)
        self._bytes += sum(packet.size for packet in packets)
        self._container.mux(packets)

    def _finish_file(self) -> None:
        if self._container is not None:
            with scheduling_restored():
                self._mux(None)
            self._container.close()
            self._container, self._frames, self._bytes = None, 0, 0
