"""A practice venue on a real socket, an account there, and sessions of its owner's that trade on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import httpx

from accounts.models import BrokerAccount, User
from bots.models import TradingSession
from bots.practice.orders import Account, Instrument
from bots.practice.server import Venue
from marketdata.feeds import synthetic
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.host.hosting import make, quick, wait_for
from tests.conftest import CHAOS_ROUNDS

T = TypeVar("T")
KEY, SECRET = "PRACTICEKEY", "practice-secret"
SYMBOLS = ("SIM-ALPHA", "SIM-BETA")
SEED = 7


class ScriptedVenue(Venue):
    """The practice venue, of which a test changes more than its control takes."""

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        await super().run()

    def here(self, change: Callable[[], T]) -> T:
        """Make the change where the venue is served: nobody sees a half of it, and who listens hears it at once."""

        async def made() -> T:
            return change()

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result(30)


@dataclass
class Rig:
    """The venue, where it listens, and one customer there. account: our row of it. key: the venue's name of it."""

    venue: ScriptedVenue
    address: str
    customer: Account
    account: BrokerAccount
    key: str = KEY

    def control(self, name: str, **body: Any) -> Any:
        answer = httpx.post(f"http://{self.address}/practice/{name}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def price(self, px: float | str, symbol: str = "SIM-ALPHA", **sizes: str) -> None:
        """Bid, ask and last trade at one price."""
        self.control("prices", symbol=symbol, bid=str(px), ask=str(px), last=str(px), **sizes)

    def fault(self, **body: Any) -> None:
        self.control("faults", **body)

    def cancel(self, order_id: str) -> None:
        """Somebody ends an order by hand."""
        self.venue.here(lambda: self.venue.exchange.cancel(self.customer, order_id))

    def ledger(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"http://{self.address}/practice/ledger").json()[self.key]
        return told

    def session(self, **columns: Any) -> TradingSession:
        """A session that trades often, on quick prices of a made market; the venue's own price stands still near it."""
        fields: dict[str, Any] = {
            "mode": "LIVE",
            "broker_account": self.account,
            "symbols": ["SIM-ALPHA"],
            "feed_options": quick(seed=SEED),
            "settings": {"allow_fractional": False},
        }
        return make(self.account.owner, **{**fields, **columns})


def instruments() -> list[Instrument]:
    return [Instrument(symbol) for symbol in SYMBOLS]


def rig_of(venue: ScriptedVenue, address: str, owner: User, *, prices: bool = True) -> Rig:
    """prices: said once, near those of the made market; a venue that makes its own needs none."""
    customer = venue.open_account(KEY, SECRET, Decimal(100_000))
    account = BrokerAccountFactory(owner=owner, api_key=KEY, api_secret=SECRET)
    rig = Rig(venue, address, customer, account)
    for symbol in SYMBOLS if prices else ():
        rig.price(round(last_price(symbol), 2), symbol)
    return rig


def last_price(symbol: str) -> float:
    """Where the made market is now."""
    now = time.time_ns()
    return float(synthetic.history(symbol, "1m", now - 600 * 10**9, now, seed=SEED, ticks_per_s=2).close[-1])


def story(session: TradingSession) -> str:
    """What the session has to say, for the message of a test that waits in vain."""
    session.refresh_from_db()
    lines = [f"{session.state} {session.state_reason}"]
    lines += [f"{event.at:%H:%M:%S.%f} {event.kind} {event.text}" for event in session.events.order_by("pk")]
    lines += [f"{order.seq} {order} {order.reason} {order.state_reason}" for order in session.orders.order_by("pk")]
    lines += [f"{trade.executed_at:%H:%M:%S.%f} {trade}" for trade in session.trades.order_by("pk")]
    counts: dict[str, int] = {}
    for outcome in session.decisions.values_list("outcome", flat=True):
        counts[outcome] = counts.get(outcome, 0) + 1
    return "\n".join([*lines, str(counts)])


def in_time(took_s: float, most_s: float) -> None:
    """Hold what was waited for to its goal in seconds, where nothing else keeps the machine busy: in `make chaos`.
    Elsewhere it is enough that it came."""
    assert not CHAOS_ROUNDS or took_s <= most_s, f"it took {took_s:.1f} s, and has {most_s:g} s"


def state_of(session: TradingSession) -> str:
    return str(TradingSession.objects.values_list("state", flat=True).get(pk=session.pk))


def until(session: TradingSession, what: Callable[[], Any], within_s: float = 30.0) -> Any:
    """The first true answer of `what`; AssertionError with the session's story when there is none in time, or when the
    session has broken down."""

    found: list[Any] = []

    def is_decided() -> bool:
        found[:] = [what()]
        return bool(found[0]) or state_of(session) in ("HALTED", "FAILED")

    try:
        wait_for(is_decided, within_s)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{story(session)}") from None
    found[0] = found[0] or what()  # it may have halted just now, and be what is waited for
    assert found[0], story(session)
    return found[0]
