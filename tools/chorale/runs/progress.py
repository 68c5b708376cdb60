"""Progress of a run while Python waits for it: a line on a terminal or in a notebook."""

from __future__ import annotations

import re
import sys
from typing import Any, Optional

from chorale.command import columns, in_notebook

LINE = re.compile(r"(.*): (\d+)%, (\d+) of (\d+), (\S+)/s, ETA (.*)")
WIDE = 24  # of the bar
EVERY = "1"  # seconds from one line of the log to the next


def is_shown() -> bool:
    """Whether anybody looks."""
    return in_notebook() or sys.stderr is not None and sys.stderr.isatty()


def bar(text: str) -> Optional[str]:
    """A line of the log as it is shown; None where it is no progress."""
    found = LINE.fullmatch(text)
    if not found:
        return None
    full = WIDE * int(found[2]) // 100
    return f"{found[1]} [{'#' * full}{'.' * (WIDE - full)}] {found[2]:>3}%  ETA {found[6]}"


class Progress:
    """Shows the newest line of progress of a log, and takes it away in the end."""

    def __init__(self, on: bool):
        self.on, self.shown = on, ""
        self.handle: Any = None

    def show(self, text: str) -> None:
        """The bar of the last line of progress in a log's text."""
        if not self.on:
            return
        bars = [found for found in map(bar, text.splitlines()) if found]
        if bars and bars[-1] != self.shown:
            self.shown = bars[-1]
            self._draw(self.shown)

    def _draw(self, words: str) -> None:
        if not in_notebook():  # a line that is wider than the terminal could not be taken away
            print(f"\r\033[K{words[: columns(1 << 16) - 1]}", end="", file=sys.stderr, flush=True)
            return
        from IPython.display import Pretty, display

        what = Pretty(words)
        if self.handle is None:
            self.handle = display(what, display_id=True)
        else:
            self.handle.update(what)

    def end(self) -> None:
        if self.shown:
            self._draw("")
