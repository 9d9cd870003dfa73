"""Everything that a host writes of its sessions, in one transaction for all that closed a bar together.

It begins with locking the rows of these sessions, with fence and cursor named. Where the lease was lost or the bar was
worked through already, nothing of that session is written. So a host that was asleep, or a bar that comes twice, leaves
no trace.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from bots.host.lease import Lease, LostLease
from bots.host.statements import Conflict, Statements, statements
from bots.live import reserve
from bots.models import (
    Adjustment,
    BookingRequest,
    BrokerExecution,
    Cycle,
    DailyStats,
    Decision,
    Order,
    PortfolioSnapshot,
    Position,
    SessionCommand,
    SessionEvent,
    SessionMemory,
    Trade,
    TradingSession,
)
from bots.orders import OrderState
from bots.states import UNRUN, check_move
from bots.venues.base import VenueOrder

# What a position's row takes over at each bar; in the order of the UPDATE below.
_POSITION = (
    "is_open", "qty", "entered_qty", "entry_px", "exit_px", "current_px", "stop_px", "target_px", "trailing_px",
    "realised_pnl", "unrealised_pnl", "commission", "exit_reason", "closed_at",
)  # fmt: skip
_ORDER = ("qty", "filled_qty", "avg_fill_px", "state", "state_reason", "late_fill", "ended_at")
# At a broker everything of an order is written with its events; on paper `acknowledge` writes these.
_AT_BROKER = (
    *_ORDER, "broker_order_id", "venue_status", "limit_px", "stop_px", "attempts", "ack_ms", "submitted_at",
    "accepted_at",
)  # fmt: skip
_SESSION = (
    "cash", "equity", "exposure", "total_pnl", "unrealised_pnl", "day_start_equity", "open_positions", "total_trades",
    "winning_trades", "last_bar_at",
)  # fmt: skip


@dataclass(slots=True)
class SessionWrite:
    """What one session has to write at one moment.

    cursor_ns: the bar worked through; equal to `cursor_before` when something happened between two bars. values:
    columns of the session's row, those of `_SESSION`. orders: rows to insert; changed: rows there are, moved on.
    positions: rows with or without a pk. trades: rows whose `order` and `position` are among these objects or stored.
    interventions: to be appended to those of the last cycle. executions: of a broker, whose `order` is among these
    objects or stored. adjustments: rows to insert. done_bookings: requests that are done, by id, and why they were
    refused; empty where they were booked.
    """

    lease: Lease
    cursor_before: int
    cursor_ns: int
    values: dict[str, Any]
    orders: list[Order] = field(default_factory=list)
    changed: list[Order] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    executions: list[BrokerExecution] = field(default_factory=list)
    cycle: Cycle | None = None
    decisions: list[Decision] = field(default_factory=list)
    interventions: list[dict[str, Any]] = field(default_factory=list)
    snapshot: PortfolioSnapshot | None = None
    daily: DailyStats | None = None
    events: list[SessionEvent] = field(default_factory=list)
    done_commands: dict[int, str] = field(default_factory=dict)
    adjustments: list[Adjustment] = field(default_factory=list)
    done_bookings: dict[int, str] = field(default_factory=dict)
    checkpoint: bytes = b""

    @property
    def ends_requests(self) -> bool:
        """Whether somebody asked for what is written."""
        return bool(self.done_commands or self.done_bookings)

    def then(self, later: SessionWrite) -> SessionWrite:
        """Both as one: what happened between the same two bars, one after the other. Their rows are the same objects
        where they tell of the same thing, so each is written once, as it is at the end."""
        if (later.lease, later.cursor_before, later.cycle) != (self.lease, self.cursor_ns, None):
            raise ValueError("a bar lies between the two")
        lists = {name: each_once(getattr(self, name), getattr(later, name)) for name in _LISTS}
        return replace(
            later,
            cursor_before=self.cursor_before,
            values=self.values | later.values,
            cycle=self.cycle,
            snapshot=later.snapshot or self.snapshot,
            daily=later.daily or self.daily,
            done_commands=self.done_commands | later.done_commands,
            done_bookings=self.done_bookings | later.done_bookings,
            checkpoint=later.checkpoint or self.checkpoint,
            **lists,
        )

    @property
    def rows(self) -> list[Any]:
        """Every row that may be inserted."""
        single = [row for row in (self.cycle, self.snapshot, self.daily) if row is not None]
        many = [*self.orders, *self.positions, *self.trades, *self.executions, *self.adjustments, *self.decisions]
        return [*many, *self.events, *single]


_LISTS = tuple(each.name for each in fields(SessionWrite) if each.default_factory is list)


def each_once(*lists: Iterable[Any]) -> list[Any]:
    """All objects of these lists, in their order, none of them twice."""
    return list({id(row): row for rows in lists for row in rows}.values())


def commit(writes: Sequence[SessionWrite]) -> set[int]:
    """Write them all or nothing; the ids of sessions whose lease was lost, of which nothing was written.

    Raises DatabaseError when the database refuses or does not answer; then nothing at all was written.
    """
    new = [row for write in writes for row in write.rows if row.pk is None]
    try:
        with statements(queued=not any(write.ends_requests for write in writes)) as send:
            held = _held(send, writes)
            _update_sessions(send, held)
            _write_rows(send, held)
            _note_done(held)
    except BaseException:
        for row in new:
            # What was rolled back has no id, whatever the INSERT said: the rows may be tried again.
            row.pk, row._state.adding = None, True
        raise
    return {write.lease.session_id for write in writes} - {write.lease.session_id for write in held}


def commit_unrun(write: SessionWrite) -> bool:
    """As `commit`, for a session at a broker that no host runs: the lease of its account says who may write. Whether it
    was written."""
    account = write.lease.account
    if account is None:
        raise ValueError("a session on paper that nobody runs changes no more")
    idle = TradingSession.objects.filter(pk=write.lease.session_id, state__in=UNRUN)
    held = idle.filter(broker_account__fence=account.fence, broker_account__lease_expires_at__gt=Now())
    with transaction.atomic():
        written = held.update(**{name: value for name, value in write.values.items() if name in _SESSION})
        if written:
            _write_rows(Statements(), [write])  # no host, and no hurry
            _note_done([write])
    return bool(written)


def acknowledge(answers: Iterable[VenueOrder], **values: Any) -> None:
    """The venue has these orders. Changes only those that were still on their way. values: further columns."""
    answers = list(answers)
    for state in OrderState:
        ids = [answer.client_order_id for answer in answers if answer.state == state]
        if ids:
            rows = Order.objects.filter(
                client_order_id__in=ids, state__in=(OrderState.INTENT, OrderState.SUBMITTED, OrderState.UNKNOWN)
            )
            rows.update(state=state, submitted_at=Now(), accepted_at=Now(), **values)


def move(lease: Lease, before: str, after: str, reason: str = "", **values: Any) -> bool:
    """Bring a session from one state to another, with a line in its log. False: the lease is lost.

    values: further columns of its row. Raises IllegalMove for what the table of states does not know.
    """
    check_move(before, after)
    with transaction.atomic():
        moved = (
            lease.rows().filter(state=before).update(state=after, state_reason=reason[:500], updated_at=Now(), **values)
        )
        if moved:
            text = f"{TradingSession.State(before).label} → {TradingSession.State(after).label}"
            SessionEvent(
                session_id=lease.session_id,
                kind="state",
                level=_level(before, after),
                text=f"{text}: {reason}"[:500] if reason else text,
                detail={"from": before, "to": after},
            ).save()
    return bool(moved)


def _level(before: str, after: str) -> str:
    """How loud a change of state is. To wait for the first prices is nothing to worry about."""
    if after in (TradingSession.State.HALTED, TradingSession.State.FAILED):
        return SessionEvent.Level.ERROR
    fell = after == TradingSession.State.DEGRADED and before == TradingSession.State.RUNNING
    return SessionEvent.Level.WARNING if fell else SessionEvent.Level.INFO


def _held(send: Statements, writes: Sequence[SessionWrite]) -> list[SessionWrite]:
    """Those whose session and account are still ours, and whose session is where we think; their sessions' rows stay
    locked until the transaction ends. On SQLite it has the whole database to itself already.

    Locked in one order, as leases are renewed (`lease.renew`): else two who lock many rows may wait for each other.
    """
    ids = [write.lease.session_id for write in writes]
    there = {pk: tuple(rest) for pk, *rest in send.ask(_held_sql(connection.vendor, len(ids)), ids)}
    return [write for write in writes if there.get(write.lease.session_id) == _expected(write)]


@functools.cache
def _held_sql(vendor: str, sessions: int) -> str:
    """The query of `_held` for so many sessions, in the words of that kind of database: building it anew costs as much
    as asking it."""
    found = (
        TradingSession.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk__in=range(sessions), lease_expires_at__gt=Now())
        .order_by("pk")
    )
    is_ours = Q(broker_account__isnull=True) | Q(broker_account__lease_expires_at__gt=Now())
    rows = found.filter(is_ours).values_list("pk", "fence", "cursor_ns", "broker_account_id", "broker_account__fence")
    sql, _ = rows.query.sql_with_params()
    return str(sql)


def _expected(write: SessionWrite) -> tuple[int, int, int | None, int | None]:
    account = write.lease.account
    of_account = (None, None) if account is None else (account.account_id, account.fence)
    return (write.lease.fence, write.cursor_before, *of_account)


# --- rows that are there --------------------------------------------------------------------------------------------


def _update_sessions(send: Statements, writes: Sequence[SessionWrite]) -> None:
    """Bring the locked sessions to what they have now."""
    by_columns: dict[tuple[str, ...], list[list[Any]]] = {}
    for write in writes:
        columns = tuple(name for name in _SESSION if name in write.values)
        values = [send.prepared(TradingSession._meta.get_field(name), write.values[name]) for name in columns]
        by_columns.setdefault(columns, []).append([*values, write.cursor_ns, write.lease.session_id])
    for columns, rows in by_columns.items():
        assigned = "".join(f"{name} = %s, " for name in columns)
        sql = f"UPDATE trading_sessions SET {assigned}cursor_ns = %s WHERE id = %s"  # noqa: S608  # nosec B608
        send.update(sql, rows)
    checkpoints = [[write.checkpoint, write.lease.session_id] for write in writes if write.checkpoint]
    send.update("UPDATE session_memory SET checkpoint = %s WHERE session_id = %s", checkpoints)


def _write_rows(send: Statements, writes: Sequence[SessionWrite]) -> None:
    """Orders and positions that have moved on, then all that is new."""
    for columns, at_broker in ((_ORDER, False), (_AT_BROKER, True)):
        part = [write for write in writes if (write.lease.account is not None) == at_broker]
        _update(send, Order, columns, [order for write in part for order in write.changed])
    positions = [position for write in writes for position in write.positions]
    # The closed ones first: a symbol has one open position at most, and a new one may follow in the same bar.
    _update(send, Position, _POSITION, sorted(positions, key=lambda position: position.is_open))
    _insert(send, writes)


def _update(send: Statements, model: Any, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """One UPDATE for each row: quicker than bulk_update's CASE by a factor that grows with the rows."""
    fields = [model._meta.get_field(name) for name in columns]
    assigned = ", ".join(f"{f.column} = %s" for f in fields)
    sql = f"UPDATE {model._meta.db_table} SET {assigned} WHERE id = %s"  # noqa: S608  # nosec B608  (names of ours only)
    there = [row for row in rows if row.pk is not None]
    send.update(sql, [[*(send.prepared(f, getattr(row, f.attname)) for f in fields), row.pk] for row in there])


