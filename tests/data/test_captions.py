"""Captions of video frames."""

import numpy as np
import pytest

from rev2fwd_il.data.video_files import with_caption


@pytest.mark.parametrize("shape", [(256, 256, 3), (256, 768, 3), (128, 128, 3)])
@pytest.mark.parametrize("text", ["A: success", "A: lifted too low, and all that can be said of it beside"])
def test_a_caption_stands_at_the_top_and_fits(shape, text):
    frame = np.full(shape, 200, np.uint8)
    written = with_caption(frame, text) != frame
    rows, columns = np.flatnonzero(written.any((1, 2))), np.flatnonzero(written.any((0, 2)))
    assert len(rows) > 0 and rows.max() < shape[0] / 8
    assert columns.min() > 0 and columns.max() < shape[1] - 1
    assert (frame == 200).all()
