"""What a bot is told to be: the body of POST /api/bots, checked and turned into columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.models import User
from bots.live.hurry import refuse_hurry
from bots.models import Bot, Mode
from bots.services import at_broker, requests
from engine.errors import Fault, InputError
from strategies import catalogue, conditions, readers, reading, session_settings, timeframes
from strategies import selectors as strategy_selectors
from strategies.params import WEEKDAYS
from strategies.services import gate
from strategies.session_settings import SETTINGS

FIELDS = (
    "name", "description", "capital", "symbols", "timeframe", "match_timeframe", "trading_frequency", "strategy",
    "strategy_parameters", "saved_strategy_id", "custom_strategy_id", "indicators", "settings",
    "risk_management", "start_hour", "start_minute", "end_hour", "end_minute", "trading_days", "feed", "feed_options",
    "run", "stop_policy", "mode", "broker_account_id",
)  # fmt: skip
# The words of the short form, and the setting that each stands for.
RISK = {
    "stop_loss": "stop_loss_pct",
    "take_profit": "take_profit_pct",
    "max_position_size": "max_position_size_pct",
    "max_daily_loss": "daily_loss_limit_pct",
}
HOURS = {"start": "trading_hours_start", "end": "trading_hours_end"}
MAX_NAME, MAX_DESCRIPTION, MAX_FREQUENCY = 80, 500, 86_400
# What says which strategy a bot runs; one of them is enough, and two contradict each other.
_CHOICES = ("strategy", "strategy_parameters", "saved_strategy_id", "custom_strategy_id", "indicators")


def clean(user: User, payload: Any) -> dict[str, Any]:
    """The columns of `Bot` for a request; what is left out has its default.

    Indicator rules become the equivalent trees of conditions, for every tier. Raises InputError with every fault,
    NotFound for a strategy or a broker account that is not the user's, NotAllowed for other conditions on a tier
    without them, Conflict for an account that is not in use, Unprocessable for a custom strategy that may not run, and
    for real money where it is off.
    """
    raw = dict(readers.strict(readers.mapping, "", payload))
    mode, account = at_broker.read_mode(user, raw)
    saved = custom = None
    indicators = raw.get("indicators") or {}
    if indicators:
        raw = _with_indicators(raw)
    elif raw.get(gate.FIELD) is not None:
        custom = gate.runnable(user, raw[gate.FIELD])
        raw = gate.with_custom(raw, custom)
    elif raw.get("saved_strategy_id") is not None:
        key = readers.strict(readers.integer, "saved_strategy_id", raw["saved_strategy_id"], low=1, high=2**63 - 1)
        saved = strategy_selectors.get(user, key)
        raw = requests.with_saved(raw, saved)
    reader = readers.Reader(raw)
    reader.refuse_unknown(FIELDS)
    if raw.get("name") is None:
        reader.fault("name", "required", "A bot needs a name")
    strategy, parameters = requests.read_strategy(reader)
    symbols = requests.read_symbols(reader)
    timeframe, match_timeframe = requests.read_timeframes(reader)
    if strategy and parameters:
        reader.attempt(None, timeframes.refuse, catalogue.get(strategy), parameters, timeframe)
    feed, options = requests.read_feed(user, reader, symbols, match_timeframe or timeframe, account)
    columns = {
        "name": reader.read("name", "", readers.text, max_length=MAX_NAME, required=True),
        "description": reader.read("description", "", readers.text, max_length=MAX_DESCRIPTION),
        "capital": reader.read("capital", 100_000, readers.money, low=requests.MIN_CASH, high=requests.MAX_CASH),
        "symbols": list(symbols),
        "timeframe": timeframe,
        "match_timeframe": match_timeframe,
        "trading_frequency": reader.read(
            "trading_frequency", requests.seconds_of(timeframe), readers.integer, low=1, high=MAX_FREQUENCY
        ),
        "strategy": strategy,
        "strategy_parameters": parameters,
        "saved_strategy": saved,
        "custom_strategy": custom,
        "indicators": indicators,
        "settings": _settings(reader),
        "feed": feed,
        "feed_options": options,
        "run": reader.read("run", Bot.Run.MANUAL, readers.choice, choices=Bot.Run.values),
        "stop_policy": reader.read("stop_policy", "flatten", readers.choice, choices=("keep", "flatten")),
        "mode": mode,
        "broker_account": account,
    }
    if account is not None and account.is_real_money and columns["run"] == Bot.Run.WINDOW:
        text = "A bot that trades real money is started by hand: each start asks for the password"
        reader.fault("run", "conflict", text, "Send run: manual, or a practice or paper account")
    if strategy:
        declared = catalogue.get(strategy)
        if symbols:
            reader.attempt(None, reading.refuse_symbols, declared, symbols)
            if parameters:
                reader.attempt(None, reading.refuse_together, declared, parameters, symbols)
        settings = session_settings.as_json(session_settings.preset()) | columns["settings"]
        reader.attempt(None, reading.refuse_settings, declared, parameters, settings)
        if account is not None:
            reader.attempt(None, at_broker.refuse_what_needs_matching, feed, strategy, settings)
            reader.attempt(None, refuse_hurry, feed, options)
    reader.finish()
    if not indicators:
        gate.check_tier(user, strategy, parameters)
    return columns


def _with_indicators(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The request with its indicator rules as conditions. Raises InputError; paths begin with ``indicators``."""
    if also := [name for name in _CHOICES[:-1] if raw.get(name) is not None]:
        message = "Indicator rules are sent, too"
        raise InputError(Fault(name, "conflict", message, "Send one of the two") for name in also)
    trees = conditions.from_indicators(readers.strict(readers.mapping, "indicators", raw["indicators"]))
    return {**raw, "strategy": gate.CONDITIONS, "strategy_parameters": trees}