# --- rows that are new ----------------------------------------------------------------------------------------------


_OF_DAY = Conflict(
    unique=("session", "day"),
    update=(
        "trades", "round_trips", "wins", "losses", "realised_pnl", "fees", "start_equity", "end_equity", "max_equity",
        "min_equity",
    ),
)  # fmt: skip


def _insert(send: Statements, writes: Sequence[SessionWrite]) -> None:
    positions = [position for write in writes for position in write.positions if not position.pk]
    send.insert_known([order for write in writes for order in write.orders])
    send.insert_known(positions)
    trades = [trade for write in writes for trade in write.trades]
    if trades or any(write.executions for write in writes):
        send.ids()
    for trade in trades:
        # Their rows have ids only now.
        trade.order_id, trade.position_id = trade.order.pk, trade.position.pk
    executions = [execution for write in writes for execution in write.executions]
    for execution in executions:
        execution.order_id = execution.order.pk if execution.order is not None else None
    send.insert(executions)
    send.insert([adjustment for write in writes for adjustment in write.adjustments])
    send.insert([write.cycle for write in writes if write.cycle is not None])
    send.insert([decision for write in writes for decision in write.decisions])
    send.insert([write.snapshot for write in writes if write.snapshot is not None], Conflict())
    send.insert([write.daily for write in writes if write.daily is not None], _OF_DAY)
    send.insert([event for write in writes for event in write.events])
    send.insert_known(trades)
    column, lists = Cycle._meta.get_field("interventions"), connection.vendor == "postgresql"
    done = [
        [send.prepared(column, [one] if lists else one), write.lease.session_id, write.cursor_ns]
        for write in writes
        for one in write.interventions
    ]
    send.update(_APPEND[connection.vendor], done)


