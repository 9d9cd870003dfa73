"""Binance spot: mainnet and testnet; the practice venue speaks the same protocol.

`client` sends (python-binance, with a clock that follows the venue's and without what it shares between threads),
`answers` says what an answer means, `shapes` reads its JSON, `trades` and `activities` are lists by pages, `stream` is
the user data of the WebSocket API, `account` what of it fits the contract of `bots.brokers.base`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from bots.brokers.binance.account import BinanceBroker


def open_account(environment: str, key: str, secret: str, options: Mapping[str, Any]) -> BinanceBroker:
    """The account behind a pair of keys. Sends nothing yet. options: {"quote": "USDC"}, what its coins are traded
    against; without it USDT, and at the practice venue what its pairs are quoted in."""
    from bots.brokers.binance.account import BinanceBroker

    practice = settings.PRACTICE_VENUE_URL.rstrip("/")
    address, ws_address = {
        "PRACTICE": (practice, f"ws{practice.removeprefix('http')}"),
        "PAPER": (settings.BINANCE_TESTNET_URL, settings.BINANCE_TESTNET_WS_URL),
        "LIVE": (settings.BINANCE_LIVE_URL, settings.BINANCE_LIVE_WS_URL),
    }[environment]
    return BinanceBroker(
        key,
        secret,
        environment=environment,
        address=address,
        stream_address=f"{ws_address.rstrip('/')}/ws-api/v3",
        timeouts=(settings.BROKER_CONNECT_TIMEOUT, settings.BROKER_READ_TIMEOUT),
        quote=str(options.get("quote") or ("" if environment == "PRACTICE" else "USDT")).upper(),
    )
