"""What a session at a broker makes of trading halts: entries are taken back, exits wait, its owner is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bots.host.instants import Done

if TYPE_CHECKING:
    from bots.live.runner import LiveRunner


class Halts:
    """told: symbols that stood still when `follow` was asked last, with the reason."""

    def __init__(self) -> None:
        self.told: Mapping[str, str] = {}

    def follow(self, runner: LiveRunner) -> Done | None:
        """Tell of what was halted, or trades again, since the last call, and take entries of what is halted back: they
        would meet whatever price comes after the halt. None: there is nothing to write."""
        now, before = runner.halts, self.told
        self.told = dict(now)
        for symbol in sorted(set(before) - set(now)):
            runner.event("halt", f"{symbol} trades again; exits that waited are sent.", symbol=symbol)
        new = sorted(set(now) - set(before))
        for symbol in new:
            text = f"{symbol} is halted ({now[symbol]}): nothing is entered, and exits wait until it trades again."
            runner.event("halt", text, level="warning", symbol=symbol)
        return self._take_back(runner, now, [symbol for symbol in new if symbol in runner.account.positions])

    @staticmethod
    def _take_back(runner: LiveRunner, now: Mapping[str, str], held: Iterable[str]) -> Done | None:
        portfolio = runner.desk.portfolio
        entered = sorted({order.symbol for order in portfolio.working_orders() if order.entry} & set(now))
        alarms = [("symbol_halted", f"{symbol} is held and halted: {now[symbol]}") for symbol in held]
        if not entered and not alarms:
            return None
        # One at a time: the next one comes with the next call.
        step = portfolio.cancel_entry(entered[0]) if entered else None
        done = runner.between(step, [{"do": "cancel", "symbol": symbol} for symbol in entered[:1]])
        done.alarms = alarms
        return done
