"""Which feed a session listens to, and what may be asked of it.

What a user sends are a feed's options; `sealed` adds what makes a `marketdata.feeds.FeedKey` of them. The web process
checks them here and never opens a feed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from engine.errors import Fault, InputError
from marketdata.adjust import ADJUSTMENTS
from marketdata.columns import TIMEFRAME_NS
from marketdata.models import Coverage
from marketdata.models.instrument import Source
from marketdata.selectors import visible_instruments
from marketdata.zones import ALWAYS_OPEN
from strategies import readers

SYNTHETIC, REPLAY = "synthetic", "replay"
FEEDS = (SYNTHETIC, REPLAY)
MADE = re.compile(r"SIM-[A-Z0-9]{1,12}", re.ASCII)
DEFAULT_SEED = 20260101
EXCHANGE = "XNYS"
FIRST_DAY, LAST_DAY = date(1960, 1, 1), date(2100, 1, 1)
OPTIONS = {
    SYNTHETIC: ("seed", "ticks_per_s", "accelerate"),
    REPLAY: ("source", "start", "end", "timeframe", "adjustment", "speed", "keep_gaps"),
}
_SEALS = ("anchor", "owner", "run")
_TIMEFRAMES = tuple(TIMEFRAME_NS)


def default(symbols: Sequence[str]) -> str:
    """The feed of a request that names none. Raises InputError where nothing can be guessed."""
    if all(MADE.fullmatch(symbol) for symbol in symbols):
        return SYNTHETIC
    hint = (
        'Send feed: "replay" to trade stored bars again (feed_options: source, start, end), '
        'or symbols like SIM-ALPHA and feed: "synthetic" for a made market'
    )
    raise InputError(Fault("feed", "required", "These symbols have no live feed", hint))


def clean_options(
    user: User, feed: str, options: Mapping[str, Any], symbols: Sequence[str], timeframe: str
) -> dict[str, Any]:
    """The options of a feed, checked and JSON-ready, its defaults filled in.

    timeframe: the finest that the session needs. Options that `sealed` added are left out, so that what a session has
    can be sent again. Raises InputError; paths begin with ``feed_options`` or ``symbols``.
    """
    _refuse_other_market(feed, symbols)
    reader = readers.Reader({name: value for name, value in options.items() if name not in _SEALS})
    reader.refuse_unknown(OPTIONS[feed])
    cleaned = _synthetic(reader) if feed == SYNTHETIC else _replay(reader)
    if reader.faults:
        raise InputError(reader.faults).under("feed_options")
    return cleaned if feed == SYNTHETIC else _stored(user, cleaned, symbols, timeframe)


def sealed(user: User, feed: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the session's own feed key: whose bars, and a clock that begins now."""
    if feed == REPLAY:
        return {**options, "owner": user.pk, "run": uuid.uuid4().hex}
    return dict(options) if options["accelerate"] == 1 else {**options, "anchor": timezone.now().isoformat()}


