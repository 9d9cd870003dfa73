"""The kernel's settings of a portfolio that is stepped, whose rules may change while it holds positions."""

from __future__ import annotations

import numpy as np

from engine.errors import Fault, InputError
from engine.rules import Costs, Rules
from engine.types import CLS, Records
from engine.world import settings_record


def stepped_settings(
    rules: Rules, costs: Costs, *, symbols: int, timeframe: str, one_calendar: bool, external: bool
) -> Records:
    """As `settings_record`, with all noted that later rules or a caller may ask for. external: a broker fills."""
    settings = settings_record(
        rules, costs, symbols=symbols, timeframe=timeframe, one_calendar=one_calendar, aligned=False
    )
    for name in ("track_atr", "track_pace", "track_recent", "track_facts", "track_repeats"):
        settings[name] = 1
    if external:  # entries meet the cap of cash, and a short may come from elsewhere
        settings["external"] = settings["capped"] = settings["shorts"] = 1
    return settings


def switch(settings: Records, holdings: Records, quotes: Records) -> None:
    """Turn on what positions and orders decided by earlier rules still need."""
    held, entering = holdings["qty"] != 0.0, holdings["entry_order"] >= 0
    leaving = holdings["exit_order"] >= 0
    for name, of_position, of_entry in (
        ("trailing", ~np.isnan(holdings["trail_pct"]), ~np.isnan(holdings["entry_trail_pct"])),
        ("timed", holdings["longest"] > 0, holdings["entry_longest"] > 0),
        ("shorts", holdings["qty"] < 0.0, holdings["entry_side"] < 0),
    ):
        settings[name] |= bool((held & of_position).any() or (entering & of_entry).any())
    selling = quotes[1::2]
    settings["shorts"] |= bool(((selling["order"] >= 0) & (selling["opens"] > 0.0)).any())
    closing = (entering & (holdings["entry_tif"] == CLS)) | (leaving & (holdings["exit_tif"] == CLS))
    settings["auctions"] |= bool(closing.any())


def refuse_change(old: Rules, new: Rules) -> None:
    """Raises InputError (conflict) for rules that a running portfolio cannot take over."""
    if new.fill_at != old.fill_at:  # the working orders were decided for the other one
        raise InputError(Fault("fill_at", "conflict", "cannot change while a portfolio runs", "start a new session"))
