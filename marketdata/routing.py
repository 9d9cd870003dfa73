"""Which source is asked for a symbol's prices, and why: what "auto" means.

First the operator's rule for the symbol, then the installation's default (`DATA_PROVIDER`), then the others: whoever
has the range stored already, then by quality (completeness of what is stored, days on which its closes stood against
another source's), cost, and what is left of its budget. Left out are sources that do not have the symbol or the
timeframe, that have no key, that failed within the last two minutes, or whose budget is used up; what is stored needs
neither key nor budget. All bars of one symbol come from one source: two sources differ by auctions, by venues and by
corrections, and a series of both would have moves in it that nobody traded. Choices are kept and shown.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import redis
from django.conf import settings
from django.core.cache import cache
from django.db.models import F, QuerySet
from django.utils import timezone

from engine.errors import Fault, InputError
from marketdata import budget, usage
from marketdata.columns import TIMEFRAME_NS
from marketdata.models import Coverage, SourceChoice, SourceComparison, SourceRule
from marketdata.models.instrument import Source
from marketdata.providers import Provider, ProviderError
from marketdata.symbols import is_made

FAILING_S = 120
LIVE, HISTORY = Source.POLYGON.value, Source.YAHOO.value
_PAIR = re.compile(r"[A-Z0-9]{2,12}(USDT|USDC|FDUSD|BTC|ETH|BNB)", re.ASCII)
_COIN = re.compile(r"[A-Z0-9]{2,10}-(USD|USDT|USDC|BTC)", re.ASCII)
_LABELS = {source.value: source.label for source in Source}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A source as seen for one request. refusal: why it is not asked, or what came of asking; empty where it may be.
    why: what speaks for its place. has_stored: some bars of the symbol are there. cannot: it has no symbols of this
    kind, which is worth no word where another one answers."""

    source: str
    refusal: str = ""
    why: str = ""
    has_stored: bool = False
    cannot: bool = False


def ranked(symbol: str, timeframe: str, first: date, last: date) -> list[Verdict]:
    """Every source by network, in the order in which they are to be asked; those that are not, with the reason."""
    rule = SourceRule.objects.filter(symbol=symbol).first()
    default = settings.DATA_PROVIDER or HISTORY
    stored = {(row.instrument.source, row.timeframe): row for row in _stored(symbol)}
    doubts = _doubts(symbol)
    rows = []
    for source in (source.value for source in Source if source.by_network):
        held = stored.get((source, _native(source, timeframe)))
        is_whole = held is not None and held.asked_from.date() <= first and held.asked_to.date() > _last_day(last)
        refusal = "" if is_whole else _refusal(source, symbol, timeframe)
        verdict = Verdict(source, refusal, has_stored=held is not None, cannot=bool(_lacks(source, symbol)))
        complete = (held.quality.get("complete_pct") or 100.0) if held else 100.0
        price, left = usage.price_of(source), _left(source)
        if rule is not None and source == rule.source:
            place, why = 0, "an operator's rule for this symbol"
        elif source == default:
            place, why = 1, "the installation's first choice"
        else:
            place, why = 2, _why(is_whole, price == 0, left)
        key = (place, not is_whole, doubts.get(source, 0), -complete, price, -left, source)
        rows.append((key, replace(verdict, why=why)))
    return [verdict for _, verdict in sorted(rows, key=lambda row: row[0])]


def failed(verdict: Verdict, error: InputError) -> Verdict:
    """The verdict on a source that was asked and did not answer. What may pass (network, limits) is remembered for two
    minutes, so that the next request goes elsewhere at once."""
    cause = error.__cause__
    if isinstance(cause, ProviderError) and cause.retryable:
        with contextlib.suppress(redis.RedisError, OSError):
            cache.set(_failing_key(verdict.source), cause.message, FAILING_S)
    message = cause.message if isinstance(cause, ProviderError) else error.faults[0].message
    return replace(verdict, refusal=message)


def chosen(symbol: str, timeframe: str, one: Verdict, others: Sequence[Verdict]) -> str:
    """Keep the choice, and say it in a sentence."""
    passed_over = "".join(f" {_LABELS[v.source]}: {v.refusal}." for v in others if not v.cannot)
    reason = f"{_LABELS[one.source]} answered: {one.why}.{passed_over}"
    _keep(symbol, timeframe, one.source, reason, [*others, one])
    return f"{symbol}: {reason}"


def none_answered(symbol: str, timeframe: str, verdicts: Sequence[Verdict], path: str) -> InputError:
    """The refusal where no source could answer; kept like a choice."""
    said = " ".join(f"{_LABELS[v.source]}: {v.refusal}." for v in verdicts)
    _keep(symbol, timeframe, "", f"No source could answer. {said}", verdicts)
    return InputError(Fault(path, "no_data", f"no source has {symbol}", said))


