"""Videos: frames in, one MP4 out."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rev2fwd_il.errors import DataError
from rev2fwd_il.running.files import put_in_place, temporary_beside

MIN_SIDE_PX = 256  # smaller images are enlarged by whole factors, so that a player shows them sharp
CAPTION, CAPTION_MARGIN = 1 / 16, 1 / 40  # of an image's height
CAPTION_RGB = (25, 25, 30)


def enlarge(frame: np.ndarray, min_side: int = MIN_SIDE_PX) -> np.ndarray:
    """(H, W, 3) uint8 -> (k H, k W, 3) with the smallest whole k that brings the shorter side to `min_side`."""
    factor = max(1, -(-min_side // min(frame.shape[:2])))
    return frame.repeat(factor, axis=0).repeat(factor, axis=1)


def with_caption(frame: np.ndarray, text: str) -> np.ndarray:
    """(H, W, 3) uint8 with a line of text at its top left, smaller where it would not fit."""
    image = Image.fromarray(frame)
    margin, size = image.height * CAPTION_MARGIN, image.height * CAPTION
    width = ImageFont.load_default(size).getlength(text)
    font = ImageFont.load_default(size * min(1, (image.width - 2 * margin) / width))
    ImageDraw.Draw(image).text((margin, margin), text, fill=CAPTION_RGB, font=font)
    return np.asarray(image)


def write_mp4(path: str | Path, frames: Iterable[np.ndarray], fps: float) -> Path:
    """Write (H, W, 3) uint8 frames as H.264, or as MPEG-4 where that encoder is missing.

    The codecs want even sides: an odd one loses its last line. Raises DataError without frames or without space.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    stream = None
    try:
        with av.open(str(temporary), "w", format="mp4") as container:
            for frame in frames:
                height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
                if stream is None:
                    stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
                    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
                container.mux(stream.encode(image))
            if stream is not None:
                container.mux(stream.encode(None))
        if stream is None:
            raise DataError(f"{path}: a video needs at least one frame")
        put_in_place(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: the video could not be written", found=error, do="free space") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path
