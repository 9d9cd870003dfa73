"""Splits and dividends that have happened here, as Alpaca and Polygon tell them. An account's key reads.

They are those that somebody made happen (`/practice/splits`, `/practice/dividends`). Made-up prices follow splits; bars
are as traded.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable
from typing import Any

from bots.practice.exchange import Exchange
from bots.practice.hours import NEW_YORK
from bots.practice.orders import Dividend, Split
from bots.practice.web import Answer, Request, Routes

PAGE = 1_000


class CorporateActions:
    """Alpaca's route and the two of Polygon, over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def add_to(self, routes: Routes) -> None:
        routes.add("GET", "/v1/corporate-actions", self.alpaca)
        routes.add("GET", "/v3/reference/splits", self.splits)
        routes.add("GET", "/v3/reference/dividends", self.dividends)

    def alpaca(self, request: Request) -> Answer:
        """Kinds without a row are left out. Pages count over all kinds."""
        account = self.exchange.accounts.get(request.headers.get("apca-api-key-id", ""))
        if account is None or account.secret != request.headers.get("apca-api-secret-key"):
            return Answer.of({"message": "forbidden."}, 403)
        query = request.query
        try:
            first = datetime.date.fromisoformat(query["start"][:10]) if "start" in query else None
            last = datetime.date.fromisoformat(query["end"][:10]) if "end" in query else None
            limit = min(int(query.get("limit", 100)), PAGE)
            begin = int(query.get("page_token") or 0)
        except ValueError as error:
            return Answer.of({"message": f"invalid parameter: {error}"}, 400)
        symbols = set(filter(None, query.get("symbols", "").split(",")))
        kinds = set(filter(None, query.get("types", "").split(",")))
        rows = [
            (kind, shown)
            for kind, symbol, day, shown in self._shown()
            if (not symbols or symbol in symbols)
            and (not kinds or kind in kinds)
            and (first is None or day >= first)
            and (last is None or day <= last)
        ]
        answer: dict[str, list[dict[str, Any]]] = {}
        for kind, shown in rows[begin : begin + limit]:
            answer.setdefault(f"{kind}s", []).append(shown)
        token = str(begin + limit) if len(rows) > begin + limit else None
        return Answer.of({"corporate_actions": answer, "next_page_token": token})

    def _shown(self) -> Iterable[tuple[str, str, datetime.date, dict[str, Any]]]:
        """(kind, symbol, ex-date, as Alpaca shows it) by ex-date."""
        happened: list[Split | Dividend] = [*self.exchange.splits, *self.exchange.dividends]
        for row in sorted(happened, key=lambda row: row.at):
            day = _day(row)
            dates = dict.fromkeys(("ex_date", "process_date", "record_date", "payable_date"), day.isoformat())
            common = {"id": row.id, "symbol": row.symbol, **dates}
            if isinstance(row, Dividend):
                more = {"cusip": "000000000", "rate": float(row.amount), "special": False, "foreign": False}
                yield "cash_dividend", row.symbol, day, common | more
            elif row.new > row.old:
                more = {"cusip": "000000000", "new_rate": row.new, "old_rate": row.old}
                yield "forward_split", row.symbol, day, common | more
            else:
                more = {"old_cusip": "000000000", "new_cusip": "000000001", "new_rate": row.new, "old_rate": row.old}
                yield "reverse_split", row.symbol, day, common | more

    def splits(self, request: Request) -> Answer:
        rows = [
            {"execution_date": _day(row).isoformat(), "id": row.id, "split_from": row.old, "split_to": row.new,
             "ticker": row.symbol}
            for row in self.exchange.splits
        ]  # fmt: skip
        return self._polygon(request, rows, "execution_date")

    def dividends(self, request: Request) -> Answer:
        rows = [
            {"cash_amount": float(row.amount), "currency": "USD", "dividend_type": "CD", "frequency": 4, "id": row.id,
             "ex_dividend_date": _day(row).isoformat(), "ticker": row.symbol}
            for row in self.exchange.dividends
        ]  # fmt: skip
        return self._polygon(request, rows, "ex_dividend_date")

    def _polygon(self, request: Request, rows: list[dict[str, Any]], by: str) -> Answer:
        """Newest first, in pages that lead on by `next_url`."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if (request.query.get("apiKey") or bearer) not in self.exchange.accounts:
            return Answer.of({"status": "ERROR", "request_id": uuid.uuid4().hex, "error": "Unknown API Key"}, 401)
        try:
            limit, begin = min(int(request.query.get("limit", 10)), PAGE), int(request.query.get("cursor", 0))
        except ValueError:
            return Answer.of({"status": "ERROR", "request_id": uuid.uuid4().hex, "error": "limit is no number"}, 400)
        ticker = request.query.get("ticker")
        wanted = sorted((row for row in rows if ticker in (None, row["ticker"])), key=lambda row: row[by], reverse=True)
        body = {"status": "OK", "request_id": uuid.uuid4().hex, "results": wanted[begin : begin + limit]}
        if len(wanted) > begin + limit:
            host, of = request.headers.get("host", "127.0.0.1"), f"ticker={ticker}&" if ticker else ""
            body["next_url"] = f"http://{host}{request.path}?{of}limit={limit}&cursor={begin + limit}"
        return Answer.of(body)


def _day(row: Split | Dividend) -> datetime.date:
    """The ex-date: the day in New York on which it happened."""
    return row.at.astimezone(NEW_YORK).date()
