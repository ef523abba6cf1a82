"""Numbers as text, with the digits that they deserve: a rate no finer than its interval, a length in mm or cm.

What is no number becomes a dash everywhere: a run that failed has left fewer.
"""

NOTHING = "–"


def percent(value: float | None, interval: tuple[float, float] | list[float] | None = None) -> str:
    """0.934 -> "93.4 %", or "93 %" beside an interval that leaves the decimal open (wider than 4 points)."""
    if not _known(value):
        return NOTHING
    return f"{100 * value:.{_decimals(interval)}f} %"


def percent_interval(interval: tuple[float, float] | list[float] | None) -> str:
    """(0.886, 0.958) -> "89 to 96 %"."""
    return _hundredths(interval, "", " %")


def points(value: float, interval: tuple[float, float] | list[float] | None = None) -> str:
    """A difference of two rates: 0.02 -> "+2.0 points", or "+2 points" beside a wide interval, as `percent`."""
    return f"{100 * value:+.{_decimals(interval)}f} points"


def points_interval(interval: tuple[float, float] | list[float] | None) -> str:
    """Of a difference of two rates: (-0.08, 0.58) -> "-8 to +58"."""
    return _hundredths(interval, "+", "")


def number(value: float | None, digits: int = 2) -> str:
    """Significant digits; whole numbers stay whole."""
    if not _known(value):
        return NOTHING
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def number_interval(interval: list[float] | None, digits: int = 2) -> str:
    """[2.2, 3.1] -> "2.2 to 3.1"."""
    return f"{number(interval[0], digits)} to {number(interval[1], digits)}" if interval else NOTHING


def p_value(value: float | None) -> str:
    """Two digits down to 0.001, below that only that it is below."""
    if not _known(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def length(metres: float | None) -> str:
    """0.00316 -> "3.2 mm", 0.05 -> "5 cm"."""
    if not _known(metres):
        return NOTHING
    return f"{number(1000 * metres)} mm" if metres < 0.01 else f"{100 * metres:.3g} cm"


def duration(seconds: float | None) -> str:
    """To about a fiftieth: "9.6 s", "48 s", "8 min 6 s", "39 min", "2 h 5 min"."""
    if not _known(seconds):
        return NOTHING
    if seconds < 60:
        return f"{number(seconds)} s"
    if seconds < 600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def words(name: str) -> str:
    """A name from a file, to be read: "not_released" -> "not released"."""
    return name.replace("_", " ")


def _known(value: object) -> bool:
    return isinstance(value, int | float)


def _hundredths(interval: tuple[float, float] | list[float] | None, sign: str, unit: str) -> str:
    if not interval or None in interval:
        return NOTHING
    low, high = (f"{100 * bound:{sign}.{_decimals(interval)}f}" for bound in interval)
    return f"{low} to {high}{unit}"


def _decimals(interval: tuple[float, float] | list[float] | None) -> int:
    if not interval or None in interval:
        return 1
    width = interval[1] - interval[0]
    return 0 if width >= 0.04 else 1 if width >= 0.004 else 2
