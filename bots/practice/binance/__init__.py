"""Binance's spot protocols, as the practice venue speaks them: REST with signatures, the WebSocket API.

`listing` pairs and their filters, `market` public prices, `signing` who asks, `trading` orders, `accounts` balances and
trades, `shapes` the JSON of orders, `events` the account's stream.
"""

from __future__ import annotations

from bots.practice.binance.accounts import Accounts
from bots.practice.binance.events import UserData
from bots.practice.binance.listing import Listing
from bots.practice.binance.market import Spot
from bots.practice.binance.signing import Gate
from bots.practice.binance.trading import Trading
from bots.practice.exchange import Exchange
from bots.practice.market import Market
from bots.practice.web import Routes


class Binance:
    """All of it, over one exchange. gate: who may ask, and how much; events: the account's stream."""

    def __init__(self, exchange: Exchange, market: Market) -> None:
        listing = Listing(exchange)
        self.gate = Gate(exchange, listing)
        self.events = UserData(exchange, listing, self.gate)
        self._public = Spot(exchange, market, listing)
        self._trading, self._accounts = Trading(exchange, listing), Accounts(exchange, listing, self.gate)

    def add_to(self, routes: Routes) -> None:
        self._public.add_to(routes)
        self._trading.add_to(routes, self.gate)
        self._accounts.add_to(routes)
