"""Positions that lack the stop which their settings declare (W6): found, and closed."""

from __future__ import annotations

import math

from bots.host.instants import Done
from bots.host.runner import Runner

STOPS = ("stop_loss_pct", "trailing_stop_pct", "vol_stop_atr")  # settings that each declare one


def naked(runner: Runner) -> list[str]:
    """Symbols of open positions whose settings declare a stop, with none armed and no exit under way."""
    portfolio = runner.desk.portfolio
    leaving = portfolio.exits_due()
    return [
        position.symbol
        for position in portfolio.positions()
        if position.symbol not in leaving
        and not (math.isfinite(position.stop_px) or math.isfinite(position.trailing_px))
        and _declares_stop(runner, position.symbol)
    ]


def _declares_stop(runner: Runner, symbol: str) -> bool:
    """Whether the settings that the position was opened with ask for one."""
    row = runner.account.positions.get(symbol)
    settings = runner.versions.get(row.settings_version) if row is not None else None
    return settings is not None and any(settings.get(name) is not None for name in STOPS)


def close(runner: Runner, symbol: str) -> Done:
    """Decide the exit of a naked position, and say so in the session's log."""
    step = runner.desk.portfolio.request_exit(symbol, "watchdog")
    done = runner.between(step, [{"do": "exit", "symbol": symbol, "reason": "watchdog"}])
    text = f"{symbol} is held without the stop that its settings declare; it is being closed."
    runner.event("guard", text, level="error")
    return done