# To the interventions of a cycle, one more.
_APPEND = {
    "postgresql": "UPDATE session_cycles SET interventions = interventions || %s WHERE session_id = %s AND ts_ns = %s",
    "sqlite": "UPDATE session_cycles SET interventions = json_insert(interventions, '$[#]', json(%s)) "
    "WHERE session_id = %s AND ts_ns = %s",
}


def _note_done(writes: Iterable[SessionWrite]) -> None:
    """What was asked for is done."""
    for write in writes:
        for pk, outcome in write.done_commands.items():
            SessionCommand.objects.filter(pk=pk, done_at__isnull=True).update(done_at=Now(), outcome=outcome[:200])
        for pk, refused in write.done_bookings.items():
            BookingRequest.objects.filter(pk=pk, done_at__isnull=True).update(done_at=Now(), refused=refused[:200])
    booked = [pk for write in writes for pk, refused in write.done_bookings.items() if not refused]
    if booked:
        reserve.keep_outside(booked)


def remember_history(lease: Lease, history: bytes, *, first_ns: int) -> None:
    """Keep the warm-up bars of a session that has not traded yet, and the instant from which on it will.

    Raises LostLease; then nothing was written.
    """
    with transaction.atomic():
        if not lease.rows().exists():
            raise LostLease(f"session {lease.session_id}")
        SessionMemory.objects.update_or_create(
            session_id=lease.session_id, defaults={"history": history, "first_ns": first_ns}
        )
