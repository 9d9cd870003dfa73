"""Requests that are in order, for tests that ask for what is another's: such a one fails for nothing but whose it is.

`parts` is what `world.World.url_parts` gives: a value for every name of a thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]

RUN: Body = {"strategy": "ma_crossover", "symbols": ["AAPL"], "start_date": "2004-01-01", "end_date": "2006-12-31"}
SWEEP: Body = {"backtest": RUN, "axes": [{"name": "fast_window", "values": [5, 10]}]}
_TRADES: Body = {"strategy": "ma_crossover", "symbols": ["SIM-ALPHA"], "timeframe": "1m"}
SESSION: Body = {**_TRADES, "initial_cash": 10_000}
BOT: Body = {**_TRADES, "name": "Named", "capital": 10_000}
_TEMPLATE: Body = {"name": "Words", "for_whom": "People", "does": "Something", "loses": "Always", "risk": "low"}
_MEMBERS: Body = {"name": "Together", "members": [{"strategy": "momentum"}, {"strategy": "ma_crossover"}]}
_UNITS: Body = {"symbol": "IBM", "qty": "5"}


def to_a_thing(parts: Mapping[str, Any]) -> dict[tuple[str, str], Body]:
    """By (method, route): what the owner sends to an address of his, where the body is read before the address is."""
    return {
        ("POST", "backtests-api:save-as-strategy"): {"name": "Kept"},
        ("POST", "backtests-api:sweep-open"): {"cell": 0},
        ("POST", "backtests-api:sweep-save"): {"cell": 0, "name": "Kept"},
        ("POST", "backtests-api:portfolio-save"): {"name": "Kept"},
        ("POST", "backtests-api:portfolio-open"): {"which": "chosen"},
        ("POST", "bots-api:session-settings"): {"settings": {"stop_loss_pct": 2}},
        ("PATCH", "bots-api:session-settings"): {"settings": {"stop_loss_pct": 2}},
        ("POST", "bots-api:session-settings-rollback"): {"version": 1},
        ("POST", "bots-api:session-cash"): {"amount": "10"},
        ("POST", "bots-api:session-give-back"): _UNITS,
        ("POST", "bots-api:inbox-adopt"): {"session_id": parts["session_id"]},
        ("POST", "bots-api:account-hand-over"): {**_UNITS, "session_id": parts["session_id"]},
        ("POST", "bots-api:preflight"): {"symbol": "AAPL", "side": "BUY", "kind": "market", "qty": "1"},
    }


# By (method, route): what goes along with an id in a body of the API. Its `strategy` makes way for a strategy's id.
WITH_AN_ID: dict[tuple[str, str], Body] = {
    ("POST", "backtests-api:run"): RUN,
    ("POST", "backtests-api:sweeps"): SWEEP,
    ("POST", "backtests-api:sweep-check"): SWEEP,
    ("POST", "backtests-api:passports"): {},
    ("POST", "strategies-api:compose"): _MEMBERS,
    ("POST", "strategies-api:custom-test"): {"symbol": "AAPL", "timeframe": "1d"},
    ("POST", "marketdata-api:refetches"): {"timeframe": "1d"},
    ("POST", "bots-api:bots"): BOT,
    ("PUT", "bots-api:bot"): BOT,
    ("PATCH", "bots-api:bot"): {},
    ("POST", "bots-api:bot-config"): {},
    ("PUT", "bots-api:bot-config"): BOT,
    ("POST", "bots-api:bot-import"): {"format": "tradewright.bot/1", "bot": BOT},
    ("POST", "bots-api:bot-start"): {},
    ("POST", "bots-api:templates"): _TEMPLATE,
    ("POST", "bots-api:template-use"): {},
    ("POST", "bots-api:session-start"): SESSION,
    ("POST", "bots-api:trading-start"): SESSION,
    ("POST", "bots-api:trading-stop"): {},
    ("POST", "bots-api:stop-everything"): {"scope": "session", "level": "pause_entries"},
    ("POST", "bots-api:inbox-adopt"): {},
    ("POST", "bots-api:account-hand-over"): _UNITS,
}
# By route: what goes along with an id in a query of the API.
BESIDE_AN_ID: dict[str, Body] = {"bots-api:stop-everything": {"scope": "session"}}
# (route, field): documented, and not read, because the address says it already.
SAID_BEFORE = {("bots-api:bot-start", "bot_id"), ("bots-api:session-trades", "session_id")}

_SAVED, _CUSTOM = "saved:{}", "custom:{}"
_LISTS = ("trades", "trades-csv", "orders", "positions")
_FORM: Body = {**RUN, "source": "sample", "timeframe": "1d", "initial_capital": "100000"}
_LIVE: Body = {"mode": "LIVE", "part": "mode"}
_AT_ALPACA: Body = {"feed": "alpaca", "symbols": ["AAPL"]}
# Ids in queries and forms of pages: (method, route, thing, field, how the field writes the id, what goes along).
ON_PAGES: list[tuple[str, str, str, str, str, Body]] = [
    ("GET", "backtests:new", "backtest_id", "from", "{}", {}),
    ("GET", "backtests:compare", "backtest_id", "ids", "{}", {}),
    ("GET", "backtests:new-sweep", "strategy_id", "saved", "{}", {}),
    ("GET", "portfolios:new", "study_id", "from", "{}", {}),
    ("GET", "bots:new-session", "session_id", "from", "{}", {}),
    ("GET", "bots:new-session", "account_id", "account", "{}", {}),
    ("GET", "bots:form-part", "account_id", "broker_account_id", "{}", _LIVE),
    ("GET", "bots:sessions", "bot_id", "bot", "{}", {}),
    ("GET", "inbox", "account_id", "account", "{}", {}),
    *(("GET", route, "bot_id", "bot", "{}", {}) for route in _LISTS),
    *(("GET", route, "session_id", "session", "{}", {}) for route in _LISTS),
    *(
        ("GET", route, thing, field, "{}", {})
        for route in ("backtests:new", "bots:new", "bots:new-session")
        for thing, field in (("strategy_id", "saved"), ("custom_id", "custom"))
    ),
    *(
        ("GET", route, thing, field, how, {})
        for route, field in (
            ("backtests:form-part", "strategy"),
            ("backtests:sweep-form-part", "strategy"),
            ("bots:form-part", "strategy"),
            ("strategies:compose", "pick"),
            ("strategies:compose-member", "pick"),
        )
        for thing, how in (("strategy_id", _SAVED), ("custom_id", _CUSTOM))
    ),
    *(
        ("POST", route, thing, "strategy", how, form)
        for route, form in (
            ("backtests:new", _FORM),
            ("backtests:check", _FORM),
            ("backtests:new-sweep", _FORM),
            ("backtests:check-sweep", _FORM),
            ("bots:new", BOT),
            ("bots:check-bot", BOT),
            ("bots:edit", BOT),
            ("bots:new-session", SESSION),
            ("bots:check-session", SESSION),
        )
        for thing, how in (("strategy_id", _SAVED), ("custom_id", _CUSTOM))
    ),
    *(
        ("POST", route, "account_id", field, "{}", form)
        for routes, forms in (
            (("bots:new", "bots:check-bot", "bots:edit"), (BOT, BOT | _AT_ALPACA)),
            (("bots:new-session", "bots:check-session"), (SESSION | {"mode": "LIVE"}, SESSION | _AT_ALPACA)),
        )
        for route in routes
        for field, form in zip(("broker_account_id", "feed_options.account"), forms, strict=True)
    ),
    ("POST", "brokers:move-cash", "session_id", "session", "{}", {"amount": "10"}),
    ("POST", "brokers:hand-over", "session_id", "session", "{}", _UNITS),
    ("POST", "brokers:give-back", "session_id", "session", "{}", _UNITS),
    ("POST", "inbox-adopt", "session_id", "session", "{}", {}),
]

# Where a symbol is asked for that only its owner has: (method, route, field, or "" in the address, what goes along).
_MINE: Body = {"source": "file", "timeframe": "1d"}
_MINE_RUN: Body = {"strategy": "ma_crossover", "source": "file", "timeframe": "1d"}
BY_SYMBOL: list[tuple[str, str, str, Body]] = [
    ("GET", "marketdata-api:market-data", "", _MINE),
    ("GET", "marketdata-api:gaps", "", _MINE),
    ("GET", "marketdata-api:coverage", "symbol", {}),
    ("GET", "marketdata-api:health", "symbol", {}),
    ("GET", "marketdata-api:instruments", "search", {}),
    ("GET", "marketdata:index", "q", {}),
    ("GET", "marketdata:health", "symbol", {}),
    ("GET", "backtests:symbols", "q", {}),
    ("GET", "backtests:palette", "q", {}),
    ("GET", "bots:symbols", "q", {}),
    ("POST", "backtests:new", "symbols", _MINE_RUN),
    ("POST", "backtests-api:run", "symbols", _MINE_RUN),
]

# Whose a topic of the websocket is, by its prefix.
TOPICS = {
    "user": "user_id",
    "session": "session_id",
    "broker": "account_id",
    "backtest": "backtest_id",
    "sweep": "sweep_id",
    "portfolio": "study_id",
}
