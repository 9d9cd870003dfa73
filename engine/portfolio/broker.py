"""What a broker tells a portfolio between two steps: executions, ends of orders, splits, money, positions taken over.

docs/fills.md section 18. Only a portfolio with `external_fills` takes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import numpy as np

from engine.errors import Fault, InputError
from engine.external import HALF_UNIT, LAST_DIGITS, OF_ENTRY, OF_EXIT, OF_NONE, end_working, execute, transfer
from engine.portfolio.columns import Columns
from engine.portfolio.inputs import Checked
from engine.portfolio.readings import Readings
from engine.portfolio.reports import Before
from engine.portfolio.splits import split_symbol
from engine.portfolio.views import StepLog
from engine.rules import Rules
from engine.types import (
    BUY,
    BY_QUOTE,
    BY_STOP_LOSS,
    BY_TAKE_PROFIT,
    BY_TRAILING_STOP,
    CANCELLED,
    DENIED,
    EXPIRED,
    REASON_NAMES,
    REQUEST_REASONS,
    SELL,
    STATUS_NAMES,
)

ENDS: Final = tuple(STATUS_NAMES[code] for code in (CANCELLED, EXPIRED, DENIED))
# Reasons of an exit that is no working order of the portfolio, and of an execution that is not known by a serial.
EXIT_REASONS: Final = (
    *(REASON_NAMES[code] for code in (BY_STOP_LOSS, BY_TAKE_PROFIT, BY_TRAILING_STOP)),
    *REQUEST_REASONS,
)
EXECUTION_REASONS: Final = tuple(name for name in REASON_NAMES if name != REASON_NAMES[BY_QUOTE])


def refuse_rules(rules: Rules) -> None:
    """Raises InputError (needs_matching) for rules by which the simulated venue, not a broker, would have to fill."""
    faults = [
        Fault(name, "needs_matching", f"{value!r} needs a simulated venue, and a broker fills here", hint)
        for name, value, wrong, hint in (
            ("fill_at", rules.fill_at, "this_close", "next_open"),
            ("size_at", rules.size_at, "fill", "decision: an order needs its size before it is sent"),
            ("close_at_end", rules.close_at_end, True, "false, and stop the session with the policy to flatten"),
        )
        if value == wrong
    ]
    if faults:
        raise InputError(faults)


def refuse_quotes(checked: Mapping[str, Checked]) -> None:
    """Raises InputError (needs_matching) where a signal of a step states a two-sided quote."""
    faults = [
        Fault(f"signals.{symbol}.quote_qty", "needs_matching", "quotes need a simulated venue", "leave it out")
        for symbol, (_, signal) in checked.items()
        if not isinstance(signal, int) and signal.quote_qty is not None and not np.isnan(signal.quote_qty[0])
    ]
    if faults:
        raise InputError(faults)


class FilledByBroker(Readings):
    """The part of a Portfolio that a broker moves.

    Each method answers what changed at once, as `request_exit` does; no later StepLog repeats it. Each raises
    InputError for what makes no sense, and for all if the portfolio has no `external_fills`; then nothing was done.
    qty: units above 0. px: money a unit. commission: money, below 0 for a rebate. ts: int64 ns UTC, when it happened;
    by default that of the last step, and before the first one it must be given.
    """

    _external: bool
    _columns: list[Columns]

    def fill(
        self,
        serial: int,
        qty: float,
        px: float,
        commission: float = 0.0,
        ts: int | None = None,
        *,
        kept: float = 0.0,
    ) -> StepLog:
        """An execution of the working order of that serial, of all or a part of what is left of it.

        kept: of the units bought, those that the venue keeps as its fee: the order is filled by `qty`, the position
        grows by `qty - kept`, and their worth is commission. Faults: `no_order` (it works no more: `book_execution`),
        `overfilled`, `oversold` (an exit of more than is held), `crosses_zero` (an entry against a position).
        """
        s, whose = self._find(serial)
        holding = self._world.holdings[s]
        entry = whose == OF_ENTRY
        side = int(holding["entry_side"]) if entry else (SELL if holding["qty"] > 0.0 else BUY)
        when = self._check(ts, qty=qty, px=px, commission=commission)
        held, left = float(holding["qty"]), float(holding["entry_left" if entry else "exit_left"])
        if entry and held * side < 0.0:
            self._refuse("serial", "crosses_zero", f"{held:g} units are held", "book what closes them first")
        if not entry and _exceeds(qty, abs(held)):
            self._refuse("qty", "oversold", f"{abs(held):g} units are held, not {qty!r}")
        if _exceeds(qty, left):
            self._refuse("qty", "overfilled", f"order {serial} has {left:g} left, not {qty!r}")
        self._check_kept(kept, qty, opens=entry and side == BUY)
        return self._execute(when, s, whose, side, qty, px, commission, kept, 0)

    def end_order(self, serial: int, status: str) -> StepLog:
        """The venue has ended a working order: "cancelled", "expired" or "denied". An exit of a whole position is
        decided again at the next step, for the same reason. Fault: `no_order`."""
        self._needs_broker()
        if status not in ENDS:
            self._refuse("status", "unknown_choice", f"{status!r} ends no order", "one of " + ", ".join(ENDS))
        s, whose = self._find(serial)
        before = self._begin()
        end_working(self._world.handle, self.last_ts or 0, s, whose, STATUS_NAMES.index(status))
        return self._reports.log(before)

    def fill_exit(
        self, symbol: str, qty: float, px: float, reason: str, commission: float = 0.0, ts: int | None = None
    ) -> StepLog:
        """An execution that reduces or closes the position and is none of a working order: of a stop or target that
        rests at the venue, or of an exit by hand. It makes an order row of its own, filled.

        reason: one of EXIT_REASONS. A working exit is made as small as what is left, and cancelled with the position.
        Fault: `oversold`.
        """
        s, held = self._number(symbol), self._held(symbol)
        when = self._check(ts, qty=qty, px=px, commission=commission)
        if reason not in EXIT_REASONS:
            hint = "one of " + ", ".join(EXIT_REASONS)
            self._refuse("reason", "unknown_choice", f"{reason!r} is no reason to exit", hint)
        if _exceeds(qty, abs(held)):
            self._refuse("qty", "oversold", f"{abs(held):g} units of {symbol} are held, not {qty!r}")
        side = SELL if held > 0.0 else BUY
        return self._execute(when, s, OF_NONE, side, qty, px, commission, 0.0, REASON_NAMES.index(reason))

    def book_execution(
        self,
        symbol: str,
        side: int,
        qty: float,
        px: float,
        commission: float = 0.0,
        ts: int | None = None,
        *,
        reason: str = "user",
        kept: float = 0.0,
    ) -> StepLog:
        """An execution of an order that works no more (a late fill), or that somebody else made: it opens, adds,
        reduces or closes, by an order row of its own, filled. A position that it opens has the stops of the rules of
        now.

        side: +1 bought, -1 sold. reason: one of EXECUTION_REASONS. kept: as in `fill`. Fault: `crosses_zero`.
        """
        s, held = self._number(symbol), self._held(symbol)
        when = self._check(ts, qty=qty, px=px, commission=commission)
        if side not in (BUY, SELL):
            self._refuse("side", "unknown_choice", f"{side!r} is no side", "+1 or -1")
        if reason not in EXECUTION_REASONS:
            hint = "one of " + ", ".join(EXECUTION_REASONS)
            self._refuse("reason", "unknown_choice", f"{reason!r} is no reason", hint)
        if held * side < 0.0 and _exceeds(qty, abs(held)):
            self._refuse("qty", "crosses_zero", f"{held:g} units of {symbol} are held, not {qty!r}", "book it in two")
        self._check_kept(kept, qty, opens=side == BUY and held >= 0.0)
        return self._execute(when, s, OF_NONE, side, qty, px, commission, kept, REASON_NAMES.index(reason))

    def split(self, symbol: str, ratio: float, qty: float | None = None) -> StepLog:
        """`ratio` new units for each old one, as 4.0 or 0.1: quantities times it, prices through it, of the position,
        its levels, the working orders and what is remembered of the past; cash stays. A working entry is cut to whole
        lots, and cancelled if none is left. Cash in lieu of a part of a unit: `release` it at its price.

        qty: signed units held after it, as the broker counts them; None: not rounded. Fault: `out_of_range` for more
        than a rounded unit's last place beside it.
        """
        s, held = self._number(symbol), self._held(symbol)
        self._needs_broker()
        _positive("ratio", ratio)
        if qty is not None and not abs(qty - held * ratio) <= 2 * HALF_UNIT + abs(held * ratio) * LAST_DIGITS:
            self._refuse("qty", "out_of_range", f"{held:g} units by {ratio:g} are not {qty!r}", "leave it out")
        before = self._begin()
        ends_entry = split_symbol(self._world, self._columns[s], s, float(ratio), qty)
        if ends_entry:
            end_working(self._world.handle, self.last_ts or 0, s, OF_ENTRY, CANCELLED)
        return self._reports.log(before)

    def move_cash(self, amount: float, *, is_flow: bool) -> StepLog:
        """Money, signed, that moved by another way than trades. is_flow: a deposit or a withdrawal, no result: starting
        cash, the day's opening and the highest equity move with it, so that no limit fires because of it. Otherwise a
        dividend, interest or a fee, which counts as a result."""
        self._needs_broker()
        if not math.isfinite(amount):
            self._refuse("amount", "not_a_finite_number", f"must be an amount of money, got {amount!r}")
        before, book = self._begin(), self._world.book
        book["cash"] += amount
        if is_flow:
            for name in ("starting_cash", "equity", "day_start_equity", "top_equity"):
                book[name] += amount
            self._day_start += amount
        return self._reports.log(before)

    def adopt(self, symbol: str, signed_qty: float, px: float, ts: int | None = None) -> StepLog:
        """Take over a position that the account holds elsewhere, without a trade: cash falls by `signed_qty * px`. Its
        stops are those of the rules of now. Fault: `crosses_zero` (a position of the other side is held)."""
        s, held = self._number(symbol), self._held(symbol)
        when = self._check(ts, qty=abs(signed_qty), px=px)
        if held * signed_qty < 0.0:
            self._refuse("signed_qty", "crosses_zero", f"{held:g} units of {symbol} are held", "release them")
        return self._transfer(when, s, signed_qty, px)

    def release(self, symbol: str, signed_qty: float, px: float, ts: int | None = None) -> StepLog:
        """Give a position, or a part of it, back to what the account holds elsewhere, without a trade: cash grows by
        `signed_qty * px`. signed_qty: of the position's sign. Fault: `oversold`."""
        s, held = self._number(symbol), self._held(symbol)
        when = self._check(ts, qty=abs(signed_qty), px=px)
        if held * signed_qty <= 0.0 or _exceeds(abs(signed_qty), abs(held)):
            self._refuse("signed_qty", "oversold", f"{held:g} units of {symbol} are held, not {signed_qty!r}")
        return self._transfer(when, s, -signed_qty, px)

    # --- checks -----------------------------------------------------------------------------------------------------

    def _needs_broker(self) -> None:
        if not self._external:
            self._refuse("external_fills", "conflict", "the simulated venue fills here, not a broker")

    def _check(self, ts: int | None, **figures: float) -> int:
        """The time of what is told. qty, px: above 0; all finite."""
        self._needs_broker()
        for name, value in figures.items():
            if name == "commission":
                if not math.isfinite(value):
                    self._refuse(name, "not_a_finite_number", f"must be an amount of money, got {value!r}")
            else:
                _positive(name, value)
        when = self.last_ts if ts is None else ts
        if when is None:
            self._refuse("ts", "required", "say when it happened: no step has been done yet")
        return int(when)

    def _check_kept(self, kept: float, qty: float, *, opens: bool) -> None:
        if kept == 0.0:
            return
        if not (opens and 0.0 < kept < qty):
            self._refuse("kept", "out_of_range", f"must be a part of the units bought, got {kept!r}", f"below {qty!r}")

    def _find(self, serial: int) -> tuple[int, int]:
        """(symbol number, OF_ENTRY or OF_EXIT) of a working order."""
        self._needs_broker()
        row = self._reports.row_of(serial)
        if row is None:
            self._refuse(
                "serial", "no_order", f"no order {serial!r} is working", "book its execution by symbol and side"
            )
        s = int(self._world.logs.rows["orders"][row]["symbol"])
        return s, OF_ENTRY if self._world.holdings[s]["entry_order"] == row else OF_EXIT

    def _held(self, symbol: str) -> float:
        return float(self._world.holdings[self._number(symbol)]["qty"])

    @staticmethod
    def _refuse(path: str, code: str, message: str, hint: str = "") -> NoReturn:
        raise InputError(Fault(path, code, message, hint))

    # --- doing ------------------------------------------------------------------------------------------------------

    def _begin(self) -> Before:
        self._world.facts["side"] = 0  # what an entry would meet may be something else now
        return self._reports.before()

    def _execute(self, ts: int, s: int, *what: Any) -> StepLog:
        whose, side, qty, px, commission, kept, reason = what
        before = self._begin()
        figures = float(qty), float(px), float(commission), float(kept)
        while not execute(self._world.handle, ts, s, whose, side, *figures, reason):
            self._reports.make_room()
        return self._reports.log(before)

    def _transfer(self, ts: int, s: int, signed_qty: float, px: float) -> StepLog:
        before, side = self._begin(), BUY if signed_qty > 0.0 else SELL
        while not transfer(self._world.handle, ts, s, side, abs(float(signed_qty)), float(px)):
            self._reports.make_room()
        return self._reports.log(before)


def _exceeds(qty: float, limit: float) -> bool:
    return qty - limit > HALF_UNIT + limit * LAST_DIGITS


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise InputError(Fault(name, "out_of_range", f"must be a finite number above 0, got {value!r}"))
