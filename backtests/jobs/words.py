"""How the ends of a job are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import InputError


@dataclass(frozen=True, slots=True)
class Words:
    """What differs between kinds of jobs when one ends badly; the rest of each sentence is the same for all.

    worked: what the process did that was lost, as in "The process that …". invalid: why its request cannot be done.
    too_slow: with ``{limit}``, the time that is allowed. smaller: what to ask for that needs less memory. ours: what is
    not to blame for a fault of the platform.
    """

    worked: str
    invalid: Callable[[InputError], str]
    too_slow: str
    smaller: str = "Try fewer symbols, a shorter period or a coarser timeframe."
    ours: str = "request"
