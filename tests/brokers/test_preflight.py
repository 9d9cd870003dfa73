"""What is told before an order is sent, against what the venue then says: both ways, for hundreds of drawn requests.

Exceptions, because only the venue can know: a client id used before; prices that move between the look and the send.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from bots.brokers.base import Broker, OrderRequest, Refused
from bots.brokers.naming import at_broker
from bots.brokers.preflight import Known, check, fitted
from bots.brokers.registry import open_broker
from bots.practice.orders import Instrument, Quote
from bots.practice.server import Venue
from bots.practice.serving import in_thread
from tests.bots.live.venue_rules import ALPACA_COIN

KEY, SECRET = "PKPREFLIGHT", "preflight-secret"
STOCKS = (
    Instrument("AAPL"),
    Instrument("RARE", fractionable=False, shortable=False),
    Instrument("PENNY"),
)
COIN = Instrument("BTC/USD", "crypto", tick=Decimal("0.01"), lot=Decimal("0.0001"), base="BTC")
PRICES = {"AAPL": "100", "RARE": "40", "PENNY": "0.5", "BTC-USD": "50000"}
KINDS = ("market", "limit", "stop", "stop_limit", "trailing_stop")


# Named otherwise than in the contract, whose table wants each of its cases of every broker.
@pytest.fixture(scope="module", params=["alpaca", "binance"], ids="at {}".format)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """An account of each kind, at a venue of its own whose prices stand still."""
    venue = Venue([*STOCKS, COIN], always_open=True, is_scripted=True)
    venue.open_account(KEY, SECRET, Decimal(20_000))
    venue.binance.gate.most = 1_000_000  # the test asks more than a session would
    with in_thread(venue) as address:
        for symbol, px in PRICES.items():
            venue.market.say(at_broker(symbol), Quote(Decimal(px), Decimal(px), Decimal(px)), venue.now_ns())
        with override_settings(PRACTICE_VENUE_URL=f"http://{address}"):
            made: Any = open_broker(request.param, "PRACTICE", KEY, SECRET)
        made.pace.per_minute = 1e9
        yield made
        made.close()


def known(broker: Broker, symbol: str) -> Known:
    held = {position.symbol: position.qty for position in broker.positions()}
    last = broker.last_prices([symbol]).get(symbol)
    return Known(
        broker.rules([symbol]).get(symbol), broker.capabilities, broker.money(), held.get(symbol, Decimal(0)),
        broker.open_orders(), last,
    )  # fmt: skip


def submitted(broker: Broker, request: OrderRequest) -> Refused | None:
    try:
        broker.submit(request)
    except Refused as error:
        return error
    return None


def drawn(random_: random.Random, number: int) -> OrderRequest:
    """Something between a sound order and nonsense."""
    symbol = random_.choice([*PRICES, "AAPL", "AAPL", "NOWHERE"])
    base = Decimal(PRICES.get(symbol, "10"))
    kind, side = random_.choice(KINDS), random_.choice(["BUY", "SELL"])

    def price(*, sound: float = 0.8) -> Decimal | None:
        if random_.random() > 0.95:
            return random_.choice([None, Decimal(0), Decimal(-1)])
        px = base * Decimal(str(round(random_.uniform(0.85, 1.15), 3)))
        return px.quantize(Decimal("0.01")) if random_.random() < sound else px.quantize(Decimal("0.00001"))

    is_coin = symbol == "BTC-USD"
    qty = Decimal(random_.choice(["1", "2", "5", "0.5", "0.0001", "0.12345", "0", "40", "600", "0.00001"]))
    order_class = random_.choice(["simple"] * 6 + ["bracket", "oto", "oco"])
    kind = "limit" if order_class == "oco" else kind  # the contract's: it is its own take profit
    return OrderRequest(
        f"preflight-{number}", symbol, side, kind,  # type: ignore[arg-type]
        "gtc" if order_class == "oco" else random_.choice(
            ["day", "day", "gtc", "gtc", "ioc", "fok"] if not is_coin else ["gtc", "gtc", "ioc", "day"]),
        qty,
        limit_px=price() if kind in ("limit", "stop_limit") and order_class != "oco" else None,
        stop_px=price() if kind in ("stop", "stop_limit") else None,
        trail_px=Decimal(1) if kind == "trailing_stop" and random_.random() < 0.9 else None,
        extended_hours=random_.random() < 0.1,
        order_class=order_class,  # type: ignore[arg-type]
        take_profit=price() if order_class in ("bracket", "oco") else None,
        stop_loss=price() if order_class != "simple" else None,
    )  # fmt: skip


@pytest.mark.row("W12")
def test_a_refusal_is_predicted_and_nothing_else(broker: Broker) -> None:
    random_, said = random.Random(5), Counter[str]()
    for number in range(500):
        if number % 25 == 0:
            for order in broker.open_orders():
                if random_.random() < 0.7:
                    with contextlib.suppress(Refused):  # it ended with another of its group
                        broker.cancel(order)
        request = drawn(random_, number)
        facts = known(broker, request.symbol)
        problems = [problem for problem in check(request, facts) if problem.blocks]
        refusal = submitted(broker, request)
        said[refusal.code if refusal else "taken"] += 1
        assert bool(problems) == bool(refusal), (
            f"{request}\nwe: {problems}\nthe venue: {refusal} {facts.held}"
            + "".join(f"\n{o}" for o in facts.open_orders if o.symbol == request.symbol)
        )
    assert said["taken"] > 25
    assert len(said) >= 8, said


@pytest.mark.row("W12")
@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"qty": Decimal("3.00004")}, {"qty": Decimal(3)}),
        ({"time_in_force": "day"}, {"time_in_force": "gtc"}),
        ({"kind": "trailing_stop", "trail_px": Decimal(1)}, {"kind": "market", "trail_px": None}),
        ({"kind": "limit", "limit_px": Decimal("99.991")}, {"limit_px": Decimal("100.00")}),
        ({"kind": "stop_limit", "stop_px": Decimal("90.001"), "limit_px": Decimal(90)}, {"stop_px": Decimal("90.01")}),
        ({"extended_hours": True}, {"extended_hours": False}),
    ],
)
def test_an_exit_is_brought_to_what_the_venue_takes(changes: dict[str, Any], wanted: dict[str, Any]) -> None:
    exit_ = replace(OrderRequest("x", "BTC/USD", "SELL", "market", "gtc", Decimal(3)), **changes)
    made = fitted(exit_, replace(ALPACA_COIN, fractionable=False))
    assert {name: getattr(made, name) for name in wanted} == wanted
    assert fitted(exit_, None) == exit_