def config(bot: Bot) -> dict[str, Any]:
    """The bot as a request: sent through `clean` it gives the same bot, on paper. JSON-ready; also what is exported."""
    chosen = {"indicators": bot.indicators} if bot.indicators else _named(bot)
    return {
        "name": bot.name,
        "description": bot.description,
        "capital": float(bot.capital),
        "symbols": bot.symbols,
        "timeframe": bot.timeframe,
        "match_timeframe": bot.match_timeframe or None,
        "trading_frequency": bot.trading_frequency,
        **chosen,
        "settings": bot.settings,
        "feed": bot.feed,
        "feed_options": bot.feed_options,
        "run": bot.run,
        "stop_policy": bot.stop_policy,
    }


def place(bot: Bot) -> dict[str, Any]:
    """Where it trades, as fields of a request. No part of what is exported: others do not have the account."""
    return {"mode": bot.mode, "broker_account_id": bot.broker_account_id}


def _named(bot: Bot) -> dict[str, Any]:
    return {"strategy": bot.strategy, "strategy_parameters": bot.strategy_parameters}


def short_form(bot: Bot) -> dict[str, Any]:
    """risk_management, hours and days of a bot in the words of the short form; null where a limit is off."""
    values = session_settings.as_json(session_settings.clean(bot.settings))
    clock = {word: str(values[name]).split(":") for word, name in HOURS.items()}
    return {
        "risk_management": {word: values[name] for word, name in RISK.items()},
        **{f"{word}_hour": int(parts[0]) for word, parts in clock.items()},
        **{f"{word}_minute": int(parts[1]) for word, parts in clock.items()},
        "trading_days": values["trading_days"],
    }


