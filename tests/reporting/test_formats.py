"""Numbers carry the digits that they deserve."""

import pytest

from rev2fwd_il.reporting import formats


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.percent(0.934), "93.4 %"),
        (formats.percent(0.934, (0.88, 0.96)), "93 %"),
        (formats.percent(0.99, (0.964, 0.997)), "99.0 %"),
        (formats.percent(None, (None, None)), "–"),
        (formats.percent_interval((0.8858, 0.9580)), "89 to 96 %"),
        (formats.points(0.2467, (-0.08, 0.58)), "+25 points"),
        (formats.points_interval((-0.08, 0.58)), "-8 to +58"),
        (formats.percent_interval((0.9941, 0.9968)), "99.41 to 99.68 %"),
        (formats.number(17.09), "17"),
        (formats.number(2.7188), "2.7"),
        (formats.number(147.5, 3), "148"),
        (formats.number(0.0), "0"),
        (formats.p_value(0.000012), "< 0.001"),
        (formats.p_value(0.4545), "0.45"),
        (formats.length(0.0031588), "3.2 mm"),
        (formats.length(0.05), "5 cm"),
        (formats.length(0.1234), "12.3 cm"),
        (formats.duration(9.6), "9.6 s"),
        (formats.duration(485.96), "8 min 6 s"),
        (formats.duration(599.8), "10 min"),
        (formats.duration(2340), "39 min"),
        (formats.duration(7499), "2 h 5 min"),
    ],
)
def test_digits(shown, expected):
    assert shown == expected
