"""What a strategy may read beside bars, and whether the platform has it. Plain Python."""

from __future__ import annotations

from typing import NamedTuple


class Need(NamedTuple):
    """label: in words. available: whether runs and sessions are given it. words: where it comes from, or why not."""

    label: str
    available: bool
    words: str


NEEDS = {
    "news": Need(
        "news",
        True,
        "It reads the scored news of the page Data, News: a bar knows what was published before it closed.",
    ),
    "quotes": Need(
        "bid and ask quotes",
        False,
        "It reads bid and ask quotes, and no source here stores any with its bars. Prices alone do not tell them.",
    ),
}


def words(needs: tuple[str, ...]) -> str:
    """Where what is needed comes from; "" for a strategy that reads bars only."""
    return " ".join(NEEDS[name].words for name in needs)


def unavailable(needs: tuple[str, ...]) -> str:
    """Why something with these needs cannot run here; "" where it can."""
    return " ".join(NEEDS[name].words for name in needs if not NEEDS[name].available)
