"""Every address and key of the world outside: vendors of prices, brokers, messengers.

Each address is a setting, so that the practice venue, a test or a mirror can take its place.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django.core.exceptions import ImproperlyConfigured

from tradingsite.environment import env


def _prices(name: str) -> dict[str, Decimal]:
    """Amounts in USD by source, from ``polygon=29,alpaca=99``."""
    try:
        found = {source: Decimal(text) for source, text in env.dict(name, default={}).items()}
    except InvalidOperation:
        found = {"": Decimal("nan")}
    if not all(source and price.is_finite() and price >= 0 for source, price in found.items()):
        raise ImproperlyConfigured(f"{name} is written as amounts in USD by source, such as polygon=29,alpaca=99.")
    return found


# --- Bars for several machines ---------------------------------------------------------------------------------------
# A bucket of an S3-compatible store in which bars lie; BARS_DIR then keeps copies. Empty: they lie in BARS_DIR.
BARS_S3_BUCKET = env.str("BARS_S3_BUCKET", default="")
BARS_S3_URL = env.str("BARS_S3_URL", default="https://s3.amazonaws.com")
BARS_S3_REGION = env.str("BARS_S3_REGION", default="us-east-1")
BARS_S3_PREFIX = env.str("BARS_S3_PREFIX", default="")
BARS_S3_KEY = env.str("BARS_S3_KEY", default="")  # both empty: what the machine has by itself
BARS_S3_SECRET = env.str("BARS_S3_SECRET", default="")
BARS_CACHE_MB = env.int("BARS_CACHE_MB", default=20_000)  # of copies on one machine
if BARS_CACHE_MB < 1:
    raise ImproperlyConfigured(f"BARS_CACHE_MB must be at least 1, and is {BARS_CACHE_MB}.")

# --- Prices ----------------------------------------------------------------------------------------------------------
YAHOO_BASE_URL = env.str("YAHOO_BASE_URL", default="https://query1.finance.yahoo.com")
ALPACA_DATA_URL = env.str("ALPACA_DATA_URL", default="https://data.alpaca.markets")
ALPACA_DATA_STREAM_URL = env.str("ALPACA_DATA_STREAM_URL", default="wss://stream.data.alpaca.markets")
ALPACA_DATA_FEED = env.str("ALPACA_DATA_FEED", default="iex")  # "sip" with a paid plan
ALPACA_API_KEY = env.str("ALPACA_API_KEY", default="")  # for prices only; accounts to trade with are each user's own
ALPACA_API_SECRET = env.str("ALPACA_API_SECRET", default="")
POLYGON_BASE_URL = env.str("POLYGON_BASE_URL", default="https://api.polygon.io")
POLYGON_STREAM_URL = env.str("POLYGON_STREAM_URL", default="wss://socket.polygon.io")
POLYGON_API_KEY = env.str("POLYGON_API_KEY", default="")
POLYGON_FILES_URL = env.str("POLYGON_FILES_URL", default="https://files.polygon.io")
POLYGON_FILES_BUCKET = env.str("POLYGON_FILES_BUCKET", default="flatfiles")
POLYGON_FILES_KEY = env.str("POLYGON_FILES_KEY", default="")  # the two AWS keys of the flat files, apart from the API's
POLYGON_FILES_SECRET = env.str("POLYGON_FILES_SECRET", default="")
BINANCE_BASE_URL = env.str("BINANCE_BASE_URL", default="https://api.binance.com")
BINANCE_STREAM_URL = env.str("BINANCE_STREAM_URL", default="wss://stream.binance.com:9443")
ALPHA_VANTAGE_BASE_URL = env.str("ALPHA_VANTAGE_BASE_URL", default="https://www.alphavantage.co")
ALPHA_VANTAGE_API_KEY = env.str("ALPHA_VANTAGE_API_KEY", default="")
# Where exchanges' hours are looked up besides the library of calendars: an address that answers as Alpaca's
# /v2/calendar does, asked with the keys above. Empty: the library alone.
CALENDAR_URL = env.str("CALENDAR_URL", default="")

# Which source "auto" asks first. Empty: Polygon for live prices, Yahoo for backtests.
DATA_PROVIDER = env.str("DATA_PROVIDER", default="")
# What the plans allow. A quarter of each is kept for what runs live; all processes share the rest.
ALPACA_DATA_REQUESTS_PER_MINUTE = env.int("ALPACA_DATA_REQUESTS_PER_MINUTE", default=200)
POLYGON_REQUESTS_PER_MINUTE = env.int("POLYGON_REQUESTS_PER_MINUTE", default=5)
ALPHA_VANTAGE_REQUESTS_PER_DAY = env.int("ALPHA_VANTAGE_REQUESTS_PER_DAY", default=25)
ALPHA_VANTAGE_REQUESTS_PER_SECOND = env.int("ALPHA_VANTAGE_REQUESTS_PER_SECOND", default=1)
YAHOO_REQUESTS_PER_MINUTE = env.int("YAHOO_REQUESTS_PER_MINUTE", default=60)
BINANCE_WEIGHT_PER_MINUTE = env.int("BINANCE_WEIGHT_PER_MINUTE", default=6000)
if DATA_PROVIDER not in ("", "yahoo", "alpaca", "polygon", "binance", "alpha_vantage"):
    raise ImproperlyConfigured(
        f"DATA_PROVIDER is {DATA_PROVIDER!r}, and must be yahoo, alpaca, polygon, binance, alpha_vantage or empty."
    )
for _name in (
    "ALPACA_DATA_REQUESTS_PER_MINUTE",
    "POLYGON_REQUESTS_PER_MINUTE",
    "ALPHA_VANTAGE_REQUESTS_PER_DAY",
    "ALPHA_VANTAGE_REQUESTS_PER_SECOND",
    "YAHOO_REQUESTS_PER_MINUTE",
    "BINANCE_WEIGHT_PER_MINUTE",
):
    if globals()[_name] < 1:
        raise ImproperlyConfigured(f"{_name} must be at least 1, and is {globals()[_name]}.")
# What they cost, in USD, by source: polygon=29,alpaca=99
DATA_PRICE_PER_MONTH = _prices("DATA_PRICE_PER_MONTH")
DATA_PRICE_PER_REQUEST = _prices("DATA_PRICE_PER_REQUEST")

# --- Brokers ---------------------------------------------------------------------------------------------------------
# Real money is off until an operator says otherwise. Practice and paper accounts need no switch.
LIVE_TRADING = env.bool("LIVE_TRADING", default=False)
PRACTICE_VENUE = env.bool("PRACTICE_VENUE", default=True)  # `up` starts it; False: nobody rehearses here
PRACTICE_VENUE_URL = env.str("PRACTICE_VENUE_URL", default="http://127.0.0.1:8310")
ALPACA_LIVE_URL = env.str("ALPACA_LIVE_URL", default="https://api.alpaca.markets")
ALPACA_PAPER_URL = env.str("ALPACA_PAPER_URL", default="https://paper-api.alpaca.markets")
BINANCE_LIVE_URL = env.str("BINANCE_LIVE_URL", default="https://api.binance.com")
BINANCE_LIVE_WS_URL = env.str("BINANCE_LIVE_WS_URL", default="wss://ws-api.binance.com")
BINANCE_TESTNET_URL = env.str("BINANCE_TESTNET_URL", default="https://testnet.binance.vision")
BINANCE_TESTNET_WS_URL = env.str("BINANCE_TESTNET_WS_URL", default="wss://ws-api.testnet.binance.vision")
BROKER_CONNECT_TIMEOUT = env.float("BROKER_CONNECT_TIMEOUT", default=3.0)  # seconds
BROKER_READ_TIMEOUT = env.float("BROKER_READ_TIMEOUT", default=10.0)
BROKER_SWEEP_SECONDS = env.float("BROKER_SWEEP_SECONDS", default=10.0)  # how often REST is asked what a stream lost

# --- Messengers ------------------------------------------------------------------------------------------------------
TELEGRAM_BASE_URL = env.str("TELEGRAM_BASE_URL", default="https://api.telegram.org")
