"""What a session is asked to do: the body of POST /api/trading/sessions/start, checked and with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import BrokerAccount, User
from bots import selectors
from bots.live.hurry import refuse_hurry
from bots.models import Bot, Mode
from bots.services import at_broker, feeds
from engine.errors import Fault, InputError
from marketdata.columns import SECOND, TIMEFRAME_NS
from marketdata.zones import ALWAYS_OPEN
from strategies import catalogue, readers, reading, session_settings, timeframes
from strategies import selectors as strategy_selectors
from strategies.models import CustomStrategy, UserStrategy
from strategies.services import gate
from tradingsite.lib.errors import Unprocessable

FIELDS = (
    "mode", "initial_cash", "symbols", "timeframe", "match_timeframe", "strategy", "saved_strategy_id",
    "custom_strategy_id", "model_id", "strategy_parameters", "preset", "settings", "feed", "feed_options",
    "scheduled_end_time", "bot_id", "broker_account_id", "name", "confirm_cautions",
    "passport_override",
)  # fmt: skip
TIMEFRAMES = tuple(TIMEFRAME_NS)
MIN_CASH, MAX_CASH = 1, 1_000_000_000_000
MAX_SYMBOLS, MAX_SYMBOL_LENGTH, MAX_NAME = 50, 24, 80
MIN_REASON, MAX_REASON = 10, 300
LONGEST = timedelta(days=5 * 366)
_MAX_ID = 2**63 - 1
# What says which strategy is to run. Without any of them a bot runs its own.
_CHOICES = ("strategy", "strategy_parameters", "saved_strategy_id", "custom_strategy_id")


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A cleaned request. Money is Decimal; `settings` holds every setting, JSON-ready.

    scheduled_end_time: aware, None: until somebody stops it. cautions: what is unusual; confirmed: run it all the same.
    account: whose orders a LIVE session sends; None on paper. passport_override: why it may trade real money without a
    passing passport; "" where nothing was said. calendar: whose hours it runs by.
    """

    initial_cash: Decimal
    symbols: tuple[str, ...]
    timeframe: str
    match_timeframe: str
    strategy: str
    strategy_parameters: dict[str, Any]
    settings: dict[str, Any]
    feed: str
    feed_options: dict[str, Any]
    name: str
    scheduled_end_time: datetime | None
    bot: Bot | None
    saved_strategy: UserStrategy | None
    custom_strategy: CustomStrategy | None
    cautions: tuple[Fault, ...]
    confirmed: bool
    mode: str = Mode.PAPER
    account: BrokerAccount | None = None
    passport_override: str = ""
    calendar: str = ALWAYS_OPEN


def clean(user: User, payload: Any) -> SessionRequest:
    """The request with its defaults, a bot's or a saved strategy's values under what was sent; nothing is written. A
    bot's session trades where the bot does, unless the request says otherwise.

    The trees of a custom strategy are copied. Raises InputError with every fault, NotFound for a bot, strategy
    or broker account that is not the user's, NotAllowed for conditions on a tier without them (a bot's own indicator
    rules are for everybody), Conflict for an account that is not in use, Unprocessable for what cannot run (real money
    where it is off, models, a custom strategy that is off or failed its check). Which symbols a broker lists, and what
    cash is free there, is looked at when the session is started.
    """
    raw = dict(readers.strict(readers.mapping, "", payload))
    refuse_unavailable(raw)
    bot, saved = _bot(user, raw), _saved(user, raw)
    if bot is not None:
        raw = at_broker.at_place_of(bot, raw)
    mode, account = at_broker.read_mode(user, raw)
    as_bot = bot is not None and all(raw.get(name) is None for name in _CHOICES)
    custom = None
    if raw.get(gate.FIELD) is not None:
        custom = gate.runnable(user, raw[gate.FIELD])
        raw = gate.with_custom(raw, custom)
    if bot is not None:
        raw = _over(of_bot(bot, pace="timeframe" not in raw and "match_timeframe" not in raw), raw)
        saved = saved or bot.saved_strategy
        if as_bot and bot.custom_strategy is not None:
            custom = bot.custom_strategy
            gate.refuse_unfit(custom, bot.strategy_parameters)
    elif saved is not None:
        raw = with_saved(raw, saved)
    request = replace(_read(user, raw, bot, saved, custom, account), mode=mode, account=account)
    if account is not None:
        at_broker.refuse_what_needs_matching(request.feed, request.strategy, request.settings)
        refuse_hurry(request.feed, request.feed_options)
    if not (as_bot and bot is not None and bot.indicators):
        gate.check_tier(user, request.strategy, request.strategy_parameters)
    return request


