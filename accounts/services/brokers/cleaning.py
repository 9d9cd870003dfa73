"""What is typed about an account at a broker, checked before any venue is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from accounts.models import BrokerAccount
from accounts.services.brokers.checking import Environment, Kind
from engine.errors import Fault, InputError
from tradingsite.lib.text import bad_character

MAX_NAME, MAX_KEY = 80, 4_000
FIELDS = ("name", "kind", "environment", "api_key", "api_secret", "options", "opposite_orders")
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    Kind.ALPACA: (Environment.PRACTICE, Environment.PAPER, Environment.LIVE),
    Kind.BINANCE: (Environment.PRACTICE, Environment.PAPER, Environment.LIVE),
    Kind.CCXT: (Environment.PAPER, Environment.LIVE),
}
# kind → its options: what each may be
_QUOTE = re.compile(r"[A-Z0-9]{2,10}", re.ASCII)
OPTIONS: dict[str, dict[str, re.Pattern[str]]] = {
    Kind.ALPACA: {"crypto_fee_ratio": re.compile(r"0(\.\d{1,8})?", re.ASCII)},
    Kind.BINANCE: {"quote": _QUOTE},
    Kind.CCXT: {"exchange": re.compile(r"[a-z0-9_]{2,40}", re.ASCII), "quote": _QUOTE},
}
HINTS = {
    "exchange": "ccxt's own name of it, such as kraken, okx, coinbase.",
    "quote": "The currency that coins are traded against, such as USDT or USDC.",
    "crypto_fee_ratio": "Your own fee on coins as a ratio, such as 0.0015.",
}


def read(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their defaults. What was sent as a key is in no message. Raises InputError with every fault."""
    faults = [
        Fault(name, "unknown_field", "unknown field.", f"Known: {', '.join(FIELDS)}.")
        for name in values
        if name not in FIELDS
    ]
    clean: dict[str, Any] = {
        "name": name(values.get("name"), faults),
        "kind": choice("kind", values.get("kind"), Kind.values, faults),
        "api_key": key("api_key", values.get("api_key"), faults),
        "api_secret": key("api_secret", values.get("api_secret"), faults),
        "opposite_orders": choice(
            "opposite_orders", values.get("opposite_orders") or "block", BrokerAccount.Opposite.values, faults
        ),
    }
    allowed = ENVIRONMENTS.get(clean["kind"], tuple(Environment.values))
    clean["environment"] = choice("environment", values.get("environment"), allowed, faults)
    clean["options"] = _options(clean["kind"], values.get("options") or {}, faults)
    if faults:
        raise InputError(faults)
    return clean


def name(value: Any, faults: list[Fault]) -> str:
    """1 to 80 characters."""
    text = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(text) <= MAX_NAME or bad_character(text):
        faults.append(Fault("name", "bad_text", f"A name has 1 to {MAX_NAME} characters."))
    return text


def choice(path: str, value: Any, choices: Any, faults: list[Fault]) -> str:
    """One of the choices; "" with a fault."""
    if value not in choices:
        faults.append(Fault(path, "unknown_choice", f"Must be one of: {', '.join(choices)}."))
        return ""
    return str(value)


def key(path: str, value: Any, faults: list[Fault]) -> str:
    """A key may be a PEM block of several lines; it never comes back in a message."""
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        faults.append(Fault(path, "required", "Copy it from the venue's page of API keys."))
    elif len(text) > MAX_KEY or not all(char.isascii() and (char.isprintable() or char == "\n") for char in text):
        faults.append(Fault(path, "bad_text", f"At most {MAX_KEY:,} printable ASCII characters."))
    return text


def _options(kind: str, options: Any, faults: list[Fault]) -> dict[str, Any]:
    known = OPTIONS.get(kind, {})
    if not isinstance(options, Mapping):
        faults.append(Fault("options", "wrong_type", "Must be an object."))
        return {}
    for name, value in options.items():
        if name not in known:
            text = f"Known for this kind: {', '.join(known) or 'none'}."
            faults.append(Fault(f"options.{name:.40}", "unknown_field", text))
        elif not (isinstance(value, str) and known[name].fullmatch(value)):
            faults.append(Fault(f"options.{name}", "bad_text", "This cannot be right.", HINTS[name]))
    if kind == Kind.CCXT and "exchange" not in options:
        faults.append(Fault("options.exchange", "required", "Which exchange?", HINTS["exchange"]))
    return dict(options)
