"""Reads of risk: what is held, how near the limits are, and which held symbols move together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from django.db.models import Max, OuterRef, Q, Subquery

from accounts.models import User
from bots.models import DailyStats, Decision, Position, SessionSettings, TradingSession
from marketdata.columns import TIMEFRAME_NS

MOST_SYMBOLS = 24
FEWEST_RETURNS = 20
_NONE = Decimal(0)


def exposure(user: User, groups: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """What the active sessions hold, at the last marks. Two queries; money is Decimal.

    ``{equity, gross, net, long, short, gross_pct, net_pct, symbols: [{symbol, long, short, gross, net, share_pct,
    sessions}], groups: [{name, symbols, gross, net}]}``. groups: {name: symbols}; a symbol may be in several.
    Percentages are of the equity of the active sessions; None without equity.
    """
    active = TradingSession.objects.filter(owner=user, state__in=TradingSession.ACTIVE)
    equity = sum((value or _NONE for value in active.values_list("equity", flat=True)), _NONE)
    long: dict[str, Decimal] = defaultdict(lambda: _NONE)
    short: dict[str, Decimal] = defaultdict(lambda: _NONE)
    holders: dict[str, set[int]] = defaultdict(set)
    held = Position.objects.filter(session__in=active, is_open=True)
    for session_id, symbol, side, qty, px in held.values_list("session_id", "symbol", "side", "qty", "current_px"):
        (long if side == "BUY" else short)[symbol] += qty * px
        holders[symbol].add(session_id)
    rows = [
        {
            "symbol": symbol,
            "long": long[symbol],
            "short": short[symbol],
            "gross": long[symbol] + short[symbol],
            "net": long[symbol] - short[symbol],
            "share_pct": _pct(long[symbol] + short[symbol], equity),
            "sessions": len(holders[symbol]),
        }
        for symbol in holders
    ]
    rows.sort(key=lambda row: (-row["gross"], row["symbol"]))
    gross, net = sum((row["gross"] for row in rows), _NONE), sum((row["net"] for row in rows), _NONE)
    return {
        "equity": equity,
        "gross": gross,
        "net": net,
        "long": (gross + net) / 2,
        "short": (gross - net) / 2,
        "gross_pct": _pct(gross, equity),
        "net_pct": _pct(net, equity),
        "symbols": rows,
        "groups": [_group(name, symbols, rows) for name, symbols in (groups or {}).items()],
    }


def limits(user: User) -> list[dict[str, Any]]:
    """How near each active session is to each of its limits, the nearest first. Four queries.

    Each ``{session, session_name, limit (setting), label, value, maximum, unit ("%", "money" or ""), used_pct}``. A
    loss or a fall is a value above 0. Limits that are off are left out.
    """
    rows = list(TradingSession.objects.filter(owner=user, state__in=TradingSession.ACTIVE).select_related("bot"))
    settings = _settings_in_force(rows)
    tops = dict(
        DailyStats.objects.filter(session__in=rows).order_by().values_list("session").annotate(top=Max("max_equity"))
    )
    largest = _largest_positions(rows)
    found = [
        entry
        for row in rows
        if row.pk in settings
        for entry in _limits_of(row, settings[row.pk], tops.get(row.pk), largest.get(row.pk, _NONE))
    ]
    return sorted(found, key=lambda entry: -entry["used_pct"])


def correlation(user: User, *, bars: int = 200) -> dict[str, Any]:
    """Correlation of the returns of held symbols over the last `bars` decision bars. Two queries.

    ``{symbols: [], matrix: [[float | None]], observations: [[int]]}``, in the order of the symbols' names; at most
    `MOST_SYMBOLS`. None where fewer than `FEWEST_RETURNS` bars of two symbols began together.
    """
    held = Position.objects.filter(
        session__owner=user, session__state__in=TradingSession.ACTIVE, is_open=True
    ).values_list("session_id", "symbol", "session__cursor_ns", "session__timeframe")
    wanted, chosen = Q(pk__in=[]), sorted({symbol for _, symbol, _, _ in held})[:MOST_SYMBOLS]
    for session_id, symbol, cursor_ns, timeframe in held:
        if symbol in chosen:
            first = cursor_ns - bars * TIMEFRAME_NS[timeframe]
            wanted |= Q(session_id=session_id, symbol=symbol, ts_ns__gt=first)
    closes: dict[str, dict[int, float]] = {symbol: {} for symbol in chosen}
    rows = Decision.objects.filter(wanted, decides=True).order_by("ts_ns").values_list("symbol", "ts_ns", "close")
    for symbol, ts_ns, close in rows if chosen else ():
        closes[symbol][ts_ns] = close
    matrix, counts = [], []
    for one in chosen:
        pairs = [_correlated(closes[one], closes[other]) for other in chosen]
        matrix.append([value for value, _ in pairs])
        counts.append([count for _, count in pairs])
    return {"symbols": chosen, "matrix": matrix, "observations": counts}


def _correlated(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[float | None, int]:
    times = sorted(one.keys() & other.keys())
    if len(times) <= FEWEST_RETURNS:
        return None, max(0, len(times) - 1)
    prices = np.array([[one[ts] for ts in times], [other[ts] for ts in times]])
    returns = prices[:, 1:] / prices[:, :-1] - 1
    off = returns - returns.mean(axis=1, keepdims=True)
    spread = np.sqrt((off**2).sum(axis=1))
    if not (spread > 0).all():
        return None, returns.shape[1]
    return float(np.clip(off[0] @ off[1] / spread.prod(), -1.0, 1.0)), returns.shape[1]


def _settings_in_force(rows: list[TradingSession]) -> dict[int, SessionSettings]:
    newest = SessionSettings.objects.filter(session=OuterRef("session")).order_by("-version").values("pk")[:1]
    found = SessionSettings.objects.filter(session__in=rows, pk=Subquery(newest))
    return {row.session_id: row for row in found}


def _largest_positions(rows: list[TradingSession]) -> dict[int, Decimal]:
    held = Position.objects.filter(session__in=rows, is_open=True).values_list("session_id", "qty", "current_px")
    found: dict[int, Decimal] = {}
    for session_id, qty, px in held:
        found[session_id] = max(found.get(session_id, _NONE), qty * px)
    return found


def _limits_of(
    row: TradingSession, settings: SessionSettings, top: Decimal | None, largest: Decimal
) -> list[dict[str, Any]]:
    equity = float(row.equity if row.equity is not None else row.initial_cash)
    began = float(row.day_start_equity if row.day_start_equity is not None else row.initial_cash)
    peak = max(float(row.initial_cash), float(top or 0), equity)
    lost = max(0.0, began - equity)
    asked = [
        ("max_open_positions", "Open positions", float(row.open_positions), ""),
        ("max_position_size_pct", "Largest position", 100 * float(largest) / equity if equity > 0 else 0.0, "%"),
        ("daily_loss_limit_pct", "Loss today", 100 * lost / began if began > 0 else 0.0, "%"),
        ("daily_loss_limit_abs", "Loss today", lost, "money"),
        ("max_drawdown_pct", "Drawdown", 100 * (1 - equity / peak) if peak > 0 else 0.0, "%"),
    ]
    return [
        {
            "session": row.pk,
            "session_name": str(row),
            "limit": name,
            "label": label,
            "value": value,
            "maximum": float(maximum),
            "unit": unit,
            "used_pct": 100 * value / float(maximum),
        }
        for name, label, value, unit in asked
        if (maximum := getattr(settings, name)) is not None
    ]


def _group(name: str, symbols: Sequence[str], rows: list[dict[str, Any]]) -> dict[str, Any]:
    inside = [row for row in rows if row["symbol"] in symbols]
    return {
        "name": name,
        "symbols": list(symbols),
        "gross": sum((row["gross"] for row in inside), _NONE),
        "net": sum((row["net"] for row in inside), _NONE),
    }


def _pct(value: Decimal, of: Decimal) -> float | None:
    return float(100 * value / of) if of > 0 else None
