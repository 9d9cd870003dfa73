"""Writes: what a user does with backtests. Pages, API and commands call these and nothing below them.

Every function takes the acting user and touches only that user's rows; other ids raise `NotFound`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from accounts import quotas
from accounts.models import User
from backtests import estimate, selectors, tasks
from backtests.claims import claims
from backtests.jobs import submitting
from backtests.models import Backtest, PerformanceRecord
from backtests.runner import RunConfig, clean
from engine.errors import Fault, InputError
from marketdata.models.instrument import AUTO, Source
from marketdata.selectors import visible_instruments
from marketdata.zones import ALWAYS_OPEN
from strategies import catalogue, readers, reading, session_settings
from strategies import selectors as strategy_selectors
from strategies import services as strategy_services
from strategies.models import UserStrategy
from strategies.services import gate
from tradingsite.lib.errors import Conflict

EXCHANGE = "XNYS"
_State = Backtest.State


def submit(user: User, payload: Any, idempotency_key: str | None = None) -> Backtest:
    """Check a request, write the row and hand it to a worker once the transaction is committed.

    payload: the body of POST /api/backtest/run (`backtests.runner.config.RunConfig`), plus ``saved_strategy_id`` in the
    place of a strategy, and ``confirm_cautions``: true to run settings that `check` warns about. Of a custom strategy
    (``custom_strategy_id``) the trees are copied: a later change of it changes no backtest.
    idempotency_key: sent twice with the same request it gives the same row; it is the user's own, 1–200 characters.
    Raises InputError (400), Unprocessable (422, cautions to be confirmed, a custom strategy that may not run),
    QuotaExceeded and NotAllowed (403, conditions on a tier without them), Conflict (409, the key was used for another
    request).
    """
    config, saved, cautions = check(user, payload)
    submitting.refuse_unconfirmed(payload, cautions)
    return _create(user, config, saved, readers.idempotency_key(idempotency_key))


def start(user: User, config: RunConfig, idempotency_key: str | None = None) -> Backtest:
    """As `submit`, of a request that was read and confirmed before: a variant of a run that is known here."""
    _available(user, config)
    gate.check_tier(user, config.strategy, config.strategy_parameters)
    return _create(user, config, None, readers.idempotency_key(idempotency_key))


def check(user: User, payload: Any) -> tuple[RunConfig, UserStrategy | None, list[Fault]]:
    """The cleaned request, the saved strategy it names, and what is unusual about it; nothing is written.

    For live validation of the form, too. Raises InputError with every fault, and what `submit` raises before it writes.
    """
    saved = custom = None
    payload = submitting.without_confirmation(payload)
    if isinstance(payload, Mapping):
        if payload.get(gate.FIELD) is not None:
            custom = gate.runnable(user, payload[gate.FIELD])
            payload = gate.with_custom(payload, custom)
        saved_id = payload.pop("saved_strategy_id", None)
        if saved_id is not None:
            saved = _saved_strategy(user, saved_id)
            payload = _with_saved(payload, saved)
    config = clean(payload)
    reading.refuse_unavailable(catalogue.get(config.strategy))
    gate.check_tier(user, config.strategy, config.strategy_parameters)
    calendar = _calendar(_available(user, config))
    settings = session_settings.clean(config.settings)
    cautions = [
        replace(caution, path=f"settings.{caution.path}")
        for caution in session_settings.cautions(settings, calendar=calendar)
    ]
    return config, saved, cautions + gate.unusual(config.strategy, config.strategy_parameters, settings, custom)


def cancel(user: User, backtest_id: uuid.UUID | str) -> Backtest:
    """Stop it: at once while it waits, within about a second while it runs. Over already: nothing happens."""
    backtest = selectors.get(user, backtest_id)
    claims.cancel(backtest)
    return backtest


def rerun(user: User, backtest_id: uuid.UUID | str, idempotency_key: str | None = None) -> Backtest:
    """A new backtest with exactly the same request. When done, its `rerun_report` says "identical" or what changed.

    Raises Conflict while the original still waits or runs, and when the strategy is gone or takes these parameters no
    longer; else as `submit`.
    """
    original = selectors.get(user, backtest_id)
    if original.is_active:
        raise Conflict(
            "It is not over yet, so there is nothing to compare a rerun with. Wait for its end or cancel it."
        )
    try:
        config = clean(original.config)
        _available(user, config)
    except InputError as error:
        raise Conflict(
            "It cannot be run again: the platform has changed and refuses the stored request.",
            code="not_repeatable",
            faults=error.faults,
        ) from None
    gate.check_tier(user, config.strategy, config.strategy_parameters)
    saved = None
    if original.saved_strategy_id is not None:
        saved = UserStrategy.objects.filter(owner=user, pk=original.saved_strategy_id).first()
    return _create(user, config, saved, readers.idempotency_key(idempotency_key), rerun_of=original)


def remove(user: User, backtest_id: uuid.UUID | str) -> None:
    """Delete it with its result and performance record. A worker that is at it notices and stops."""
    selectors.get(user, backtest_id).delete()


def save_as_strategy(user: User, backtest_id: uuid.UUID | str, name: str) -> UserStrategy:
    """Keep a finished backtest's strategy and parameters under a name. Raises Conflict while it is not DONE."""
    backtest = selectors.get(user, backtest_id)
    if backtest.state != _State.DONE:
        raise Conflict("Only the strategy of a finished backtest can be saved.")
    return strategy_services.create(
        user,
        name=name,
        strategy=backtest.strategy,
        parameters=backtest.parameters,
        settings=session_settings.changed(backtest.settings),
        source_backtest=backtest.pk,
    )