def unsealed(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for: the options without what `sealed` added."""
    return {name: value for name, value in options.items() if name not in _SEALS}


def calendar(user: User, feed: str, options: Mapping[str, Any], symbols: Sequence[str]) -> str:
    """The calendar that hours are judged by: an exchange's, unless every symbol trades round the clock."""
    if feed == SYNTHETIC:
        return ALWAYS_OPEN
    rows = visible_instruments(user).filter(symbol__in=symbols, source=options.get("source", ""))
    return ALWAYS_OPEN if set(rows.values_list("calendar", flat=True)) == {ALWAYS_OPEN} else EXCHANGE


def _refuse_other_market(feed: str, symbols: Sequence[str]) -> None:
    strangers = [i for i, symbol in enumerate(symbols) if bool(MADE.fullmatch(symbol)) != (feed == SYNTHETIC)]
    if strangers:
        names = "SIM-ALPHA, SIM-01 or another SIM- name" if feed == SYNTHETIC else "Those that the data page lists"
        raise InputError(
            Fault(f"symbols[{i}]", "not_found", f"The feed {feed} has no {symbols[i]}", names) for i in strangers
        )


def _synthetic(reader: readers.Reader) -> dict[str, Any]:
    return {
        "seed": reader.read("seed", DEFAULT_SEED, readers.integer, low=0, high=2**31 - 1),
        "ticks_per_s": reader.read("ticks_per_s", 2, readers.integer, low=1, high=50),
        "accelerate": reader.read("accelerate", 1, readers.integer, low=1, high=3_600),
    }


def _replay(reader: readers.Reader) -> dict[str, Any]:
    start = reader.read("start", None, readers.day, low=FIRST_DAY, high=LAST_DAY)
    end = reader.read("end", None, readers.day, low=FIRST_DAY, high=LAST_DAY)
    if start and end and end < start:
        reader.fault("end", "out_of_range", f"{end} is before the start, {start}", "Choose a later day")
    return {
        "source": reader.read("source", Source.SAMPLE.value, readers.choice, choices=Source.values),
        "start": start,
        "end": end,
        "timeframe": reader.read("timeframe", None, readers.choice, choices=_TIMEFRAMES),
        "adjustment": reader.read("adjustment", ADJUSTMENTS[0], readers.choice, choices=ADJUSTMENTS),
        "speed": reader.read("speed", 0, readers.integer, low=0, high=100_000),
        "keep_gaps": reader.read("keep_gaps", False, readers.boolean),
    }


def _stored(user: User, options: dict[str, Any], symbols: Sequence[str], finest: str) -> dict[str, Any]:
    """The options with the stored series they stand for: which bars, from which day to which. Two queries."""
    rows = _series(user, options["source"], symbols)
    usable = [
        name
        for name in _TIMEFRAMES[: _TIMEFRAMES.index(finest) + 1]
        if all(name in rows[symbol] for symbol in symbols) and TIMEFRAME_NS[finest] % TIMEFRAME_NS[name] == 0
    ]
    asked = options["timeframe"]
    if not usable or (asked is not None and asked not in usable):
        of_what = f"{asked} bars that make {finest} bars" if asked else f"bars of {finest} or finer"
        stored = "; ".join(f"{symbol} has {', '.join(rows[symbol]) or 'none'}" for symbol in symbols[:5])
        path = "timeframe" if asked is None else "feed_options.timeframe"
        raise InputError(Fault(path, "not_found", f"There are no {of_what} of all symbols", f"Stored: {stored}"))
    base = asked or usable[-1]
    firsts, lasts = zip(*(rows[symbol][base] for symbol in symbols), strict=True)
    start, end = options["start"] or max(firsts), options["end"] or min(lasts)
    if end < start or end < max(firsts) or start > min(lasts):
        text = f"Bars of all symbols are stored from {max(firsts)} to {min(lasts)}"
        raise InputError(Fault("feed_options.start", "out_of_range", "No bars are stored of those days", text))
    return {**options, "timeframe": base, "start": start.isoformat(), "end": end.isoformat()}


def _series(user: User, source: str, symbols: Sequence[str]) -> dict[str, dict[str, tuple[date, date]]]:
    """{symbol: {timeframe: (first day, last day)}}, the finest first. Raises InputError for what the source lacks."""
    # The user's own import stands before everybody's of the same name.
    rows = visible_instruments(user).filter(symbol__in=symbols).order_by(F("owner").asc(nulls_first=True))
    known = {(symbol, having): pk for pk, symbol, having in rows.values_list("pk", "symbol", "source")}
    faults = []
    for i, symbol in enumerate(symbols):
        if (symbol, source) not in known:
            elsewhere = sorted(having for name, having in known if name == symbol)
            hint = f"It is in: {', '.join(elsewhere)}" if elsewhere else "The data page lists what there is"
            faults.append(Fault(f"symbols[{i}]", "not_found", f"The source {source} has no {symbol}", hint))
    if faults:
        raise InputError(faults)
    found: dict[str, dict[str, tuple[date, date]]] = {symbol: {} for symbol in symbols}
    names = {known[symbol, source]: symbol for symbol in symbols}
    stored = Coverage.objects.filter(instrument_id__in=names)
    listed = stored.values_list("instrument_id", "timeframe", "first_at", "last_at")
    for pk, name, first, last in sorted(listed, key=lambda row: _TIMEFRAMES.index(row[1])):
        found[names[pk]][name] = (first.date(), last.date())
    return found
