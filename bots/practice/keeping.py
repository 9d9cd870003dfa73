"""The practice exchange on disk: what was answered survives any end of the process.

One SQLite file: a row an account, a row an order, and a row of what is common. `save` is called before an answer or a
message leaves, and writes what has changed since it was last called, in one transaction. Prices are not kept: they are
made up anew, or said by a script.
"""

from __future__ import annotations

import datetime
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from bots.practice.exchange import Exchange
from bots.practice.orders import Account, Dividend, Event, Execution, Flow, Position, Request, Split, VenueOrder

VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS common (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, key TEXT NOT NULL, text TEXT NOT NULL);
"""


class KeptElsewhere(Exception):
    """Another venue has this ledger open, or the file is no ledger of this version."""


class Keeper:
    """A ledger file. One venue has it at a time. Raises KeptElsewhere, OSError."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it holds the secrets of play accounts
        self._file = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
                self._file.execute(f"PRAGMA {pragma}")
            self._file.executescript(_TABLES)
            version = self._common().setdefault("version", VERSION)
        except sqlite3.Error as error:
            self._file.close()
            raise KeptElsewhere(f"{path} cannot be used ({error}): another venue may have it open.") from None
        if version != VERSION:
            self._file.close()
            raise KeptElsewhere(f"{path} was written by another version of the venue; choose another file.")
        self._exchange: Exchange | None = None
        self._written: dict[str, str] = {}  # what stands in the file, of what may still change
        self._touched: dict[str, tuple[Account, VenueOrder]] = {}
        self._waiting: dict[str, tuple[Account, VenueOrder]] = {}

    def symbols(self) -> set[str]:
        """All that the kept accounts hold or have ever ordered."""
        orders = {json.loads(text)["request"]["symbol"] for (text,) in self._file.execute("SELECT text FROM orders")}
        accounts = (json.loads(text)["positions"] for (text,) in self._file.execute("SELECT text FROM accounts"))
        return orders.union(*accounts)

    def restore(self, exchange: Exchange) -> dict[str, Any]:
        """Put what is kept into an exchange that has no accounts yet, and follow it from now on. The last values that
        `save` was given for the venue itself."""
        self._exchange = exchange
        common = self._common()
        exchange.serial = common.get("serial", 0)
        exchange.splits = [Split(**row) for row in common.get("splits", [])]
        exchange.dividends = [Dividend(**row) for row in common.get("dividends", [])]
        exchange.halted, exchange.refuses_later = set(common.get("halted", [])), common.get("refuses_later", {})
        for key, text in self._file.execute("SELECT key, text FROM accounts").fetchall():
            exchange.accounts[key] = _account(_read(text))
        for _, key, text in self._file.execute("SELECT number, key, text FROM orders ORDER BY number").fetchall():
            account, row = exchange.accounts[key], _order(_read(text))
            account.orders[row.id] = row
            account.by_client_id[row.request.client_id] = row.id
            self._watch(account, row)
        exchange.listen(self._heard)
        of_venue: dict[str, Any] = common.get("venue", {})
        return of_venue

    def save(self, of_venue: Mapping[str, Any], *, thorough: bool) -> None:
        """Write what is new. thorough: something other than an event of an order may have changed any working order or
        account. of_venue: kept beside it, once something is written."""
        exchange = self._exchange
        if exchange is None:
            raise RuntimeError("restore comes before save")
        rows = dict(self._touched)
        for name, (account, row) in self._waiting.items():
            if thorough or row.request.kind not in ("market", "limit"):  # the price moves stops without an event
                rows[name] = account, row
        written: list[tuple[str, tuple[Any, ...]]] = []
        for account, row in rows.values():
            if self._is_new(f"order {row.number}", text := _text(row), keep=not row.is_over):
                written.append(("INSERT OR REPLACE INTO orders VALUES (?, ?, ?)", (row.number, account.key, text)))
        moved = exchange.accounts.values() if thorough else {a.key: a for a, _ in rows.values()}.values()
        for account in moved:
            if self._is_new(f"account {account.key}", text := _text(account, leave=("orders", "by_client_id"))):
                written.append(("INSERT OR REPLACE INTO accounts VALUES (?, ?)", (account.key, text)))
        common = {"serial": exchange.serial, "splits": exchange.splits, "dividends": exchange.dividends,
                  "halted": sorted(exchange.halted), "refuses_later": exchange.refuses_later}  # fmt: skip
        is_new = self._is_new("common", json.dumps(common, default=_plain))
        if written or is_new:
            self._write(written, common | {"venue": of_venue, "version": VERSION})
        for name, (_, row) in rows.items():
            if row.is_over:
                self._waiting.pop(name, None)
        self._touched.clear()

    def close(self) -> None:
        self._file.close()

    def _write(self, rows: list[tuple[str, tuple[Any, ...]]], common: Mapping[str, Any]) -> None:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in rows:
                self._file.execute(statement, values)
            for name, value in common.items():
                self._file.execute(
                    "INSERT OR REPLACE INTO common VALUES (?, ?)", (name, json.dumps(value, default=_plain))
                )
        except BaseException:
            self._file.execute("ROLLBACK")
            self._written.clear()
            raise
        self._file.execute("COMMIT")

    def _common(self) -> dict[str, Any]:
        return {name: _read(text) for name, text in self._file.execute("SELECT name, text FROM common")}

    def _is_new(self, name: str, text: str, *, keep: bool = True) -> bool:
        before = self._written.pop(name, None)
        if keep:
            self._written[name] = text
        return text != before

    def _heard(self, event: Event) -> None:
        """The order, and its group: a leg is made, and a group changed, without an event of its own."""
        account, order = event.account, event.order
        names = [order.id, *order.legs]
        if order.parent is not None:
            names += [order.parent, *account.orders[order.parent].legs]
        for name in names:
            self._touched[name] = account, account.orders[name]
            self._watch(account, account.orders[name])

    def _watch(self, account: Account, row: VenueOrder) -> None:
        if not row.is_over:
            self._waiting[row.id] = account, row


def _text(row: VenueOrder | Account, leave: tuple[str, ...] = ()) -> str:
    values = {f.name: getattr(row, f.name) for f in fields(row) if f.name not in leave}
    return json.dumps(values, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"$d": str(value)}
    if isinstance(value, datetime.datetime):
        return {"$t": value.isoformat()}
    return {f.name: getattr(value, f.name) for f in fields(value)}


def _read(text: str) -> Any:
    return json.loads(text, object_hook=_valued)


def _valued(row: dict[str, Any]) -> Any:
    if "$d" in row:
        return Decimal(row["$d"])
    if "$t" in row:
        return datetime.datetime.fromisoformat(row["$t"])
    return row


def _account(row: dict[str, Any]) -> Account:
    positions = {symbol: Position(**held) for symbol, held in row.pop("positions").items()}
    flows = [Flow(**each) for each in row.pop("flows")]
    return Account(**row, positions=positions, flows=flows)


def _order(row: dict[str, Any]) -> VenueOrder:
    executions = [Execution(**each) for each in row.pop("executions")]
    return VenueOrder(**row | {"request": Request(**row["request"])}, executions=executions)
