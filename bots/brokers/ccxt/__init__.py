"""Other exchanges' spot markets through the library ccxt, which is an extra: it is installed by whoever wants it.

Only what exchanges have in common: simple orders, no streams (the account is asked every few seconds), no list of
deposits. `calls` sends one request at a time and says what its errors mean, `shapes` reads the library's rows,
`stream` asks again and again, `account` what of it fits the contract of `bots.brokers.base`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from bots.brokers.ccxt.account import CcxtBroker

AT_PRACTICE = "binance"  # whose protocol the practice venue speaks


def open_account(environment: str, key: str, secret: str, options: Mapping[str, Any]) -> CcxtBroker:
    """The account behind a pair of keys. Sends nothing yet. options: {"exchange": "kraken", "quote": "USDT"}.

    Raises ValueError where ccxt is not installed, knows no such exchange, or the exchange needs more than two keys or
    has no test network.
    """
    try:
        import ccxt
    except ImportError:
        raise ValueError(
            "Other exchanges need the library ccxt: install it beside Tradewright by `pip install ccxt`."
        ) from None
    from bots.brokers.ccxt.account import CcxtBroker

    name = AT_PRACTICE if environment == "PRACTICE" else str(options.get("exchange") or "")
    if name not in ccxt.exchanges:
        raise ValueError(f"ccxt knows no exchange {name[:40]!r}; say one of its names as the option exchange.")
    client = getattr(ccxt, name)(
        {"apiKey": key, "secret": secret, "timeout": int(settings.BROKER_READ_TIMEOUT * 1_000), "number": str}
    )
    if client.requiredCredentials.get("password") or client.requiredCredentials.get("uid"):
        raise ValueError(f"{client.name} needs more than a key and a secret, which is not supported.")
    if environment == "PRACTICE":
        address = settings.PRACTICE_VENUE_URL.rstrip("/")
        client.urls["api"].update(public=f"{address}/api/v3", private=f"{address}/api/v3", sapi=f"{address}/sapi/v1")
        client.options.update(fetchMarkets={"types": ["spot"]}, fetchCurrencies=False, fetchMargins=False)
    elif environment == "PAPER":
        try:
            client.set_sandbox_mode(True)
        except ccxt.NotSupported:
            raise ValueError(f"{client.name} has no test network.") from None
    quote = str(options.get("quote") or "").upper()
    return CcxtBroker(client, key, environment=environment, quote=quote)
