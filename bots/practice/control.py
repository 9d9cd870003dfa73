"""How a test or a rehearsal steers the practice venue: `/practice/…`, JSON, without any key (it is loopback only).

GET /practice/ledger            accounts with cash, positions, orders and executions: the truth
POST /practice/accounts         {"key", "secret", "cash", "may_withdraw"?}
POST /practice/faults           one fault of `bots.practice.faults`; DELETE clears the script
POST /practice/clock            {"go_to": ISO time} | {"speed": number}
POST /practice/prices           {"symbol", "bid", "ask", "last", "bid_size"?, "ask_size"?}
POST /practice/splits           {"symbol", "new", "old", "in_lieu"?}: true pays a part of a unit in money
POST /practice/dividends        {"symbol", "amount"}: money for each unit held
POST /practice/orders           {"key", …}: an order by hand on that account, in Alpaca's words
POST /practice/transfers        {"key", "amount", "kind"?, "symbol"?}: kind is Alpaca's word (DIV, FEE, INT, …)
POST /practice/rejections       {"client_order_id", "reason"}: rejected after it was taken
POST /practice/executions       {"key", "client_order_id", "qty", "px"}: of an order that has ended; known late
POST /practice/corrections      {"symbol", "at": ISO start of a minute that is over, "high": number, …}: late trades
POST /practice/halts            {"symbol", "halted": true | false}: orders rest meanwhile, and the data stream says so
POST /practice/hours            {"date", "open": "09:30", "close": "13:00"} | {"date", "closed": true}: announced for a
                                day, on New York's clock
POST /practice/shutdowns        {}: Binance's streams say that their server goes down
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bots.mapping import nanoseconds
from bots.practice.alpaca import reading, shapes
from bots.practice.orders import Account, Quote, Refusal
from bots.practice.web import Answer, Request, Routes
from engine.errors import InputError

if TYPE_CHECKING:
    from bots.practice.server import Venue


class Control:
    """The routes, over one venue."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue

    def add_to(self, routes: Routes) -> None:
        routes.add("GET", "/practice/ledger", self.ledger)
        routes.add("DELETE", "/practice/faults", self.clear_faults)
        for name in ("accounts", "faults", "clock", "prices", "splits", "dividends", "transfers", "orders",
                     "rejections", "executions", "corrections", "halts", "hours", "shutdowns"):  # fmt: skip
            routes.add("POST", f"/practice/{name}", _guarded(getattr(self, name)))

    def ledger(self, request: Request) -> Answer:
        return Answer.of({key: self._account(account) for key, account in self.venue.exchange.accounts.items()})

    def clear_faults(self, request: Request) -> Answer:
        self.venue.faults.clear()
        return Answer(204)

    def accounts(self, body: dict[str, Any]) -> Any:
        account = self.venue.open_account(body["key"], body["secret"], Decimal(str(body.get("cash", 100_000))))
        account.may_withdraw = bool(body.get("may_withdraw"))
        return {"id": account.id}

    def faults(self, body: dict[str, Any]) -> Any:
        self.venue.faults.add(body)
        return {"waiting": len(self.venue.faults.requests) + len(self.venue.faults.streams)}

    def clock(self, body: dict[str, Any]) -> Any:
        if "speed" in body:
            self.venue.clock.run_at(float(body["speed"]))
        if "go_to" in body:
            self.venue.clock.go_to(datetime.datetime.fromisoformat(body["go_to"]))
            self.venue.tick()
        return {"now": self.venue.clock.now().isoformat()}

    def hours(self, body: dict[str, Any]) -> Any:
        day, hours = datetime.date.fromisoformat(body["date"]), None
        if body.get("closed") is not True:
            hours = datetime.time.fromisoformat(body["open"]), datetime.time.fromisoformat(body["close"])
            if not hours[0] < hours[1]:
                raise ValueError("it must open before it closes")
        self.venue.announce(day, hours)
        return {"days": self.venue.schedule.days(day, day)}

    def prices(self, body: dict[str, Any]) -> Any:
        px = {name: Decimal(str(body[name])) for name in ("bid", "ask", "last")}
        sizes = {n: Decimal(str(body[n])) for n in ("bid_size", "ask_size") if body.get(n) is not None}
        self.venue.market.say(body["symbol"], Quote(**px, **sizes), self.venue.now_ns())
        return {"symbol": body["symbol"]}

    def splits(self, body: dict[str, Any]) -> Any:
        new, old = int(body["new"]), int(body["old"])
        if not (new > 0 and old > 0):
            raise ValueError("new and old are above 0")
        self.venue.exchange.instrument(body["symbol"])
        self.venue.exchange.split(body["symbol"], new, old, in_lieu=bool(body.get("in_lieu")))
        return {"symbol": body["symbol"]}

    def dividends(self, body: dict[str, Any]) -> Any:
        self.venue.exchange.instrument(body["symbol"])
        return {"accounts": self.venue.exchange.dividend(body["symbol"], _finite(body["amount"]))}

    def orders(self, body: dict[str, Any]) -> Any:
        account = self.venue.exchange.accounts[body["key"]]
        row = self.venue.exchange.submit(account, reading.order_of(body))
        return shapes.order(account, row, self.venue.exchange.instruments[row.request.symbol])

    def transfers(self, body: dict[str, Any]) -> Any:
        account = self.venue.exchange.accounts[body["key"]]
        given = {"what": str(body.get("kind", "")), "symbol": str(body.get("symbol", ""))}
        self.venue.exchange.transfer(account, _finite(body["amount"]), **given)
        return {"cash": str(account.cash)}

    def rejections(self, body: dict[str, Any]) -> Any:
        self.venue.exchange.refuses_later[body["client_order_id"]] = str(body.get("reason", "rejected"))
        return {"waiting": len(self.venue.exchange.refuses_later)}

    def executions(self, body: dict[str, Any]) -> Any:
        exchange, account = self.venue.exchange, self.venue.exchange.accounts[body["key"]]
        order = exchange.order_of_client(account, body["client_order_id"])
        row = exchange.fill_late(account, order.id, _finite(body["qty"]), _finite(body["px"]))
        return shapes.order(account, row, exchange.instruments[row.request.symbol])

    def corrections(self, body: dict[str, Any]) -> Any:
        at = datetime.datetime.fromisoformat(body["at"])
        values = {name: float(value) for name, value in body.items() if name not in ("symbol", "at")}
        self.venue.minutes.correct(body["symbol"], nanoseconds(at), **values)
        return {"symbol": body["symbol"]}

    def halts(self, body: dict[str, Any]) -> Any:
        halted = bool(body["halted"])
        self.venue.exchange.instrument(body["symbol"])
        self.venue.stream.status(body["symbol"], halted=halted, at=self.venue.clock.now())
        self.venue.polygon.status(body["symbol"], halted=halted, at_ms=nanoseconds(self.venue.clock.now()) // 1_000_000)
        self.venue.exchange.halt(body["symbol"], halted)
        return {"symbol": body["symbol"]}

    def shutdowns(self, body: dict[str, Any]) -> Any:
        self.venue.pairs.shut_down()
        return {"told": len(self.venue.pairs.clients)}

    def _account(self, account: Account) -> dict[str, Any]:
        instruments = self.venue.exchange.instruments
        return {
            "cash": shapes.plain(account.cash),
            "equity": shapes.plain(self.venue.exchange.equity(account)),
            "fees": shapes.plain(account.fees),
            "positions": {symbol: shapes.plain(row.qty) for symbol, row in account.positions.items() if row.qty},
            "orders": [
                shapes.order(account, row, instruments[row.request.symbol], nested=False)
                for row in account.orders.values()
            ],
            "executions": [
                shapes.activity(row, execution) for row in account.orders.values() for execution in row.executions
            ],
        }


def _finite(value: Any) -> Decimal:
    """Raises ValueError, InvalidOperation."""
    figure = Decimal(str(value))
    if not figure.is_finite():
        raise ValueError(f"{value} is not an amount")
    return figure


def _guarded(handler: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Answer]:
    """Bad input is told, whatever it is: this address is for people and tests."""

    def answer(request: Request) -> Answer:
        try:
            return Answer.of(handler(request.json()))
        except InputError as error:
            return Answer.of({"message": str(error)}, 400)
        except Refusal as error:
            return Answer.of({"message": error.message}, 409)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation, RecursionError) as error:
            return Answer.of({"message": f"{type(error).__name__}: {error}"}, 400)

    return answer
