"""Polygon's flat files by S3: gzip CSV of minute and day aggregates, made of the same market. Any account's keys read.

Three requests of the protocol: HeadObject, GetObject, ListObjectsV2. A day's file is there from eleven in the morning,
New York's time, of the day after; days on which the exchange is closed have none.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import hmac
import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from bots.mapping import nanoseconds
from bots.practice.exchange import Exchange
from bots.practice.hours import NEW_YORK, Schedule
from bots.practice.market import Market
from bots.practice.web import Answer, Request, Routes
from marketdata.columns import DAY

BUCKET = "flatfiles"
FOLDERS = {"minute_aggs_v1": "1m", "day_aggs_v1": "1d"}
HEADER = "ticker,volume,open,close,high,low,window_start,transactions"
FIRST_HOUR, LAST_HOUR, READY_HOUR = 4, 20, 11  # minutes from before the bell to long after it; New York's time
MAX_KEYS = 1_000
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)"
)


class FlatFiles:
    """The routes, over one market."""

    def __init__(self, exchange: Exchange, market: Market) -> None:
        self.exchange, self.market, self._schedule = exchange, market, Schedule()

    def add_to(self, routes: Routes) -> None:
        for method in ("GET", "HEAD"):
            routes.add(method, f"/{BUCKET}/us_stocks_sip/{{folder}}/{{year}}/{{month}}/{{name}}", self.read)
        routes.add("GET", f"/{BUCKET}", self.list)
        routes.add("GET", f"/{BUCKET}/", self.list)

    def read(self, request: Request) -> Answer:
        if not self._may_read(request):
            return _fault(403, "SignatureDoesNotMatch")
        body = self._file(request.parts["folder"], request.parts["name"])
        key = request.path.removeprefix(f"/{BUCKET}/")
        if body is None or f"/{request.parts['name'][:7].replace('-', '/')}/" not in key:
            return _fault(404, "NoSuchKey")
        tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return Answer(200, body, {"content-type": "application/gzip", "etag": f'"{tag}"'})

    def list(self, request: Request) -> Answer:
        """The keys that begin with ``prefix``, a thousand at most; ``start-after`` goes on."""
        if not self._may_read(request):
            return _fault(403, "SignatureDoesNotMatch")
        prefix, after = request.query.get("prefix", ""), request.query.get("start-after", "")
        today = self.exchange.now().date()
        days = self._schedule.days(today - datetime.timedelta(days=730), today)
        dates = [datetime.date.fromisoformat(day["date"]) for day in days]
        names = sorted(
            f"us_stocks_sip/{f}/{d:%Y/%m/%Y-%m-%d}.csv.gz" for f in FOLDERS for d in dates if self._is_ready(d)
        )
        found = [name for name in names if name.startswith(prefix) and name > after]
        rows = "".join(f"<Contents><Key>{escape(name)}</Key></Contents>" for name in found[:MAX_KEYS])
        cut = str(len(found) > MAX_KEYS).lower()
        head = f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found[:MAX_KEYS])}</KeyCount>"
        return _xml(200, f"<ListBucketResult>{head}<IsTruncated>{cut}</IsTruncated>{rows}</ListBucketResult>")

    def _file(self, folder: str, name: str) -> bytes | None:
        try:
            day = datetime.date.fromisoformat(name.removesuffix(".csv.gz"))
        except ValueError:
            return None
        if folder not in FOLDERS or not self._is_ready(day) or not self._schedule.days(day, day):
            return None
        lines = [HEADER]
        for symbol, instrument in sorted(self.exchange.instruments.items()):
            if instrument.asset_class == "us_equity":
                lines += self._lines(symbol, day, FOLDERS[folder])
        return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)

    def _lines(self, symbol: str, day: datetime.date, timeframe: str) -> list[str]:
        midnight = nanoseconds(datetime.datetime.combine(day, datetime.time(), tzinfo=NEW_YORK))
        if timeframe == "1d":  # made of UTC days here, told as New York's
            start = nanoseconds(datetime.datetime.combine(day, datetime.time(), tzinfo=datetime.UTC))
            end, shift = start + DAY, midnight - start
        else:
            start, end = (
                nanoseconds(datetime.datetime.combine(day, datetime.time(hour), tzinfo=NEW_YORK))
                for hour in (FIRST_HOUR, LAST_HOUR)
            )
            shift = 0
        bars = self.market.bars(symbol, timeframe, start, end)
        columns = (column.tolist() for column in bars.arrays())
        return [
            f"{symbol},{v:.0f},{o!r},{c!r},{h!r},{low!r},{ts + shift},1"
            for ts, o, h, low, c, v in zip(bars.ts.tolist(), *columns, strict=True)
        ]

    def _is_ready(self, day: datetime.date) -> bool:
        morning = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(READY_HOUR), NEW_YORK)
        return self.exchange.now() >= morning

    def _may_read(self, request: Request) -> bool:
        return is_signed(request, lambda key: account.secret if (account := self.exchange.accounts.get(key)) else None)


def is_signed(request: Request, secret_of: Callable[[str], str | None]) -> bool:
    """Whether the request is signed with the secret of the key that it names (signature version 4; the body counts as
    the hash that its header tells)."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    secret = secret_of(found[1]) if found else None
    if found is None or secret is None:
        return False
    _, date, region, names, signature = found.groups()
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names.split(";"))
    query = "&".join(
        f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in sorted(parse_qsl(request.raw_query, True))
    )
    canonical = "\n".join(
        (request.method, quote(request.path, safe="/-_.~"), query, headers, names,
         request.headers.get("x-amz-content-sha256", ""))
    )  # fmt: skip
    scope = f"{date}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers.get('x-amz-date', '')}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(key.hex(), signature)


def _fault(status: int, code: str) -> Answer:
    return _xml(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")


def _xml(status: int, text: str) -> Answer:
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), {"content-type": "application/xml"})
