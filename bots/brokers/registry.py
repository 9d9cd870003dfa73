"""Which adapter talks to which venue. The only place that knows all of them; each is loaded when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from bots.brokers.base import Broker
from bots.brokers.naming import Named

# kind of an account → the module whose `open_account(environment, key, secret, options)` gives its broker
ADAPTERS = {
    "alpaca": "bots.brokers.alpaca",
    "binance": "bots.brokers.binance",
    "ccxt": "bots.brokers.ccxt",
}
ENVIRONMENTS = ("PRACTICE", "PAPER", "LIVE")


def open_broker(kind: str, environment: str, key: str, secret: str, options: Mapping[str, Any] | None = None) -> Broker:
    """The account behind a pair of keys; nothing is sent yet. Addresses are those of `tradingsite.outside`. Coins have
    the names that sessions know them by, BTC-USD.

    kind, environment: as `accounts.models.BrokerAccount` has them. options: what the kind needs besides. Raises
    ValueError for a kind or an environment that there is not.
    """
    return Named(open_adapter(kind, environment, key, secret, options))  # type: ignore[return-value]


def open_adapter(
    kind: str, environment: str, key: str, secret: str, options: Mapping[str, Any] | None = None
) -> Broker:
    """As `open_broker`, with coins as brokers name them, BTC/USD."""
    if kind not in ADAPTERS:
        raise ValueError(f"There is no broker {kind!r}; there are {', '.join(ADAPTERS)}.")
    if environment not in ENVIRONMENTS:
        raise ValueError(f"There is no environment {environment!r}; there are {', '.join(ENVIRONMENTS)}.")
    adapter = importlib.import_module(ADAPTERS[kind])
    opened: Broker = adapter.open_account(environment, key, secret, options or {})
    return opened
