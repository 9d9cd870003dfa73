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

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts import selectors as people
from accounts.models import BrokerAccount, User
from engine.errors import Fault, InputError
from marketdata import routing
from marketdata.adjust import ADJUSTMENTS
from marketdata.columns import TIMEFRAME_NS
from marketdata.feeds.live import places
from marketdata.models import Coverage
from marketdata.models.instrument import Source
from marketdata.selectors import calendar_confirmed, visible_instruments
from marketdata.zones import ALWAYS_OPEN
from strategies import readers
from tradingsite.lib.errors import NotFound, Unavailable

SYNTHETIC, REPLAY = "synthetic", "replay"
ALPACA, POLYGON, BINANCE = LIVE = ("alpaca", "polygon", "binance")
"""Vendors' prices of this moment."""
FEEDS = (SYNTHETIC, REPLAY, *LIVE)
MADE = re.compile(r"SIM-[A-Z0-9]{1,12}", re.ASCII)
PAIR = re.compile(r"[A-Z0-9]{5,20}", re.ASCII)
DEFAULT_SEED = 20260101
EXCHANGE = "XNYS"
FIRST_DAY, LAST_DAY = date(1960, 1, 1), date(2100, 1, 1)
OPTIONS = {
    SYNTHETIC: ("seed", "ticks_per_s", "accelerate"),
    REPLAY: ("source", "start", "end", "timeframe", "adjustment", "speed", "keep_gaps"),
    ALPACA: ("account",),
    POLYGON: (),
    BINANCE: ("account",),
}
_SEALS = ("anchor", "owner", "run", "market", "candles")
_MAX_ID = 2**63 - 1
_TIMEFRAMES = tuple(TIMEFRAME_NS)


def default(symbols: Sequence[str], timeframe: str = "1m", account: BrokerAccount | None = None) -> str:
    """The feed of a request that names none: at a broker the broker's own prices, where it has any; else those of the
    vendor that the installation asks first and has a key of, where it has all the symbols.

    timeframe: the finest that the session needs; the practice venue's stocks have no seconds, their maker has. Raises
    InputError where nothing can be guessed.
    """
    made = all(MADE.fullmatch(symbol) for symbol in symbols)
    if account is not None and account.kind in (ALPACA, BINANCE) and not (made and timeframe == "1s"):
        return str(account.kind)
    if made:
        return SYNTHETIC
    vendors = {routing.live_feed(symbol) for symbol in symbols}
    if len(vendors) == 1 and (vendor := vendors.pop()) is not None:
        return vendor
    hint = (
        'Send feed: "replay" to trade stored bars again (feed_options: source, start, end), "alpaca", "polygon" or '
        '"binance" for prices of this moment, or symbols like SIM-ALPHA and feed: "synthetic" for a made market'
    )
    raise InputError(Fault("feed", "required", "These symbols have no feed by themselves", hint))


def clean_options(
    user: User,
    feed: str,
    options: Mapping[str, Any],
    symbols: Sequence[str],
    timeframe: str,
    account: BrokerAccount | None = None,
) -> dict[str, Any]:
    """The options of a feed, checked and JSON-ready, its defaults filled in.

    timeframe: the finest that the session needs. account: that of a LIVE session, whose keys its broker's feed uses
    where no other is named. Options that `sealed` added are left out, so that what a session has can be sent again.
    Raises InputError; paths begin with ``feed_options``, ``symbols`` or ``timeframe``.
    """
    reader = readers.Reader({name: value for name, value in options.items() if name not in _SEALS})
    reader.refuse_unknown(OPTIONS[feed])
    if feed in LIVE:
        return _live(user, feed, reader, symbols, timeframe, account)
    _refuse_other_market(feed, symbols)
    cleaned = _synthetic(reader) if feed == SYNTHETIC else _replay(reader)
    if reader.faults:
        raise InputError(reader.faults).under("feed_options")
    return cleaned if feed == SYNTHETIC else _stored(user, cleaned, symbols, timeframe)


def refuse_unknown_hours(calendar: str, feed: str) -> None:
    """Raises Unavailable where a session would run by an exchange's hours that nobody knows, or has confirmed for a
    day. A replay runs by those of its past."""
    if feed not in LIVE or calendar == ALWAYS_OPEN:
        return
    known = calendar_confirmed(calendar, timezone.now())
    if known is None:
        text = f"The hours of {calendar} are not known here, so no session starts by them. An operator loads them."
        raise Unavailable(text, code="calendar_unknown")
    if known.is_old:
        raise Unavailable(
            f"The hours of {calendar} were last confirmed {known.at:%Y-%m-%d %H:%M} UTC, which is more than a day ago:"
            f" no session starts by them until they are confirmed again. {known.problem}".rstrip(),
            code="calendar_too_old",
        )


