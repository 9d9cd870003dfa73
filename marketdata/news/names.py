"""Which sources of news there are, and what the series made of them are called. Plain Python: strategies read it."""

from __future__ import annotations

from typing import NamedTuple

ANY = "any"
SOURCES = {
    "file": "Imported file",
    "synthetic": "Synthetic (made up)",
}
"""Source → what people call it."""
SOURCE_NAMES = list(SOURCES)
MAX_DAYS = 90
_PREFIX = "news"


class Window(NamedTuple):
    """The news of one source, or of any, over so many days up to each bar."""

    source: str
    days: int

    @property
    def score(self) -> str:
        """Name of the series of mean scores, -1 to 1; NaN where there was no news."""
        return f"{_PREFIX}:{self.source}:{self.days}:score"

    @property
    def count(self) -> str:
        """Name of the series of numbers of items."""
        return f"{_PREFIX}:{self.source}:{self.days}:count"


def window_of(name: str) -> Window | None:
    """The window whose series has this name; None where it is no series of news."""
    parts = name.split(":")
    if len(parts) != 4 or parts[0] != _PREFIX:
        return None
    return Window(parts[1], int(parts[2]))
