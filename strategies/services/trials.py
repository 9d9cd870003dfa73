"""Looks at trees over bars: on which bars is each true, and why? Asked for by a request, worked out by a worker."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from accounts import quotas
from accounts.models import User
from engine.errors import Fault, InputError
from marketdata.columns import TIMEFRAME_NS
from marketdata.models.instrument import Source
from marketdata.selectors import visible_instruments
from strategies import catalogue, readers, selectors, timeframes
from strategies.models import TREES, ConditionTest
from strategies.services import custom
from strategies.services.gate import CONDITIONS
from tradingsite.lib.errors import ApiError, TooMany

if TYPE_CHECKING:
    from engine import Bars

log = logging.getLogger(__name__)

FIELDS = (
    *custom.COLUMNS,
    "custom_strategy_id",
    "symbol",
    "timeframe",
    "start_date",
    "end_date",
    "source",
    "explain_at",
)
TIMEFRAMES = tuple(TIMEFRAME_NS)
MOST_EXPLAINED, MOST_BARS, MOST_AT_ONCE = 20, 200_000, 5
FIRST_DAY = date(1960, 1, 1)
_KEPT, _LOST_AFTER = timedelta(hours=1), timedelta(minutes=2)
_State = ConditionTest.State


def submit(user: User, payload: Any) -> ConditionTest:
    """Write down a look and hand it to a worker once the transaction is committed.

    payload: trees by name (buy_conditions, …) or ``custom_strategy_id`` of an own or public strategy; ``symbol``,
    ``timeframe``, ``start_date``, ``end_date``, ``source``; ``explain_at``: indexes of bars or starts of bars.
    Raises InputError with every fault, NotFound, TooMany where five of the user's wait or run already.
    """
    request = clean(user, payload)
    with transaction.atomic():
        quotas.lock(user)
        if ConditionTest.objects.filter(owner=user, state__in=ConditionTest.ACTIVE).count() >= MOST_AT_ONCE:
            raise TooMany(f"{MOST_AT_ONCE} tests of yours are running. Wait for one to end.", retry_after=2)
        test = ConditionTest.objects.create(owner=user, request=request)
        transaction.on_commit(lambda: _send(test.pk))
    return test


def clean(user: User, payload: Any) -> dict[str, Any]:
    """The cleaned request, JSON-ready. Raises InputError with every fault, NotFound."""
    raw = dict(readers.strict(readers.mapping, "", payload))
    reader = readers.Reader(raw)
    reader.refuse_unknown(FIELDS)
    trees: dict[str, Any] = {}
    sent = {column: raw.get(column) for column in custom.COLUMNS}
    if raw.get("custom_strategy_id") is not None:
        if any(tree is not None for tree in sent.values()):
            hint = "Send trees or custom_strategy_id, not both"
            reader.fault("custom_strategy_id", "conflict", "Trees are sent as well", hint)
        key = reader.read("custom_strategy_id", None, readers.integer, low=1, high=selectors.MAX_ID)
        trees = selectors.readable_custom(user, key).parameters if key is not None else {}
    else:
        trees = reader.attempt({}, custom.trees, sent)
    today = datetime.now(UTC).date()
    if raw.get("symbol") is None:
        reader.fault("symbol", "required", "Name a symbol, for example AAPL")
    symbol = reader.read("symbol", "", readers.symbol)
    source = reader.read("source", Source.SAMPLE, readers.choice, choices=Source.values)
    start = reader.read("start_date", None, readers.day, low=FIRST_DAY, high=today)
    end = reader.read("end_date", None, readers.day, low=FIRST_DAY, high=today)
    if start and end and end < start:
        reader.fault("end_date", "out_of_range", f"{end} is before the start, {start}", "Choose a later day")
    if source == Source.SYNTHETIC and start is None and raw.get("start_date") is None:
        reader.fault("start_date", "required", "Made prices have no beginning", "Name a first day")
    if symbol and source and source != Source.YAHOO:
        known = visible_instruments(user).filter(symbol=symbol)
        sources = sorted(set(known.values_list("source", flat=True)))
        if source not in sources:
            hint = f"It is in: {', '.join(sources)}" if sources else "The data page lists what there is"
            reader.fault("symbol", "not_found", f"The source {source} has no {symbol}", hint)
    timeframe = reader.read("timeframe", "1d", readers.choice, choices=TIMEFRAMES)
    if trees:
        reader.attempt(None, timeframes.refuse, catalogue.get(CONDITIONS), trees, timeframe)
    request = {
        "trees": trees,
        "symbol": symbol,
        "timeframe": timeframe,
        "start_date": start.isoformat() if start else None,
        "end_date": end.isoformat() if end else None,
        "source": source,
        "explain_at": reader.read("explain_at", [], _places),
    }
    reader.finish()
    return request


def run(test_id: uuid.UUID) -> None:
    """Take the look, if nobody has, and write what was seen or why it could not be."""
    rows = ConditionTest.objects.filter(pk=test_id)
    if not rows.filter(state=_State.QUEUED).update(state=_State.RUNNING):
        return
    test = rows.select_related("owner").get()
    try:
        values: dict[str, Any] = {"state": _State.DONE, "result": looked(test.request, test.owner)}
    except InputError as error:
        values = _failure("invalid_input", str(error), [fault.as_dict() for fault in error.faults])
    except ApiError as refusal:
        values = _failure(refusal.code, refusal.message)
    except SoftTimeLimitExceeded:
        values = _failure("too_slow", "It took too long. Take a shorter period, or make the conditions smaller.")
    except Exception:
        log.exception("condition test %s failed", test_id)
        values = _failure("internal_error", "Something is wrong on our side, not with your request.")
    rows.filter(state=_State.RUNNING).update(**values, finished_at=timezone.now())


def tidy() -> None:
    """End looks that no worker answered, forget those that are an hour old."""
    now = timezone.now()
    lost = ConditionTest.objects.filter(state__in=ConditionTest.ACTIVE, created_at__lt=now - _LOST_AFTER)
    lost.update(**_failure("lost", "No worker took it in time. Try again."), finished_at=now)
    ConditionTest.objects.filter(created_at__lt=now - _KEPT).delete()


def looked(request: Mapping[str, Any], owner: User | None) -> dict[str, Any]:
    """What trees say about the bars of a cleaned request, JSON-ready (`strategies.looking`). Raises InputError."""
    from marketdata.services import load_bars
    from strategies import looking

    loaded = load_bars(
        [request["symbol"]],
        request["timeframe"],
        request["start_date"] or FIRST_DAY,
        request["end_date"] or datetime.now(UTC).date(),
        source=request["source"],
        owner=owner,
    )
    bars: Bars = loaded.bars[request["symbol"]]
    if len(bars) > MOST_BARS:
        hint = "Take a shorter period or a coarser timeframe"
        message = f"There are {len(bars):,} bars; a test takes {MOST_BARS:,}"
        raise InputError(Fault("start_date", "too_large", message, hint))
    trees = {name: request["trees"].get(name) for name in TREES}
    told = looking.look(trees, bars, request["explain_at"])
    return {"source": request["source"], "synthetic": loaded.synthetic, "notes": loaded.notes, **told}


def _places(path: str, value: object) -> list[Any]:
    """Indexes of bars, or starts of bars in ISO-8601 with their zone."""
    found: list[Any] = []
    for i, place in enumerate(readers.array(path, value, low=0, high=MOST_EXPLAINED)):
        if isinstance(place, str):
            low, high = datetime(1960, 1, 1, tzinfo=UTC), datetime.now(UTC)
            found.append(readers.moment(f"{path}[{i}]", place, low=low, high=high).astimezone(UTC).isoformat())
        else:
            found.append(readers.integer(f"{path}[{i}]", place, low=0, high=10**9))
    return found


def _failure(code: str, reason: str, faults: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "state": _State.FAILED,
        "failure_code": code,
        "failure_reason": reason[:500],
        "failure_faults": faults or [],
    }


def _send(test_id: uuid.UUID) -> None:
    from strategies import tasks

    if not tasks.send_trial(test_id):
        values = _failure("unavailable", "The message server does not answer right now. Try again in a few seconds.")
        ConditionTest.objects.filter(pk=test_id).update(**values, finished_at=timezone.now())
