"""The list of an account's executions at Binance: by pair, a day at a time until there is one, then by their ids."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

from bots.brokers.base import VenueDown
from bots.brokers.binance import shapes
from bots.brokers.binance.client import SpotClient

PATH, COST, PAGE = "/api/v3/myTrades", 20, 1_000
DAY = datetime.timedelta(days=1)


def since(
    client: SpotClient, name: str, first: datetime.datetime, now: Callable[[], datetime.datetime]
) -> Iterator[shapes.Raw]:
    """All rows of myTrades of one pair from `first` on, oldest first. now: by the venue's clock, which is known after a
    first answer. Raises as `Broker` says."""
    begin = first
    while True:
        end = begin + DAY
        window = {"startTime": shapes.milliseconds(begin), "endTime": shapes.milliseconds(end)}
        page = _page(client, {"symbol": name, "limit": PAGE, **window})
        begin = end
        if page or begin > now():
            break
    last = -1
    while page:
        yield from page
        if not isinstance(page[-1].get("id"), int) or page[-1]["id"] <= last:
            raise VenueDown("Binance's list of trades does not go on.")
        last = page[-1]["id"]
        page = _page(client, {"symbol": name, "limit": PAGE, "fromId": last + 1})


def _page(client: SpotClient, params: dict[str, object]) -> list[shapes.Raw]:
    return shapes.rows(client.ask("GET", PATH, params, cost=COST))