def _settings(reader: readers.Reader) -> dict[str, Any]:
    """The settings that differ from their defaults, from `settings` and the words of the short form."""
    sent = reader.read("settings", {}, readers.mapping)
    short = _short(reader)
    for name, (path, value) in short.items():
        if name in sent and sent[name] != value:
            reader.fault(path, "conflict", f"settings.{name} says something else", "Send one of the two")
    values = {name: value for name, (_, value) in short.items()}
    # A fault of a short form's value is one of the setting it stands for; its path says which.
    cleaned = reader.attempt(None, readers.settings, session_settings.DEFAULT_PRESET, {**sent, **values})
    if cleaned is None:
        return {}
    return session_settings.changed(cleaned)


def _short(reader: readers.Reader) -> dict[str, tuple[str, Any]]:
    """{setting: (path it was sent under, value)}."""
    found: dict[str, tuple[str, Any]] = {}
    risk = reader.read("risk_management", {}, readers.mapping)
    for word, value in risk.items():
        if word in RISK:
            found[RISK[word]] = (f"risk_management.{word}", value)
        else:
            path = f"risk_management.{readers.shown(word)[1:-1]}" if isinstance(word, str) else "risk_management"
            reader.fault(path, "unknown_field", "There is no such field", f"Known: {', '.join(RISK)}")
    for word, setting in HOURS.items():
        hour = reader.read(f"{word}_hour", None, readers.integer, low=0, high=23)
        minute = reader.read(f"{word}_minute", None, readers.integer, low=0, high=59)
        if hour is not None or minute is not None:
            hour = SETTINGS[setting].default.hour if hour is None else hour
            found[setting] = (f"{word}_hour", f"{hour:02d}:{minute or 0:02d}")
    days = reader.read("trading_days", None, _days)
    if days is not None:
        found["trading_days"] = ("trading_days", days)
    return found


def _days(path: str, value: object) -> list[str]:
    sent = readers.array(path, value, low=1, high=len(WEEKDAYS))
    return [readers.choice(f"{path}[{i}]", day, WEEKDAYS) for i, day in enumerate(sent)]


def changed_choices(changes: Mapping[str, Any]) -> set[str]:
    """The fields among `changes` that say which strategy the bot is to run."""
    return {name for name in _CHOICES if changes.get(name) is not None}


def merged(bot: Bot, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The bot's configuration with `changes` over it; settings and parameters are laid over each other by name."""
    kept = {**config(bot), **place(bot)}
    if changes.get("mode") == Mode.PAPER:
        kept["broker_account_id"] = None
    named = changed_choices(changes)
    if named & {"custom_strategy_id", "indicators"}:
        kept = {name: value for name, value in kept.items() if name not in _CHOICES}
    elif named and bot.indicators:
        del kept["indicators"]
        kept |= _named(bot)
    if bot.saved_strategy_id is not None and not named & {"strategy", "custom_strategy_id", "indicators"}:
        kept["saved_strategy_id"] = bot.saved_strategy_id
    after = {**kept, **changes}
    same = changes.get("strategy") in (None, bot.strategy)
    for name in ("settings", "strategy_parameters"):
        if isinstance(changes.get(name), Mapping) and (same or name == "settings"):
            after[name] = {**kept.get(name, {}), **changes[name]}
    if not same and "strategy_parameters" not in changes:
        after["strategy_parameters"] = {}
    if changes.get("feed") not in (None, bot.feed) and "feed_options" not in changes:
        after["feed_options"] = {}
    # What the short form names is said there, and no longer by the settings that are kept.
    named = changes.get("risk_management")
    drops = {RISK[word] for word in named if word in RISK} if isinstance(named, Mapping) else set()
    clock = short_form(bot)
    for word, setting in HOURS.items():
        pair = (f"{word}_hour", f"{word}_minute")
        if any(name in changes for name in pair):
            drops.add(setting)
            after |= {name: changes.get(name, clock[name]) for name in pair}
    drops |= {"trading_days"} & set(changes)
    drops -= set(changes["settings"]) if isinstance(changes.get("settings"), Mapping) else set()
    if isinstance(after["settings"], Mapping):
        after["settings"] = {name: value for name, value in after["settings"].items() if name not in drops}
    return after
