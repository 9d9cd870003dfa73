"""The performance record of a session that has ended: the figures that a backtest of the same run would show.

Workers call this; it reads the whole tape of a session.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from bots.models import Mode, Position, TradingSession
from bots.services import feeds
from bots.settings_columns import from_columns
from bots.states import OVER
from engine import metrics
from engine.types import BOOK, BUY, DAILY, NANOS_PER_DAY, REASON_NAMES, ROUND_TRIP, SELL
from marketdata.columns import TIMEFRAME_NS
from marketdata.zones import ALWAYS_OPEN, to_ns
from strategies import catalogue, performance, session_settings

MAX_TRADES, MAX_DAYS = 1_000, 2_600
LOOK_BACK = timedelta(days=30)
_AT_ONCE = 50


def record(session: TradingSession) -> bool:
    """Write the record of a session that is over; whether there was anything to write.

    One that never saw a bar has none. Called twice it writes one. Reads the tape in a handful of queries.
    """
    run = of_session(session) if session.state in OVER else None
    if run is None:
        return False
    performance.write(run)
    return True


def record_ended() -> int:
    """Write the records that are missing of sessions that ended lately, whoever stopped them; how many."""
    since = timezone.now() - LOOK_BACK
    over = TradingSession.objects.filter(state__in=OVER, ended_at__gte=since, cursor_ns__gt=0)
    ids = set(over.values_list("pk", flat=True))
    missing = sorted(ids - performance.kept(ids))[:_AT_ONCE]
    return sum(record(session) for session in TradingSession.objects.filter(pk__in=missing))


def of_session(session: TradingSession) -> performance.PerformanceOfRun | None:
    """The figures of a session's tape; None where it has no bar."""
    tape = np.array(
        list(session.cycles.order_by("ts_ns").values_list("ts_ns", "equity", "exposure")),
        dtype=[("ts", np.int64), ("equity", np.float64), ("exposure", np.float64)],
    )
    if not len(tape):
        return None
    settings = from_columns(session.settings)
    closed = list(session.positions.filter(is_open=False).order_by("closed_at", "pk"))
    fills = list(session.trades.values_list("position_id", "side", "qty", "px", "commission", "slippage"))
    daily = _daily(tape)
    trips = _trips(session, closed, _slippage_of(fills))
    calendar = feeds.calendar(session.owner, session.feed, session.feed_options, session.symbols)
    figures = metrics.compute(
        _book(float(session.initial_cash), tape, fills),
        daily,
        trips,
        365 if calendar == ALWAYS_OPEN else 252,
        risk_free_rate_pct=settings["risk_free_rate_pct"],
    )
    label = next((entry.label for entry in catalogue.all() if entry.slug == session.strategy), str(session))
    saved = session.saved_strategy or session.custom_strategy
    newest = daily[-MAX_DAYS:]
    return performance.PerformanceOfRun(
        owner_id=session.owner_id,
        session_id=session.pk,
        strategy_name=saved.name if saved else label,
        strategy_type=session.strategy,
        saved_strategy_id=session.saved_strategy_id,
        execution_type="live" if session.mode == Mode.LIVE else "paper",
        symbols=session.symbols,
        timeframe=session.timeframe,
        start=_moment(tape["ts"][0]),
        end=_moment(tape["ts"][-1]),
        initial_capital=float(session.initial_cash),
        metrics=figures,
        config={
            "strategy": session.strategy,
            "strategy_parameters": session.strategy_parameters,
            "symbols": session.symbols,
            "timeframe": session.timeframe,
            "match_timeframe": session.match_timeframe or None,
            "initial_cash": float(session.initial_cash),
            "feed": session.feed,
            "feed_options": feeds.unsealed(session.feed_options),
            "settings": session_settings.as_json(settings),
        },
        trades=[_row(position, trip) for position, trip in zip(closed, trips, strict=True)][-MAX_TRADES:],
        equity_history=[[str(row["date"].astype("datetime64[D]")), float(row["equity"])] for row in newest],
    )


