"""Orders at a broker are decided on prices of this moment, at the pace of the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings as site

from engine.errors import Fault, InputError


def refuse_hurry(feed: str, options: Mapping[str, Any]) -> None:
    """Raises InputError for a feed that is replayed, or made faster than the clock; a test rig may ask for both."""
    if site.TEST_RIG:
        return
    if feed == "replay":
        text = "A LIVE session needs prices of this moment; a replay's are of the past"
        raise InputError(Fault("feed", "conflict", text, "Choose a live feed, or send mode: PAPER"))
    if options.get("accelerate", 1) != 1:
        text = f"A LIVE session runs at the pace of the clock; these prices are {options['accelerate']} times as fast"
        raise InputError(Fault("feed_options.accelerate", "conflict", text, "Leave it out, or send mode: PAPER"))