def remove_performance(user: User, record_id: int) -> None:
    """Delete one performance record; the backtest it came from stays."""
    deleted, _ = PerformanceRecord.objects.filter(owner=user, pk=record_id).delete()
    if not deleted:
        selectors.performance_record(user, record_id)


def _create(
    user: User, config: RunConfig, saved: UserStrategy | None, key: str | None, rerun_of: Backtest | None = None
) -> Backtest:
    plain = config.as_dict()
    with transaction.atomic():
        # One lock per user: double clicks and parallel posts queue here, so that the key and the quota hold.
        locked = quotas.lock(user)
        if (before := submitting.sent_before(Backtest, user, key, plain)) is not None:
            return before
        submitting.count(locked, active=selectors.active_count(user), bars=estimate.bars_at_least(user, config))
        strategy = catalogue.get(config.strategy)
        backtest = Backtest.objects.create(
            owner=user,
            name=config.name,
            config=plain,
            strategy=config.strategy,
            strategy_label=label_of(user, config, saved),
            strategy_version=strategy.version(),
            saved_strategy_id=saved.pk if saved else None,
            parameters=config.strategy_parameters,
            settings=config.settings,
            symbols=list(config.symbols),
            timeframe=config.timeframe,
            start_date=config.start_date,
            end_date=config.end_date,
            initial_capital=config.initial_capital,
            seed=config.seed,
            idempotency_key=key,
            rerun_of=rerun_of,
            phase="waiting",
        )
        transaction.on_commit(lambda: tasks.enqueue(backtest.pk))
    return backtest


def label_of(user: User, config: RunConfig, saved: UserStrategy | None) -> str:
    """What the strategy is called: as its owner named it, else as the catalogue does."""
    name = saved.name if saved else None
    if config.custom_strategy_id is not None:
        rows = strategy_selectors.custom_of(user).filter(pk=config.custom_strategy_id)
        name = rows.values_list("name", flat=True).first()
    return (name or catalogue.get(config.strategy).label)[: Backtest._meta.get_field("strategy_label").max_length]


def _available(user: User, config: RunConfig) -> set[str]:
    """The calendars of the run's symbols, as far as they are known here. One query.

    Raises InputError for bars that the platform surely has not, before a worker is bothered.
    """
    if config.source == AUTO:
        return set()  # whoever is asked lists what it is asked for
    if config.source not in Source.values:
        known = ", ".join([*Source.values, AUTO])
        raise InputError(Fault("source", "unknown_choice", f"There is no source {config.source}", f"One of: {known}"))
    if config.source == Source.SYNTHETIC and config.start_date is None:
        hint = "Name a first day; a year of minutes is about 98,000 bars"
        raise InputError(Fault("start_date", "required", "Made prices have no beginning", hint))
    if Source(config.source).by_network:
        return set()  # it lists what it is asked for
    asked = [("benchmark", config.benchmark)] if config.benchmark else []
    asked += [(f"symbols[{i}]", symbol) for i, symbol in enumerate(config.symbols)]
    rows = visible_instruments(user).filter(symbol__in={symbol for _, symbol in asked})
    sources: dict[str, set[str]] = {}
    calendars = set()
    for symbol, source, calendar in rows.values_list("symbol", "source", "calendar"):
        sources.setdefault(symbol, set()).add(source)
        if source == config.source and symbol in config.symbols:
            calendars.add(calendar)
    faults = []
    for path, symbol in asked:
        elsewhere = sources.get(symbol, set())
        if config.source not in elsewhere:
            hint = f"It is in: {', '.join(sorted(elsewhere))}" if elsewhere else "The data page lists what there is"
            faults.append(Fault(path, "not_found", f"The source {config.source} has no {symbol}", hint))
    if faults:
        raise InputError(faults)
    return calendars


def _calendar(calendars: set[str]) -> str:
    """The one that hours are judged by: an exchange's, unless every symbol trades round the clock."""
    return ALWAYS_OPEN if calendars == {ALWAYS_OPEN} else EXCHANGE


def _with_saved(payload: dict[str, Any], saved: UserStrategy) -> dict[str, Any]:
    """The request with the saved strategy's parameters and settings under what was sent."""
    if payload.get("strategy") not in (None, saved.strategy):
        message = f"The saved strategy is a {saved.strategy}"
        raise InputError(Fault("strategy", "conflict", message, "Send strategy or saved_strategy_id, not both"))
    merged = {**payload, "strategy": saved.strategy}
    for name, kept in (("strategy_parameters", saved.parameters), ("settings", saved.settings)):
        sent = payload.get(name)
        if sent is None or isinstance(sent, Mapping):
            merged[name] = {**kept, **(sent or {})}
    return merged


def _saved_strategy(user: User, value: object) -> UserStrategy:
    key = readers.strict(readers.integer, "saved_strategy_id", value, low=1, high=2**63 - 1)
    return strategy_selectors.get(user, key)