def sealed(user: User, feed: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the session's own feed key: whose bars, and a clock that begins now."""
    if feed == REPLAY:
        return {**options, "owner": user.pk, "run": uuid.uuid4().hex}
    if feed in LIVE or options["accelerate"] == 1:
        return dict(options)
    return {**options, "anchor": timezone.now().isoformat()}


def unsealed(options: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for: the options without what `sealed` added."""
    return {name: value for name, value in options.items() if name not in _SEALS}


def calendar(user: User, feed: str, options: Mapping[str, Any], symbols: Sequence[str]) -> str:
    """The calendar that hours are judged by: an exchange's, unless every symbol trades round the clock."""
    if feed == SYNTHETIC:
        return ALWAYS_OPEN
    if feed in LIVE:
        found = {places.calendar_of(symbol, feed) for symbol in symbols}
        return ALWAYS_OPEN if found == {ALWAYS_OPEN} else EXCHANGE
    rows = visible_instruments(user).filter(symbol__in=symbols, source=options.get("source", ""))
    return ALWAYS_OPEN if set(rows.values_list("calendar", flat=True)) == {ALWAYS_OPEN} else EXCHANGE


def _refuse_other_market(feed: str, symbols: Sequence[str]) -> None:
    strangers = [i for i, symbol in enumerate(symbols) if bool(MADE.fullmatch(symbol)) != (feed == SYNTHETIC)]
    if strangers:
        names = "SIM-ALPHA, SIM-01 or another SIM- name" if feed == SYNTHETIC else "Those that the data page lists"
        raise InputError(
            Fault(f"symbols[{i}]", "not_found", f"The feed {feed} has no {symbols[i]}", names) for i in strangers
        )


def _live(
    user: User,
    feed: str,
    reader: readers.Reader,
    symbols: Sequence[str],
    timeframe: str,
    account: BrokerAccount | None,
) -> dict[str, Any]:
    """The options of a vendor's feed: whose keys, and what the key of its one connection needs to know."""
    named = reader.read("account", None, readers.integer, low=1, high=_MAX_ID) if "account" in OPTIONS[feed] else None
    if reader.faults:
        raise InputError(reader.faults).under("feed_options")
    if named is not None:
        account = _account(user, feed, named)
    elif account is None or account.kind != feed:
        account = None
    _refuse_unheard(feed, symbols, timeframe, account)
    options: dict[str, Any] = {} if account is None else {"account": account.pk}
    if feed == ALPACA:
        _refuse_without_keys(account is not None or bool(settings.ALPACA_API_KEY), "ALPACA_API_KEY", "Alpaca")
        options["market"] = places.COINS if places.is_coin(symbols[0]) else places.STOCKS
    elif feed == POLYGON:
        _refuse_without_keys(bool(settings.POLYGON_API_KEY), "POLYGON_API_KEY", "Polygon")
    else:
        options["candles"] = "1s" if timeframe == "1s" else "1m"
    return options


def _account(user: User, feed: str, key: int) -> BrokerAccount:
    try:
        found = people.broker_account(user, key)
    except NotFound:
        found = None
    if found is None or found.kind != feed or found.closed_at is not None:
        text = f"There is no such account at {feed.capitalize()}"
        raise InputError(Fault("feed_options.account", "not_found", text, "Choose one of yours, or leave it out"))
    return found


def _refuse_unheard(feed: str, symbols: Sequence[str], timeframe: str, account: BrokerAccount | None) -> None:
    """Raises InputError for symbols or bars that the vendor's stream cannot give."""
    practice = account is not None and account.environment == BrokerAccount.Environment.PRACTICE
    faults = []
    if timeframe == "1s" and feed != BINANCE:
        text = f"The feed {feed} gives bars of a minute, not of a second"
        faults.append(Fault("timeframe", "unknown_choice", text, "Choose 1m or coarser"))
    for i, symbol in enumerate(symbols):
        coin = places.is_coin(symbol)
        if MADE.fullmatch(symbol) and not (practice and feed == ALPACA):
            hint = "The feeds synthetic, and alpaca with a practice account, have it"
            faults.append(Fault(f"symbols[{i}]", "not_found", f"The feed {feed} has no {symbol}", hint))
        elif feed == POLYGON and coin:
            faults.append(Fault(f"symbols[{i}]", "not_found", f"The feed polygon has no {symbol}", "Stocks only"))
        elif feed == ALPACA and coin != places.is_coin(symbols[0]):
            hint = "Coins come by another stream: a session of their own"
            faults.append(Fault(f"symbols[{i}]", "conflict", "Stocks and coins in one session", hint))
        elif feed == BINANCE and not PAIR.fullmatch(symbol.replace("-", "").replace("/", "")):
            faults.append(Fault(f"symbols[{i}]", "not_found", f"{symbol} is no pair of Binance", "BTCUSDT"))
    if faults:
        raise InputError(faults)


def _refuse_without_keys(there: bool, name: str, vendor: str) -> None:
    if not there:
        text = f"This installation has no keys of {vendor}"
        hint = f"Its operator sets {name}" + ("; or choose an account of yours" if vendor == "Alpaca" else "")
        raise InputError(Fault("feed", "unavailable", text, hint))


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
