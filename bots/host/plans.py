"""From a session's row to what its desk must know."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bots.host.desk import Desk, Furnish, Market, Plan
from bots.host.patience import patiently
from bots.models import Mode, TradingSession
from engine.errors import Fault, InputError
from marketdata.feeds.live.places import calendar_of
from marketdata.models import Instrument
from marketdata.news import selectors as news
from marketdata.symbols import is_made
from marketdata.zones import ALWAYS_OPEN
from strategies.base import Strategy

SYNTHETIC, VENDORS = "synthetic", ("alpaca", "polygon", "binance")
COIN_TICK = 1e-8


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


def desk_of(session: TradingSession, settings: Mapping[str, Any]) -> Desk:
    """The session's desk with these settings, given what its strategy reads. At a broker, the broker fills its orders.

    Raises InputError.
    """
    desk = Desk(plan_of(session, settings), external_fills=session.mode == Mode.LIVE)
    read = furnish_of(session, desk.strategy)
    if read is not None:
        # Other sessions of the same instant have decided already: what they did must not be lost over a read.
        desk.furnish = lambda bars: patiently(lambda: read(bars))
    return desk


def furnish_of(session: TradingSession, strategy: Strategy) -> Furnish | None:
    """What gives the session's strategy the news that it reads; None where it reads none."""
    names = strategy.extras()
    if not names:
        return None
    return partial(news.with_news, names, user=session.owner_id, running_since=session.created_at)


def _markets(session: TradingSession) -> dict[str, Market]:
    if session.feed == SYNTHETIC:
        return {symbol: Market(ALWAYS_OPEN, fractionable=True) for symbol in session.symbols}
    if session.feed in VENDORS:
        return {symbol: _at_vendor(symbol, session.feed) for symbol in session.symbols}
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


def _at_vendor(symbol: str, feed: str) -> Market:
    """As ready for trading as one can say without the broker: whole shares, coins in any fraction."""
    calendar = calendar_of(symbol, feed)
    if calendar != ALWAYS_OPEN:
        return Market(calendar)
    return Market(calendar, 0.01 if is_made(symbol) else COIN_TICK, fractionable=True)
