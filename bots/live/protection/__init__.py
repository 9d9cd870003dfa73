"""What must rest at the venue so that a position is covered. `planning` decides, from the `shapes`; both are pure."""

from __future__ import annotations

from bots.live.protection.brackets import with_exits
from bots.live.protection.planning import plan
from bots.live.protection.shapes import (
    Action,
    Alarm,
    Cancel,
    Guard,
    Levels,
    Place,
    Replace,
    Resting,
    Situation,
    covered,
    may_exit,
    room,
)

__all__ = [
    "Action", "Alarm", "Cancel", "Guard", "Levels", "Place", "Replace", "Resting", "Situation", "covered", "may_exit",
    "plan", "room", "with_exits",
]  # fmt: skip
