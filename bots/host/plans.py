"""From a session's row to what its desk must know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bots.host.desk import Market, Plan
from bots.models import TradingSession
from engine.errors import Fault, InputError
from marketdata.models import Instrument
from marketdata.zones import ALWAYS_OPEN

SYNTHETIC = "synthetic"


def plan_of(session: TradingSession, settings: Mapping[str, Any]) -> Plan:
    """What the session trades. settings: the cleaned values of the version to begin with. Raises InputError."""
    return Plan(
        strategy=session.strategy,
        parameters=session.strategy_parameters,
        symbols=tuple(session.symbols),
        timeframe=session.timeframe,
        match_timeframe=session.match_timeframe or session.timeframe,
        markets=_markets(session),
        initial_cash=float(session.initial_cash),
        settings=settings,
    )


def _markets(session: TradingSession) -> dict[str, Market]:
    if session.feed == SYNTHETIC:
        return {symbol: Market(ALWAYS_OPEN, fractionable=True) for symbol in session.symbols}
    source = session.feed_options.get("source", "sample")
    # Everybody's first, then the owner's own, which take their place where both exist.
    rows = Instrument.objects.filter(symbol__in=session.symbols, source=source)
    shared = {row.symbol: row for row in rows.filter(owner__isnull=True)}
    known = shared | {row.symbol: row for row in rows.filter(owner=session.owner_id)}
    missing = [symbol for symbol in session.symbols if symbol not in known]
    if missing:
        raise InputError(
            Fault("symbols", "not_found", f"The source {source} has no {missing[0]} any more", "Choose another symbol")
        )
    return {
        symbol: Market(
            known[symbol].calendar,
            float(known[symbol].tick_size),
            float(known[symbol].lot_size),
            known[symbol].fractionable,
        )
        for symbol in session.symbols
    }