def of_bot(bot: Bot, *, pace: bool = True) -> dict[str, Any]:
    """A bot's configuration as a request. pace: its bars as its trading frequency has them (`Bot.paced`)."""
    timeframe, match_timeframe = bot.paced if pace else (bot.timeframe, bot.match_timeframe)
    return {
        "initial_cash": bot.capital,
        "symbols": bot.symbols,
        "timeframe": timeframe,
        "match_timeframe": match_timeframe or None,
        "strategy": bot.strategy,
        "strategy_parameters": bot.strategy_parameters,
        "settings": bot.settings,
        "feed": bot.feed,
        "feed_options": bot.feed_options,
        "name": bot.name,
    }


def seconds_of(timeframe: str) -> int:
    """How long a bar of it lasts; 60 where there is no such timeframe."""
    return TIMEFRAME_NS.get(timeframe, 60 * SECOND) // SECOND


def with_saved(raw: dict[str, Any], saved: UserStrategy) -> dict[str, Any]:
    """The request with a saved strategy's parameters and settings under what was sent. Raises InputError."""
    if raw.get("strategy") not in (None, saved.strategy):
        message = f"The saved strategy is a {saved.strategy}"
        raise InputError(Fault("strategy", "conflict", message, "Send strategy or saved_strategy_id, not both"))
    kept = {"strategy": saved.strategy, "strategy_parameters": saved.parameters, "settings": saved.settings}
    return _over(kept, raw)


def refuse_unavailable(raw: Mapping[str, Any]) -> None:
    """Raises Unprocessable for what no session can do yet."""
    if raw.get("model_id") is not None:
        readers.strict(readers.integer, "model_id", raw["model_id"], low=1, high=_MAX_ID)
        hint = "Choose a strategy of the catalogue"
        raise _not_yet("model_id", "models_not_available", "Models cannot run yet.", hint)


def _read(
    user: User,
    raw: dict[str, Any],
    bot: Bot | None,
    saved: UserStrategy | None,
    custom: CustomStrategy | None,
    account: BrokerAccount | None,
) -> SessionRequest:
    reader = readers.Reader(raw)
    reader.refuse_unknown(FIELDS)
    strategy, parameters = read_strategy(reader)
    symbols = read_symbols(reader)
    if strategy and symbols:
        reader.attempt(None, reading.refuse_symbols, catalogue.get(strategy), symbols)
    if strategy:
        reader.attempt(None, reading.refuse_unavailable, catalogue.get(strategy))
    timeframe, match_timeframe = read_timeframes(reader)
    if strategy and parameters:
        reader.attempt(None, timeframes.refuse, catalogue.get(strategy), parameters, timeframe)
    if strategy and parameters and symbols:
        reader.attempt(None, reading.refuse_together, catalogue.get(strategy), parameters, symbols)
    preset = reader.read("preset", session_settings.DEFAULT_PRESET, readers.preset)
    sent = raw.get("settings")
    settings = reader.attempt({}, readers.settings, preset, {} if sent is None else sent)
    if strategy and settings:
        reader.attempt(None, reading.refuse_settings, catalogue.get(strategy), parameters, settings)
    feed, options = read_feed(user, reader, symbols, match_timeframe or timeframe, account)
    now = timezone.now()
    cash = reader.read("initial_cash", Decimal(100_000), readers.money, low=MIN_CASH, high=MAX_CASH)
    ends = reader.read("scheduled_end_time", None, readers.moment, low=now, high=now + LONGEST)
    called = custom.name[:MAX_NAME] if custom is not None else ""
    name = reader.read("name", called, readers.text, max_length=MAX_NAME)
    confirmed = reader.read("confirm_cautions", False, readers.boolean)
    override = reader.read("passport_override", "", readers.text, max_length=MAX_REASON)
    if 0 < len(override) < MIN_REASON:
        text = "Say in a sentence why it may trade real money without a passing passport"
        reader.fault("passport_override", "out_of_range", text, f"{MIN_REASON} to {MAX_REASON} characters")
    reader.finish()
    calendar = feeds.calendar(user, feed, options, symbols)
    values = session_settings.clean(settings)
    cautions = [
        replace(caution, path=f"settings.{caution.path}")
        for caution in session_settings.cautions(values, calendar=calendar)
    ]
    return SessionRequest(
        initial_cash=cash,
        symbols=symbols,
        timeframe=timeframe,
        match_timeframe=match_timeframe,
        strategy=strategy,
        strategy_parameters=parameters,
        settings=settings,
        feed=feed,
        feed_options=options,
        name=name,
        scheduled_end_time=ends,
        bot=bot,
        saved_strategy=saved,
        custom_strategy=custom,
        cautions=(*cautions, *gate.unusual(strategy, parameters, values, custom)),
        confirmed=confirmed,
        passport_override=override,
        calendar=calendar,
    )


