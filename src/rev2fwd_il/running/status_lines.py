"""Lines that stay and lines that change: redrawn in place on a terminal, written now and then into a log file."""

import shutil
from typing import TextIO

ERASE_LINE, UP = "\033[2K", "\033[A"
LOG_EVERY_S = 60.0


class StatusLines:
    """What stays is written by `say`, what changes by `show`."""

    def __init__(self, stream: TextIO, *, in_place: bool | None = None):
        self._stream = stream
        self.in_place = stream.isatty() if in_place is None else in_place
        self._shown = 0
        self._last: float | None = None

    def say(self, text: str) -> None:
        """A line that stays, above those that change."""
        self._erase()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def show(self, lines: list[str], now_s: float) -> None:
        """Lines in place of those shown before; in a log file, one after the other, once in LOG_EVERY_S."""
        if not self.in_place:
            if self._last is None:
                self._last = now_s
            if now_s - self._last < LOG_EVERY_S:
                return
            self._last = now_s
        self._erase()
        width = shutil.get_terminal_size().columns
        for line in lines:
            self._stream.write((line[: width - 1] if self.in_place else line) + "\n")
        self._shown = len(lines) if self.in_place else 0
        self._stream.flush()

    def _erase(self) -> None:
        self._stream.write((UP + ERASE_LINE) * self._shown)
        self._shown = 0
