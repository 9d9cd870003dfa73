"""What came to an account at Binance or left it by another way than trades: deposits, withdrawals, distributions.

Coins count as money here, too: each row is in its own coin. The testnet has none of these lists.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal

from bots.brokers.base import CashActivity, VenueDown
from bots.brokers.binance import shapes
from bots.brokers.binance.client import SpotClient

PAGE = 1_000
LONGEST = datetime.timedelta(days=89)  # no list may be asked for a longer time at once
ARRIVED, WITHDRAWN = (1, 6), 6  # statuses of what is in the account, and of what has left it


def since(client: SpotClient, first: datetime.datetime, now: Callable[[], datetime.datetime]) -> list[CashActivity]:
    """From `first` on, oldest first. now: as `trades.since`. Raises as `Broker` says."""
    found: dict[str, CashActivity] = {}
    while True:
        last = first + LONGEST
        window = {"startTime": shapes.milliseconds(first), "endTime": shapes.milliseconds(last)}
        for each in (*_deposits(client, window), *_withdrawals(client, window), *_distributions(client, window)):
            found[each.ref] = each
        first = last
        if first > now():
            break
    return sorted(found.values(), key=lambda each: (each.at, each.ref))


def _deposits(client: SpotClient, window: dict[str, int]) -> Iterator[CashActivity]:
    for raw in _pages(client, "/sapi/v1/capital/deposit/hisrec", window):
        if raw.get("status") in ARRIVED:
            yield _activity(raw, "deposit", shapes.figure(raw, "amount"), "coin", shapes.moment(raw.get("insertTime")))


def _withdrawals(client: SpotClient, window: dict[str, int]) -> Iterator[CashActivity]:
    """What left the account: the network's fee with it."""
    for raw in _pages(client, "/sapi/v1/capital/withdraw/history", window):
        if raw.get("status") == WITHDRAWN:
            amount = shapes.figure(raw, "amount") + (shapes.some(raw, "transactionFee") or Decimal(0))
            yield _activity(raw, "withdrawal", -amount, "coin", _moment(raw.get("applyTime")))


def _distributions(client: SpotClient, window: dict[str, int]) -> Iterator[CashActivity]:
    """Rewards, airdrops; one list without pages, of at most 500."""
    told = shapes.row(client.ask("GET", "/sapi/v1/asset/assetDividend", {**window, "limit": 500}, cost=10))
    for raw in shapes.rows(told.get("rows")):
        amount, at = shapes.figure(raw, "amount"), shapes.moment(raw.get("divTime"))
        yield _activity(raw, "dividend", amount, "asset", at, str(raw.get("enInfo") or ""))


def _pages(client: SpotClient, path: str, window: dict[str, int]) -> Iterator[shapes.Raw]:
    skipped = 0
    while True:
        page = shapes.rows(client.ask("GET", path, {**window, "limit": PAGE, "offset": skipped}))
        yield from page
        if len(page) < PAGE:
            return
        skipped += PAGE


def _activity(
    raw: shapes.Raw, kind: str, amount: Decimal, coin: str, at: datetime.datetime | None, text: str = ""
) -> CashActivity:
    """Raises VenueDown where it has no id, no coin or no time."""
    if at is None or not raw.get("id") or not raw.get(coin):
        raise VenueDown(f"Binance's answer cannot be read: a {kind} has no id, no coin or no time.")
    return CashActivity(f"{kind}-{raw['id']}", kind, amount, str(raw[coin]), at, text=text[:200])


def _moment(value: object) -> datetime.datetime | None:
    """2026-11-26 14:30:00, which is UTC."""
    try:
        return datetime.datetime.fromisoformat(str(value)).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
