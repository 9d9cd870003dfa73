"""Polygon's flat files: a day of all stocks in one file, fetched by S3 with two keys of its own. Raw prices.

Right for many symbols over many days, where a request for each would take longer than the files. Days and labels are
those of `polygon`'s REST bars, so both fill one store.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from marketdata.columns import BarColumns
from marketdata.providers.bars import STOCKS, SessionsOf, days_of, in_regular_hours, of_rows, relabelled
from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError
from marketdata.providers.http import CONNECT_S, READ_S
from marketdata.providers.meter import Meter
from marketdata.symbols import is_made
from marketdata.zones import from_ns

NAME = "Polygon's files"
FOLDERS = {"1m": "minute_aggs_v1", "1d": "day_aggs_v1"}
COLUMNS = ("ticker", "volume", "open", "close", "high", "low", "window_start")
MAX_BYTES = 2 * 1024**3  # of one file, unpacked


class NoFile(ProviderError):
    """There is no file of that day: a holiday, or it is not made yet."""


class PolygonFilesProvider(Provider):
    """endpoint: of the S3 service. key, secret: the two AWS keys; empty where there are none."""

    source = "polygon"
    capabilities = Capabilities(timeframes=("1m", "1d"), network=True)

    def __init__(self, endpoint: str, bucket: str, key: str, secret: str, sessions_of: SessionsOf) -> None:
        self._endpoint, self._bucket, self._key, self._secret = endpoint, bucket, key, secret
        self._sessions_of = sessions_of
        self._meter = Meter("polygon_files", NAME, endpoint, key, "history")
        self._made: Any = None

    @property
    def budget_scope(self) -> str:
        return self._meter.scope

    def instruments(self) -> Sequence[Listing]:
        return []

    def history(self, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> BarColumns:
        """Days whose file is not there, or not yet, have no bars."""
        self.check_timeframe(timeframe)
        if start_ns >= end_ns:
            return BarColumns.empty()
        first, last = from_ns(start_ns).date(), from_ns(end_ns - 1).date()
        parts = []
        for day in self.trading_days(first, last):
            try:
                parts.append(self.day(timeframe, day, [symbol]).get(symbol, BarColumns.empty()))
            except NoFile:
                continue
        return BarColumns.concat(parts).between(start_ns, end_ns)

    def trading_days(self, first: date, last: date) -> list[date]:
        """The days of [first, last] on which the exchange was open."""
        days = self._sessions_of(STOCKS, first, last).day.tolist()
        return [date(1970, 1, 1) + timedelta(days=day) for day in days]

    def day(self, timeframe: str, day: date, symbols: Collection[str]) -> dict[str, BarColumns]:
        """The bars of those symbols that the day's file has. Raises NoFile, ProviderError."""
        wanted = set(symbols)
        rows: dict[str, list[tuple[int, float, float, float, float, float]]] = {}
        for line in self._lines(f"us_stocks_sip/{FOLDERS[timeframe]}/{day:%Y/%m/%Y-%m-%d}.csv.gz"):
            ticker, volume, o, c, h, low, start = line  # a ticker is text, also where it is NA or TRUE
            if ticker in wanted:
                try:
                    row = (int(start), float(o), float(h), float(low), float(c), float(volume))
                except ValueError as error:
                    raise ProviderError(f"{NAME} have a line that is none, on {day}", retryable=False) from error
                rows.setdefault(ticker, []).append(row)
        found = {}
        for symbol, lines in rows.items():
            bars = of_rows(NAME, lines)
            if timeframe == "1d":
                bars = relabelled(bars, days_of(bars.ts))
            elif not is_made(symbol):
                bars = in_regular_hours(bars, self._sessions_of)
            found[symbol] = bars
        return found

    def _lines(self, key: str) -> Iterator[list[str]]:
        reader = csv.reader(io.TextIOWrapper(_Limited(gzip.GzipFile(fileobj=self._body(key))), "utf-8", newline=""))
        try:
            header = next(reader, [])
            if not set(COLUMNS) <= set(header):
                raise ProviderError(f"{NAME} have other columns than they had", retryable=False)
            places = [header.index(name) for name in COLUMNS]
            for line in reader:
                if len(line) < len(header):
                    raise ProviderError(f"{NAME} have a line that is cut off", retryable=True)
                yield [line[place] for place in places]
        except (OSError, EOFError, ValueError, csv.Error) as error:  # no gzip, cut off, no text
            raise ProviderError(f"{NAME} could not be read ({type(error).__name__})", retryable=True) from error

    def _body(self, key: str) -> io.BytesIO:
        from botocore.exceptions import BotoCoreError, ClientError

        if not (self._key and self._secret):
            raise ProviderError(f"{NAME} need POLYGON_FILES_KEY and POLYGON_FILES_SECRET", retryable=False)
        self._meter.take()
        try:
            body = io.BytesIO(self._client().get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except ClientError as error:
            told = error.response.get("ResponseMetadata", {})
            self._meter.told(int(told.get("HTTPStatusCode", 0)), told.get("HTTPHeaders", {}))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            code = str(error.response.get("Error", {}).get("Code", ""))
            if status == 404:
                raise NoFile(
                    f"{NAME} have none of that day: a holiday, or it is not made yet", retryable=True
                ) from error
            if code in ("SignatureDoesNotMatch", "InvalidAccessKeyId"):
                raise ProviderError(f"{NAME} refuse the keys", retryable=False) from error
            if status == 403:
                raise ProviderError(f"{NAME}: the plan does not include that day", retryable=False) from error
            raise ProviderError(f"{NAME} answered with status {status}", retryable=True) from error
        except BotoCoreError as error:
            self._meter.failed()
            raise ProviderError(f"{NAME} cannot be reached ({type(error).__name__})", retryable=True) from error
        self._meter.told(200, {})
        return body

    def _client(self) -> Any:
        if self._made is None:
            import boto3
            from botocore.config import Config

            self._made = boto3.client(
                "s3",
                endpoint_url=self._endpoint,
                aws_access_key_id=self._key,
                aws_secret_access_key=self._secret,
                region_name="us-east-1",
                config=Config(
                    connect_timeout=CONNECT_S,
                    read_timeout=READ_S,
                    retries={"max_attempts": 1},
                    s3={"addressing_style": "path"},
                ),
            )
        return self._made


class _Limited(io.RawIOBase):
    """Gives no more than `MAX_BYTES`: a small file may unpack to anything."""

    def __init__(self, inner: gzip.GzipFile) -> None:
        self._inner, self._left = inner, MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("the file is too large")
        buffer[: len(data)] = data
        return len(data)