def _book(cash: float, tape: np.ndarray, fills: list[Any]) -> np.ndarray:
    """The running figures that `engine.step.record` keeps, from the marks of a tape."""
    book = np.zeros(1, dtype=BOOK)
    row = book[0]
    row["starting_cash"], row["equity"], row["cash"] = cash, tape["equity"][-1], tape["equity"][-1]
    row["first_ts"], row["last_ts"], row["steps"] = tape["ts"][0], tape["ts"][-1], len(tape)
    invested = tape[tape["exposure"] != 0.0]
    row["steps_invested"] = len(invested)
    row["exposure_sum"] = (invested["exposure"] / invested["equity"])[invested["equity"] > 0.0].sum()
    row["max_drawdown_top_ts"] = row["max_drawdown_low_ts"] = row["max_drawdown_end_ts"] = -1
    top, top_ts, fall, end_ts, longest = cash, int(tape["ts"][0]), 0.0, -1, 0
    for ts, equity in zip(tape["ts"].tolist(), tape["equity"].tolist(), strict=True):
        if equity >= top:
            end_ts = ts if end_ts == -1 and fall > 0.0 else end_ts
            top, top_ts = equity, ts
            continue
        if (top - equity) / top > fall:
            fall, end_ts = (top - equity) / top, -1
            row["max_drawdown_top_ts"], row["max_drawdown_low_ts"] = top_ts, ts
        longest = max(longest, ts - top_ts)
    row["max_drawdown"], row["max_drawdown_end_ts"], row["longest_under_ns"] = fall, end_ts, longest
    for _, side, qty, px, commission, slippage in fills:
        row["bought" if side == "BUY" else "sold"] += float(qty * px)
        row["commission"] += float(commission)
        row["slippage"] += float(slippage * qty)
    return book


def _daily(tape: np.ndarray) -> np.ndarray:
    """The last mark of each UTC date."""
    dates = tape["ts"] // NANOS_PER_DAY
    last = np.flatnonzero(np.append(dates[1:] != dates[:-1], True))
    daily = np.zeros(len(last), dtype=DAILY)
    daily["date"], daily["equity"] = dates[last], tape["equity"][last]
    return daily


def _slippage_of(fills: list[Any]) -> dict[int | None, float]:
    """{position: slippage of its fills, in money}."""
    found: dict[int | None, float] = {}
    for position_id, _, qty, _, _, slippage in fills:
        found[position_id] = found.get(position_id, 0.0) + float(slippage * qty)
    return found


def _trips(session: TradingSession, closed: list[Position], slippage: dict[int | None, float]) -> np.ndarray:
    trips = np.zeros(len(closed), dtype=ROUND_TRIP)
    for row, position in zip(trips, closed, strict=True):
        row["entry_ts"], row["exit_ts"] = to_ns(position.opened_at), to_ns(position.closed_at)
        row["qty"], row["entry_px"] = float(position.entered_qty), float(position.entry_px)
        row["exit_px"], row["pnl_net"] = float(position.exit_px or 0), float(position.realised_pnl)
        row["commission"], row["slippage"] = float(position.commission), slippage.get(position.pk, 0.0)
        row["bars"] = (row["exit_ts"] - row["entry_ts"]) // TIMEFRAME_NS[session.timeframe]
        row["symbol"] = session.symbols.index(position.symbol)
        row["side"] = BUY if position.side == "BUY" else SELL
        known = position.exit_reason in REASON_NAMES
        row["exit_reason"] = REASON_NAMES.index(position.exit_reason) if known else 0
    return trips


def _row(position: Position, trip: Any) -> dict[str, Any]:
    """A round trip as the API of performance records shows it."""
    invested = float(trip["qty"] * trip["entry_px"])
    return {
        "symbol": position.symbol,
        "side": "LONG" if position.side == "BUY" else "SHORT",
        "qty": float(trip["qty"]),
        "entry_time": _iso(position.opened_at),
        "entry_px": float(trip["entry_px"]),
        "exit_time": _iso(position.closed_at),
        "exit_px": float(trip["exit_px"]),
        "pnl_net": float(trip["pnl_net"]),
        "return_pct": 100 * float(trip["pnl_net"]) / invested if invested else 0.0,
        "commission": float(trip["commission"]),
        "slippage": float(trip["slippage"]),
        "bars_held": int(trip["bars"]),
        "exit_reason": position.exit_reason,
    }


def _moment(ts_ns: int) -> datetime:
    return datetime.fromtimestamp(int(ts_ns) // 1_000_000_000, tz=UTC)


def _iso(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ""
