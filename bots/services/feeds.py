"""Which feed a session listens to, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from accounts.models import User
from engine.errors import Fault, InputError
from marketdata.adjust import ADJUSTMENTS
from marketdata.models.instrument import Source
from marketdata.selectors import visible_instruments
from marketdata.zones import ALWAYS_OPEN
from strategies import readers

SYNTHETIC, REPLAY = "synthetic", "replay"
FEEDS = (SYNTHETIC, REPLAY)
MADE = "SIM-"
EXCHANGE = "XNYS"
FIRST_DAY = date(1960, 1, 1)


def default(symbols: Sequence[str]) -> str:
    """The feed of a request that names none. Raises InputError where nothing can be guessed."""
    if all(symbol.startswith(MADE) for symbol in symbols):
        return SYNTHETIC
    hint = (
        'Send feed: "replay" with feed_options {"source": …, "start": …} to trade stored bars again, '
        f'or symbols that begin with {MADE} and feed: "synthetic" for a made market'
    )
    raise InputError(Fault("feed", "required", "These symbols have no live feed", hint))


def clean_options(
    user: User, feed: str, options: Mapping[str, Any], symbols: Sequence[str], timeframe: str
) -> dict[str, Any]:
    """The options of a feed, checked and JSON-ready, its defaults filled in.

    Raises InputError; paths begin with ``feed_options`` or ``symbols``.
    """
    strangers = [i for i, symbol in enumerate(symbols) if symbol.startswith(MADE) != (feed == SYNTHETIC)]
    if strangers:
        names = f"begin with {MADE}" if feed == SYNTHETIC else f"are real ones, without {MADE}"
        raise InputError(
            Fault(f"symbols[{i}]", "conflict", f"The feed {feed} has no {symbols[i]}", f"Its symbols {names}")
            for i in strangers
        )
    cleaned = _read(feed, options, symbols, timeframe)
    if feed == REPLAY:
        _refuse_unknown(user, symbols, str(cleaned["source"]))
    return cleaned


def _read(feed: str, options: Mapping[str, Any], symbols: Sequence[str], timeframe: str) -> dict[str, Any]:
    try:
        from marketdata.feeds import clean_options as read
    except ImportError:
        read = None
    try:
        return dict(read(feed, options, list(symbols), timeframe)) if read else _checked(feed, options)
    except InputError as error:
        if all(fault.path.startswith(("symbols", "timeframe", "feed")) for fault in error.faults):
            raise
        raise error.under("feed_options") from None


def _checked(feed: str, options: Mapping[str, Any]) -> dict[str, Any]:
    reader = readers.Reader(options)
    if feed == SYNTHETIC:
        reader.refuse_unknown(("seed", "ticks_per_s", "accelerate"))
        cleaned = {
            "seed": reader.read("seed", 0, readers.integer, low=0, high=2**31 - 1),
            "ticks_per_s": reader.read("ticks_per_s", 2, readers.integer, low=1, high=50),
            "accelerate": reader.read("accelerate", 1, readers.integer, low=1, high=3_600),
        }
    else:
        reader.refuse_unknown(("source", "start", "end", "speed", "adjustment"))
        cleaned = {
            "source": reader.read("source", "sample", readers.choice, choices=Source.values),
            "start": reader.read("start", None, readers.day, low=FIRST_DAY, high=date.max),
            "end": reader.read("end", None, readers.day, low=FIRST_DAY, high=date.max),
            "speed": reader.read("speed", 60, readers.integer, low=0, high=1_000_000),
            "adjustment": reader.read("adjustment", ADJUSTMENTS[0], readers.choice, choices=ADJUSTMENTS),
        }
        if cleaned["start"] and cleaned["end"] and cleaned["end"] < cleaned["start"]:
            reader.fault("end", "out_of_range", "It is before the start", "Choose a later day")
        cleaned |= {name: cleaned[name].isoformat() if cleaned[name] else None for name in ("start", "end")}
    reader.finish()
    return cleaned


def calendar(user: User, feed: str, options: Mapping[str, Any], symbols: Sequence[str]) -> str:
    """The calendar that hours are judged by: an exchange's, unless every symbol trades round the clock."""
    if feed == SYNTHETIC:
        return ALWAYS_OPEN
    rows = visible_instruments(user).filter(symbol__in=symbols, source=options.get("source", ""))
    return ALWAYS_OPEN if set(rows.values_list("calendar", flat=True)) == {ALWAYS_OPEN} else EXCHANGE


def _refuse_unknown(user: User, symbols: Sequence[str], source: str) -> None:
    rows = visible_instruments(user).filter(symbol__in=symbols).values_list("symbol", "source")
    sources: dict[str, set[str]] = {}
    for symbol, having in rows:
        sources.setdefault(symbol, set()).add(having)
    faults = []
    for i, symbol in enumerate(symbols):
        elsewhere = sources.get(symbol, set())
        if source not in elsewhere:
            hint = f"It is in: {', '.join(sorted(elsewhere))}" if elsewhere else "The data page lists what there is"
            faults.append(Fault(f"symbols[{i}]", "not_found", f"The source {source} has no {symbol}", hint))
    if faults:
        raise InputError(faults)