def read_strategy(reader: readers.Reader) -> tuple[str, dict[str, Any]]:
    """(slug, every parameter) of a request; faults are kept by the reader."""
    if reader.raw.get("strategy") is None:
        reader.fault("strategy", "required", "Name a strategy, for example ma_crossover")
        return "", {}
    slug = reader.read("strategy", "", readers.strategy)
    sent = reader.raw.get("strategy_parameters")
    return slug, reader.attempt({}, readers.parameters, slug, {} if sent is None else sent) if slug else {}


def read_symbols(reader: readers.Reader) -> tuple[str, ...]:
    """The symbols of a request; faults are kept by the reader."""
    if reader.raw.get("symbols") is None:
        reader.fault("symbols", "required", "Name at least one symbol, for example SIM-ALPHA")
    return reader.read("symbols", (), readers.symbols, most=MAX_SYMBOLS, max_length=MAX_SYMBOL_LENGTH)


def read_timeframes(reader: readers.Reader) -> tuple[str, str]:
    """(timeframe, finer one to match on or "") of a request; faults are kept by the reader."""
    timeframe = reader.read("timeframe", "1m", readers.choice, choices=TIMEFRAMES)
    finer = reader.read("match_timeframe", timeframe, readers.choice, choices=TIMEFRAMES)
    if TIMEFRAMES.index(finer) > TIMEFRAMES.index(timeframe):
        text = f"{finer} is coarser than {timeframe}"
        reader.fault("match_timeframe", "out_of_range", text, "Choose a finer one")
    return timeframe, "" if finer == timeframe else finer


def read_feed(
    user: User,
    reader: readers.Reader,
    symbols: tuple[str, ...],
    timeframe: str,
    account: BrokerAccount | None = None,
) -> tuple[str, dict[str, Any]]:
    """(feed, its options) of a request whose finest timeframe is `timeframe`; faults are kept by the reader.

    account: that of a LIVE session.
    """
    named = reader.raw.get("feed") is not None
    feed = reader.read("feed", "", readers.choice, choices=feeds.FEEDS)
    options = reader.read("feed_options", {}, readers.mapping)
    if not symbols or (named and not feed):
        return feed, {}
    feed = feed or reader.attempt("", feeds.default, symbols, timeframe, account)
    if not feed:
        return feed, {}
    return feed, reader.attempt({}, feeds.clean_options, user, feed, options, symbols, timeframe, account)


def _bot(user: User, raw: Mapping[str, Any]) -> Bot | None:
    if raw.get("bot_id") is None:
        return None
    return selectors.bot(user, readers.strict(readers.integer, "bot_id", raw["bot_id"], low=1, high=_MAX_ID))


def _saved(user: User, raw: Mapping[str, Any]) -> UserStrategy | None:
    if raw.get("saved_strategy_id") is None:
        return None
    key = readers.strict(readers.integer, "saved_strategy_id", raw["saved_strategy_id"], low=1, high=_MAX_ID)
    return strategy_selectors.get(user, key)


def _over(kept: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """`sent` over `kept`; parameters and settings are laid over each other name by name."""
    merged = {**kept, **{name: value for name, value in sent.items() if value is not None}}
    # Another strategy than the kept one takes none of its parameters.
    same = sent.get("strategy") in (None, kept.get("strategy"))
    for name in ("settings", "strategy_parameters") if same else ("settings",):
        if isinstance(sent.get(name), Mapping):
            merged[name] = {**kept.get(name, {}), **sent[name]}
    if not same and sent.get("strategy_parameters") is None:
        merged["strategy_parameters"] = {}
    if sent.get("feed") not in (None, kept.get("feed")) and sent.get("feed_options") is None:
        merged["feed_options"] = {}
    return merged


def _not_yet(path: str, code: str, message: str, hint: str) -> Unprocessable:
    return Unprocessable(message, code=code, faults=[Fault(path, code, message, hint)])
