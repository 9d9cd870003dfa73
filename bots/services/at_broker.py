"""What a session at a broker must satisfy before it is written: whose account, which environment, which symbols."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings

from accounts import selectors
from accounts.models import BrokerAccount, User
from accounts.services import brokers
from bots.brokers.base import Broker, InstrumentRules, RateLimited, Refused, Unauthorised, VenueDown
from bots.brokers.naming import pair_of
from bots.live import bans
from bots.models import Bot, Mode
from bots.services.feeds import REPLAY
from engine.errors import Fault, InputError
from strategies import readers
from tradingsite.lib.errors import Conflict, NotFound, Unavailable, Unprocessable

_MAX_ID = 2**63 - 1
QUOTING = ("market_making",)
# setting → (value that needs a simulated venue, what to choose instead)
MATCHED = {
    "fill_at": ("this_close", "next_open"),
    "size_at": ("fill", "decision: an order needs its size before it is sent"),
    "close_at_end": (True, "false, and stop the session with the policy to flatten"),
}


def read_mode(user: User, raw: Mapping[str, Any]) -> tuple[str, BrokerAccount | None]:
    """(mode, account) of a request; PAPER without an account is the default.

    Raises InputError, NotFound for an account that is not the user's, Conflict for one that is not in use,
    Unprocessable for real money on an installation where it is off.
    """
    named = raw.get("broker_account_id")
    given = raw.get("mode")
    mode = Mode.PAPER if given is None else readers.strict(readers.choice, "mode", given, choices=Mode.values)
    if mode == Mode.PAPER:
        if named is not None:
            text = "A paper session needs no account"
            raise InputError(Fault("broker_account_id", "conflict", text, "Leave it out, or send mode: LIVE"))
        return mode, None
    if named is None:
        hint = "Send the id of one of your accounts at brokers; a practice account needs no keys"
        raise InputError(Fault("broker_account_id", "required", "A LIVE session trades at a broker account", hint))
    key = readers.strict(readers.integer, "broker_account_id", named, low=1, high=_MAX_ID)
    try:
        account = selectors.broker_account(user, key)
    except NotFound:
        raise NotFound("There is no such broker account.") from None
    if account.state != BrokerAccount.State.ACTIVE:
        word = account.state_reason or account.get_state_display().lower()
        raise Conflict(f"“{account.name}” is not in use: {word}", code="not_active")
    if account.is_real_money and not settings.LIVE_TRADING:
        text = "Trading with real money is off on this installation."
        hint = "Its operator switches it on (LIVE_TRADING). Practice and paper accounts need no switch"
        raise Unprocessable(text, code="live_trading_off", faults=[Fault("mode", "live_trading_off", text, hint)])
    return mode, account


def at_place_of(bot: Bot, raw: Mapping[str, Any]) -> dict[str, Any]:
    """A request for a session of this bot, with the bot's mode and account where nothing else is said."""
    said = {name: raw[name] for name in ("mode", "broker_account_id") if raw.get(name) is not None}
    if bot.broker_account_id is None or said.get("mode") == Mode.PAPER:
        return dict(raw)
    return {**raw, "mode": bot.mode, "broker_account_id": bot.broker_account_id, **said}


def refuse_what_needs_matching(feed: str, strategy: str, settings: Mapping[str, Any]) -> None:
    """Raises InputError for what only a simulated venue can do: the past, a price or a size known at the fill."""
    faults = []
    if feed == REPLAY:
        text = "A LIVE session needs prices of this moment; a replay's are of the past"
        faults.append(Fault("feed", "conflict", text, "Choose a live feed, or send mode: PAPER"))
    if strategy in QUOTING:
        text = "Two-sided quotes need a simulated venue"
        faults.append(Fault("strategy", "conflict", text, "Choose another strategy, or send mode: PAPER"))
    for name, (value, hint) in MATCHED.items():
        if settings.get(name) == value:
            text = f"{value!r} needs a simulated venue, and a broker fills here"
            faults.append(Fault(f"settings.{name}", "needs_matching", text, hint))
    if faults:
        raise InputError(faults)


@contextlib.contextmanager
def asked(account: BrokerAccount, why: str) -> Iterator[Broker]:
    """The venue behind an account, for a few questions; blocking, outside any transaction.

    Raises Conflict where it refuses the keys, Unavailable where it does not answer.
    """
    from bots.brokers.registry import open_broker  # here: it brings a broker's library with it

    keys = brokers.keys_for(account, why)
    try:
        broker = open_broker(account.kind, account.environment, *keys, account.options)
        bans.heed(account.pk, broker)
        try:
            yield broker
        finally:
            broker.close()
    except Unauthorised as said:
        brokers.mark_refused(account, str(said))
        raise Conflict(f"“{account.name}” refuses its keys: {said}", code="not_active") from said
    except (VenueDown, RateLimited, Refused) as said:
        text = f"“{account.name}” does not answer: {said} Try again in a moment."
        raise Unavailable(text) from said


def refuse_unknown_symbols(account: BrokerAccount, symbols: Sequence[str]) -> None:
    """Ask the venue how these trade; blocking, outside any transaction.

    Raises Unprocessable for what it does not list or does not trade, and what `asked` raises.
    """
    with asked(account, f"to ask how {', '.join(symbols)} trade there") as broker:
        rules = broker.rules(symbols)
    faults = []
    for at, symbol in enumerate(symbols):
        if symbol not in rules:
            text = f"{symbol} is not listed at {account.name}"
            faults.append(Fault(f"symbols[{at}]", "not_listed", text, "Choose a symbol that trades there"))
        elif _is_nameless_pair(symbol, rules[symbol]):
            text, pair = f"{symbol} is a pair, and pairs are named with a dash", rules[symbol]
            faults.append(Fault(f"symbols[{at}]", "not_listed", text, f"{pair.base}-{pair.quote}"))
        elif not rules[symbol].tradable:
            text = f"{symbol} is listed at {account.name}, but cannot be traded now"
            faults.append(Fault(f"symbols[{at}]", "not_tradable", text, "Choose another symbol"))
    if faults:
        raise Unprocessable(faults[0].message + ".", code=faults[0].code, faults=faults)


def _is_nameless_pair(symbol: str, rules: InstrumentRules) -> bool:
    """BTCUSDT: commission that is taken in the coin could not be told from money."""
    return bool(rules.base) and rules.base != symbol and pair_of(symbol) is None
