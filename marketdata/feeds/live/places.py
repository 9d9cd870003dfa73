"""Where a vendor is and who asks: the installation's own keys, or those of a user's broker account.

Read anew each time, so that a key that was changed is used, and one that was closed is not. All of it blocks.
`connects`: a connection is opened with the keys, which leaves a line in the audit trail; requests beside it do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from marketdata.feeds.base import FeedError
from marketdata.symbols import is_made
from tradingsite.lib.errors import ApiError

STOCKS, COINS = "stocks", "crypto"
POLYGON_PRACTICE, BINANCE_PRACTICE = "/polygon-ws", "/binance-ws"


@dataclass(frozen=True, slots=True)
class Place:
    """rest_url, stream_url: base addresses. key, secret: in no text that is made of it. is_practice: play prices, which
    belong into no store."""

    rest_url: str
    stream_url: str
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    is_practice: bool = False


def calendar_of(symbol: str, provider: str) -> str:
    """Which hours the symbol of a live feed has: New York's, unless it is a coin or made up."""
    if provider == "binance" or is_made(symbol) or is_coin(symbol):
        return "24/7"
    return "XNYS"


def is_coin(symbol: str) -> bool:
    """Whether it is a coin against a currency: BTC-USD, as it is called in the store, or BTC/USD, as at brokers."""
    return ("-" in symbol or "/" in symbol) and not is_made(symbol)


def alpaca(account: int | None, market: str, connects: bool) -> Place:
    """Alpaca's data. account: a broker account whose keys are used. market: stocks or crypto. Raises FeedError."""
    from django.conf import settings

    path = "/v1beta3/crypto/us" if market == COINS else f"/v2/{settings.ALPACA_DATA_FEED}"
    if account is None:
        if not (settings.ALPACA_API_KEY and settings.ALPACA_API_SECRET):
            raise FeedError("Alpaca's prices need ALPACA_API_KEY and ALPACA_API_SECRET.", retryable=False)
        stream = settings.ALPACA_DATA_STREAM_URL.rstrip("/") + path
        return Place(settings.ALPACA_DATA_URL, stream, settings.ALPACA_API_KEY, settings.ALPACA_API_SECRET)
    practice, key, secret = _account(account, "alpaca", connects)
    if practice:
        return Place(practice, _as_stream(practice) + path.replace("/sip", "/iex"), key, secret, True)
    return Place(settings.ALPACA_DATA_URL, settings.ALPACA_DATA_STREAM_URL.rstrip("/") + path, key, secret)


def polygon(connects: bool) -> Place:
    """Polygon's stocks, with the installation's key. Raises FeedError."""
    from django.conf import settings

    if not settings.POLYGON_API_KEY:
        raise FeedError("Polygon's prices need POLYGON_API_KEY.", retryable=False)
    return Place(settings.POLYGON_BASE_URL, settings.POLYGON_STREAM_URL.rstrip("/"), settings.POLYGON_API_KEY)


def binance(account: int | None, connects: bool) -> Place:
    """Binance's public prices; those of the practice venue for an account there. Raises FeedError."""
    from django.conf import settings

    if account is not None:
        practice, _, _ = _account(account, "binance", False)
        if practice:
            return Place(practice, _as_stream(practice) + BINANCE_PRACTICE, is_practice=True)
    return Place(settings.BINANCE_BASE_URL, settings.BINANCE_STREAM_URL.rstrip("/"))


def _account(pk: int, kind: str, connects: bool) -> tuple[str, str, str]:
    """(the practice venue's address, empty for a real venue; key; secret)."""
    from django.conf import settings
    from django.db import close_old_connections

    from accounts.models import BrokerAccount
    from accounts.services.brokers import keys_for

    close_old_connections()
    try:
        row = BrokerAccount.objects.filter(pk=pk, kind=kind).first()
        if row is None or row.state != row.State.ACTIVE:
            said = row.state_reason if row is not None else ""
            words = f": {said}" if said else "."
            raise FeedError(f"The broker account whose prices were to be heard is not in use{words}", retryable=False)
        practice = settings.PRACTICE_VENUE_URL.rstrip("/") if row.environment == row.Environment.PRACTICE else ""
        if connects:
            return practice, *keys_for(row, f"to hear prices of {row.get_kind_display()}")
        return practice, row.api_key.reveal(), row.api_secret.reveal()
    except ApiError as error:
        raise FeedError(error.message, retryable=False) from error
    finally:
        close_old_connections()


def _as_stream(url: str) -> str:
    return "ws" + url.removeprefix("http")
