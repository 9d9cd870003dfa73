"""What a step or a request did, read from the world: new rows, changed orders, and the numbers of orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.portfolio.views import StepLog, order_rows
from engine.result import Rows
from engine.types import BOOK, DENIAL_NAMES, ORDER, REASON_NAMES, STOP_LIMIT, Records
from engine.world import LOGS, World

_FIRST_COUNT: Final = BOOK.fields["n_orders"][1] // 8 if BOOK.fields else 0  # where BOOK counts rows and list lengths
_ORDERS, _DENIALS, _ENTRIES, _EXITS, _QUOTED, _COUNTS = 0, 3, 7, 8, 9, 10
_LOG_NUMBERS: Final = {name: k for k, name in enumerate(LOGS)}


@dataclass(frozen=True, slots=True)
class Before:
    """Counts of BOOK, and the rows of the working orders with what they said; None if there were none."""

    counts: list[int]
    working: tuple[Records, Records] | None


class Reports:
    """The reports of one world. `serials`: the number of each row of orders, of rows to come too."""

    serials: Records

    def __init__(self, world: World, symbols: tuple[str, ...]) -> None:
        self._world, self._symbols = world, symbols
        self._counts = world.book.view(np.int64)[_FIRST_COUNT : _FIRST_COUNT + _COUNTS]
        self._equity = world.book["equity"]
        self._repeats = world.record["n_repeats"]
        self.number(np.empty(0, dtype=np.int64), 0)
        nothing = [0] * _COUNTS
        self._no_orders = self.orders(np.empty(0, dtype=np.int64))
        self._no_rows = {name: self._since(name, nothing, nothing) for name in ("fills", "trips", "denials")}

    def number(self, serials: Records, following: int) -> None:
        """The rows that are there have these serials; later ones count up from `following`."""
        room = len(self._world.logs.rows["orders"]) + 1
        self.serials = np.concatenate((serials, following + np.arange(room - len(serials), dtype=np.int64)))

    def make_room(self) -> None:
        """After the kernel has stopped for want of room."""
        self._world.make_room()
        used = int(self._counts[_ORDERS])
        self.number(self.serials[:used], self.next_serial)

    @property
    def next_serial(self) -> int:
        return int(self.serials[self._counts[_ORDERS]])

    def working(self) -> Records:
        """Rows of the working orders, rising."""
        holdings = self._world.holdings
        rows = np.concatenate((holdings["entry_order"], holdings["exit_order"], self._world.quotes["order"]))
        return np.sort(rows[rows >= 0])

    def row_of(self, serial: int) -> int | None:
        """The row of the working order of that serial; None: it is not working."""
        rows = self.working()
        found = rows[self.serials[rows] == serial]
        return int(found[0]) if len(found) else None

    def before(self) -> Before:
        """To be taken before something is done; `log` says what has changed since."""
        counts = self._counts.tolist()
        if counts[_ENTRIES] == 0 and counts[_EXITS] == 0 and counts[_QUOTED] == 0:
            return Before(counts, None)
        rows = self.working()
        return Before(counts, (rows, np.asarray(self.orders(rows))))

    def log(self, before: Before) -> StepLog:
        then, now, repeats = before.counts, self._counts.tolist(), int(self._repeats[0])
        orders = changed = self._no_orders
        if now[_ORDERS] != then[_ORDERS]:
            orders = changed = self.orders(np.arange(then[_ORDERS], now[_ORDERS]))
        if before.working is not None:
            changed = self._changed(*before.working, orders)
        rows = self._no_rows
        if now[: _DENIALS + 1] != then[: _DENIALS + 1]:
            rows = {name: self._since(name, then, now) for name in rows}
        denials = rows["denials"]
        if repeats:
            new = np.arange(then[_DENIALS], now[_DENIALS])
            denials = self._logged("denials", np.union1d(self._world.repeats[:repeats], new))
            self._repeats[0] = 0
        return StepLog(orders, changed, rows["fills"], rows["trips"], denials, float(self._equity[0]))

    def orders(self, rows: Records) -> Rows:
        """The orders that stand in these rows, with serials. They are taken as bytes, so that equal ones have equal
        bytes: a copy of records has between its fields whatever was in the memory."""
        table = self._world.logs.rows["orders"]
        orders = table.view(np.uint8).reshape(len(table), -1)[rows].view(ORDER).reshape(-1)
        holdings = self._world.holdings[orders["symbol"]]
        works = (holdings["entry_order"] == rows) & (holdings["entry_triggered"] == 1)
        is_limit = (orders["kind"] == STOP_LIMIT) & (works | (orders["filled"] > 0.0))
        return Rows.of(order_rows(orders, self.serials[rows], is_limit), self._symbols)

    def _changed(self, rows: Records, then: Records, new: Rows) -> Rows:
        now = np.asarray(self.orders(rows))
        now["triggered"] |= then["triggered"]
        size = now.dtype.itemsize
        differs = (now.view(np.uint8).reshape(-1, size) != then.view(np.uint8).reshape(-1, size)).any(axis=1)
        return Rows.of(np.concatenate((now[differs], np.asarray(new))), self._symbols)

    def _since(self, name: str, then: list[int], now: list[int]) -> Rows:
        k = _LOG_NUMBERS[name]
        return self._logged(name, np.arange(then[k], now[k]))

    def _logged(self, name: str, numbers: Records) -> Rows:
        """Copies of rows of a log; orders by their serials."""
        rows = self._world.logs.rows[name][numbers]
        if name != "trips" and len(rows):
            rows["order"] = np.where(rows["order"] >= 0, self.serials[rows["order"]], -1)
        return Rows.of(rows, self._symbols, DENIAL_NAMES if name == "denials" else REASON_NAMES)
