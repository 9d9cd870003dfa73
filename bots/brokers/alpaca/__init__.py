"""Alpaca, paper and real money, stocks and coins; the practice venue speaks the same protocol.

`client` sends (alpaca-py, without its retries and with timeouts), `answers` says what an answer means, `shapes` reads
its JSON, `stream` is trade_updates, `account` what of it fits the contract of `bots.brokers.base`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from bots.brokers.alpaca.account import AlpacaBroker


def open_account(environment: str, key: str, secret: str, options: Mapping[str, Any]) -> AlpacaBroker:
    """The account behind a pair of keys. Sends nothing yet. options: {"crypto_fee_ratio": "0.0025"}."""
    from bots.brokers.alpaca.account import AlpacaBroker

    address = {
        "PRACTICE": settings.PRACTICE_VENUE_URL,
        "PAPER": settings.ALPACA_PAPER_URL,
        "LIVE": settings.ALPACA_LIVE_URL,
    }[environment]
    return AlpacaBroker(
        key,
        secret,
        environment=environment,
        address=address,
        data_address=address if environment == "PRACTICE" else settings.ALPACA_DATA_URL,
        timeouts=(settings.BROKER_CONNECT_TIMEOUT, settings.BROKER_READ_TIMEOUT),
        options=options,
    )