def live_feed(symbol: str) -> str | None:
    """The feed that a session hears a symbol by when nobody names one: the default (`DATA_PROVIDER`, else Polygon) or
    the next that has a key; None where there is none."""
    order = dict.fromkeys([settings.DATA_PROVIDER or LIVE, LIVE, Source.ALPACA.value, Source.BINANCE.value])
    feeds = [source for source in order if source in (LIVE, Source.ALPACA, Source.BINANCE)]
    return next((one for one in feeds if not _lacks(one, symbol) and not _no_key(one, symbol)), None)


def failing(source: str) -> str:
    """What a source said when it could not answer, within the last two minutes; empty when it could."""
    try:
        return cache.get(_failing_key(source)) or ""
    except (redis.RedisError, OSError):
        return ""


def has_key(source: str) -> bool:
    """Whether there is a key of the source, or it needs none."""
    return not _no_key(source, "")


def _refusal(source: str, symbol: str, timeframe: str) -> str:
    """Why a source is not asked, checked from what costs nothing on; empty where nothing speaks against it."""
    if reason := _lacks(source, symbol):
        return reason
    if not _native(source, timeframe):
        return f"it has no {timeframe} bars"
    if reason := _no_key(source, symbol):
        return reason
    if reason := failing(source):
        return f"it failed a moment ago ({reason})"
    return "its budget is used up" if _left(source) <= 0.0 else ""


def _lacks(source: str, symbol: str) -> str:
    """Why a source cannot have a symbol, by the form of its name."""
    if is_made(symbol):
        return "it does not have made-up symbols"
    is_pair, is_coin = _PAIR.fullmatch(symbol) is not None, _COIN.fullmatch(symbol) is not None
    if source == Source.BINANCE:
        return "" if is_pair else "it has pairs such as BTCUSDT only"
    if is_coin:
        return "" if source == Source.ALPACA else "its coins have other names or other days"
    if is_pair and not symbol.endswith(("BTC", "ETH", "BNB")):
        return "it does not have pairs"
    if symbol.startswith("^") or "=" in symbol:
        return "" if source == Source.YAHOO else "it has no indices under this name"
    return ""


def _no_key(source: str, symbol: str) -> str:
    keys = {
        Source.POLYGON: bool(settings.POLYGON_API_KEY),
        Source.ALPACA: bool(settings.ALPACA_API_KEY and settings.ALPACA_API_SECRET) or bool(_COIN.fullmatch(symbol)),
        Source.ALPHA_VANTAGE: bool(settings.ALPHA_VANTAGE_API_KEY),
    }
    return "" if keys.get(Source(source), True) else "it has no key here"


def _native(source: str, timeframe: str) -> str:
    """The timeframe of the source that bars of this one are read from: itself, or the finest that makes it; empty where
    there is none."""
    known, length = _provider(source).capabilities.timeframes, TIMEFRAME_NS[timeframe]
    if timeframe in known:
        return timeframe
    finer = [t for t in known if t != "1s" and length % TIMEFRAME_NS[t] == 0]
    return min(finer, key=TIMEFRAME_NS.__getitem__, default="")


def budget_scope(source: str) -> str:
    """The name of the installation's own budget at a source by network."""
    return _provider(source).budget_scope


def _left(source: str) -> float:
    """The part of its budget that is left, 0.0 to 1.0."""
    return budget.left(budget_scope(source), budget.limits_of(source))


def _provider(source: str) -> Provider:
    from marketdata.services import filling

    provider = filling.provider_of(source)
    if provider is None:
        raise ValueError(f"{source} has no provider")
    return provider


def _stored(symbol: str) -> QuerySet[Coverage]:
    """Every series of a symbol that everybody sees."""
    rows = Coverage.objects.filter(instrument__symbol=symbol, instrument__owner=None).select_related("instrument")
    return rows.defer("files")


def _doubts(symbol: str) -> dict[str, int]:
    """{source: days on which its closes stood against another's}."""
    found: dict[str, int] = {}
    rows = SourceComparison.objects.filter(symbol=symbol, differing__gt=0)
    pairs = rows.values_list("first__instrument__source", "second__instrument__source", "differing")
    for first, second, differing in pairs:
        for source in (first, second):
            found[source] = found.get(source, 0) + differing
    return found


def _why(is_whole: bool, is_free: bool, left: float) -> str:
    if is_whole:
        return "it has the whole range stored"
    return f"next by quality, cost ({'free' if is_free else 'paid by request'}) and budget ({left:.0%} left)"


def _last_day(last: date) -> date:
    """The last whole day of a request: today's bars are fetched by nobody."""
    return min(last, timezone.now().date() - timedelta(days=1))


def _keep(symbol: str, timeframe: str, source: str, reason: str, order: Sequence[Verdict]) -> None:
    values = {
        "source": source,
        "reason": reason,
        "considered": [{"source": v.source, "verdict": v.refusal or v.why} for v in order],
        "chosen_at": timezone.now(),
    }
    row, _ = SourceChoice.objects.update_or_create(symbol=symbol, timeframe=timeframe, defaults=values)
    SourceChoice.objects.filter(pk=row.pk).update(times=F("times") + 1)


def _failing_key(source: str) -> str:
    return f"marketdata:failing:{source}"
