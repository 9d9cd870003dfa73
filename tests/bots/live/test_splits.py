"""What a split does to units and prices, and what is made of orders that the venue changes by itself."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from bots import mapping
from bots.book import Book, Change, Execution
from bots.brokers.base import BrokerOrder
from bots.host.instants import Instant
from bots.live import unexplained
from bots.live.flows import shares_of_split
from bots.live.prices import Prices
from bots.live.unexplained import Unexplained, units_ratio
from bots.models import Adjustment, Order
from bots.orders import OrderState
from bots.practice.exchange import Exchange
from bots.practice.orders import Instrument, Quote, Request
from marketdata.feeds import Tick
from tests.accounts.factories import BrokerAccountFactory
from tests.bots.live.made import live_session

D = Decimal
AT = datetime.datetime(2026, 11, 2, 15, tzinfo=datetime.UTC)
WHOLE = st.integers(1, 5_000).map(D)
PARTS = st.integers(1, 5_000_000).map(lambda n: D(n) / 1_000)
RATIOS = st.tuples(st.integers(1, 40), st.integers(1, 40)).filter(lambda ratio: ratio[0] != ratio[1])
SMALL = D("1E-6")


@pytest.mark.row("W17", "I3")
@pytest.mark.fault(33)
@given(
    ratio=RATIOS, units=st.lists(WHOLE | PARTS, min_size=1, max_size=4), external=st.just(D(0)) | WHOLE | PARTS,
    px=st.integers(100, 100_000).map(lambda cents: D(cents) / 100), stop_pct=st.integers(1, 40), in_lieu=st.booleans(),
)  # fmt: skip
def test_a_split_keeps_what_is_held_what_it_cost_and_how_far_its_stop_is(
    ratio: tuple[int, int], units: list[Decimal], external: Decimal, px: Decimal, stop_pct: int, in_lieu: bool
) -> None:
    """Sessions with a book each on one account of the practice exchange: their sum and what is external is what the
    exchange has, and so is the money that it pays for a part of a unit."""
    new, old = ratio
    exchange = Exchange([Instrument("A")], lambda: AT)
    customer = exchange.open_account("k", "s", D(10) ** 12)
    exchange.quote("A", Quote(px, px, px))
    books = {number: Book(D(10) ** 12) for number in range(len(units))}
    for number, qty in enumerate([*units, external]):
        if not qty:
            continue
        exchange.submit(customer, Request("A", "buy", "market", "day", f"e{number}", qty))
        if number in books:
            books[number].apply(Execution("A", 1, qty, px, D(0), AT))
    level = (px * (100 - stop_pct) / 100).quantize(D("0.01"))
    rests = exchange.submit(customer, Request("A", "sell", "stop", "day", "stop", units[0], stop_px=level))
    cash, total = customer.cash, sum(units, external)
    exchange.split("A", new, old, in_lieu=in_lieu)
    paid = customer.flows[-1].amount
    by = mapping.ratio((D(new) / old).quantize(D("1E-9")))
    assert by == Fraction(new, old), "nine places are enough to know it"
    held = dict(enumerate(units))
    parted = shares_of_split(held, external, by, in_lieu=bool(paid))
    for number, book in books.items():
        before, holding = book.cash, book.holdings["A"]
        book.adjust(Change("split", AT, "A", ratio=(D(new) / old).quantize(D("1E-9"))))
        assert holding.qty == parted.after[number] == mapping.split_units(held[number], by)
        assert holding.cost == held[number] * px, "what it cost stays"
        assert abs(holding.qty * mapping.split_price(px, by) - held[number] * px) < SMALL * max(holding.qty, px, 1)
        if gone := parted.given_up.get(number):
            worth = abs(paid / parted.broken)
            book.adjust(Change("release", AT, "A", qty=gone, px=worth))
            assert abs(book.cash - before - gone * worth) < SMALL
    left = sum((book.holdings["A"].qty for book in books.values() if "A" in book.holdings), D(0))
    assert left + parted.external == customer.position("A").qty
    assert abs(paid - parted.broken * exchange.quotes["A"].last) < SMALL
    assert customer.cash == cash + paid
    assert (
        sum((book.cash for book in books.values()), D(0)) <= len(books) * D(10) ** 12 - sum(units) * px + paid + SMALL
    )
    assert customer.position("A").qty + parted.broken == mapping.split_units(total, by)
    if not rests.is_over:
        ours, step = mapping.split_price(level, by), D("0.01")
        assert rests.stop_px is not None
        assert abs(rests.stop_px - ours) <= step
        assert abs(ours / mapping.split_price(px, by) - level / px) < D("1E-4"), "as many percent away as before"
        assert rests.qty <= customer.position("A").qty


BAR = (100.0, 110.0, 90.0, 105.0, 1_000.0)
IN_FOUR = (25.0, 27.5, 22.5, 26.25, 4_000.0)


@pytest.mark.django_db
@pytest.mark.row("W17", "I6")
@pytest.mark.parametrize(
    ("feed", "after"), [("synthetic", IN_FOUR), ("replay", IN_FOUR), ("alpaca", BAR), ("polygon", BAR)]
)
def test_no_price_from_before_a_split_meets_a_level_from_after_it(
    alice: User, feed: str, after: tuple[float, ...]
) -> None:
    """What closed before it is divided, whoever tells it; what came later only where the feed knows of no split."""
    session = live_session(alice, BrokerAccountFactory(owner=alice), feed=feed, symbols=["A", "B"])
    prices, at = Prices(session), mapping.nanoseconds(AT)
    one = Instant(at - 60, at, {"A": BAR, "B": BAR}, {"A": (at - 60, BAR)}, at, backfilled=True)
    assert prices.instant(one) is one
    Adjustment.objects.create(session=session, kind="split", ref="s", symbol="A", ratio=D(4), at=AT)
    prices = Prices(session)
    assert prices.instant(one) == replace(one, bars={"A": IN_FOUR, "B": BAR}, deciding={"A": (at - 60, IN_FOUR)})
    later = replace(one, closed_ns=at + 1)
    assert prices.instant(later).bars == {"A": after, "B": BAR}
    tick = Tick("A", at, 100.0, 8.0, 99.0, 101.0)
    assert prices.tick(tick) == Tick("A", at, 25.0, 32.0, 24.75, 25.25)
    assert prices.tick(tick._replace(ts=at + 1)).px == after[0]
    assert prices.tick(tick._replace(symbol="B")).px == 100.0


def row(**columns: object) -> Order:
    fields = {"symbol": "A", "side": "SELL", "kind": "stop", "role": "stop", "qty": D(100), "stop_px": D(90),
              "broker_order_id": "b"}  # fmt: skip
    return Order(**{**fields, **columns})


def told(**figures: object) -> BrokerOrder:
    made = BrokerOrder("c", "b", "A", "SELL", "stop", OrderState.ACCEPTED, D(100), stop_px=D(90))
    return replace(made, **figures)  # type: ignore[arg-type]


@pytest.mark.row("W17")
@pytest.mark.parametrize(
    ("ours", "theirs", "ratio"),
    [
        (row(), told(), None),
        (row(), told(stop_px=D("89.5")), None),  # rounded
        (row(), told(qty=D(40)), None),  # the other exit of its group fills
        (row(), told(qty=D(400), stop_px=D("22.5")), D(4)),
        (row(), told(qty=D(10), stop_px=D(900)), D("0.1")),
        (row(), told(qty=D(400), stop_px=D("22.5"), broker_order_id="another"), None),  # what took its place
        (row(kind="limit", role="plain", stop_px=D(50), limit_px=D(60)), told(stop_px=None, limit_px=D(60)), None),
        (row(kind="limit", role="plain", stop_px=None, limit_px=D(60)), told(stop_px=None, limit_px=D(40)), D("1.5")),
        (row(kind="market", role="plain", stop_px=None), told(qty=D(50), stop_px=None), D("0.5")),
        (row(kind="market", role="plain", stop_px=None, filled_qty=D(50)), told(qty=D(50), stop_px=None), None),
    ],
)
def test_which_figures_of_an_order_only_the_venue_can_have_changed(
    ours: Order, theirs: BrokerOrder, ratio: Decimal | None
) -> None:
    assert units_ratio(ours, theirs) == ratio


def test_what_is_unexplained_is_held_for_a_while_and_then_for_a_person() -> None:
    now = [0.0]
    found = Unexplained(lambda: now[0])
    assert not found.is_due()
    found.note("A")
    assert ("A" in found, found.held(), found.overdue()) == (True, {"A"}, frozenset())
    assert (found.is_due(), found.is_due()) == (True, False)
    now[0] = unexplained.ASK_EVERY_S
    found.note("A")
    assert found.is_due(), "the venue is asked again"
    found.note("B")
    found.explained("B")
    assert "B" not in found
    now[0] = unexplained.WAIT_S
    assert ("A" in found, found.held(), found.overdue()) == (False, frozenset(), {"A"})
    now[0] += unexplained.LINGERS_S + 1
    assert found.overdue() == frozenset()


@pytest.mark.parametrize(
    ("told", "meant"),
    [("0.333333333", "1/3"), ("1.5", "3/2"), ("0.1", "1/10"), ("1.05", "21/20"), ("0.0005", "1/2000"), ("4", "4")],
)
def test_a_ratio_of_nine_places_is_exact_again(told: str, meant: str) -> None:
    assert mapping.ratio(D(told)) == Fraction(meant)
    assert (
        mapping.split_units(D(300), mapping.ratio(D(told)))
        == D(300) * Fraction(meant).numerator / Fraction(meant).denominator
    )


def test_an_odd_ratio_stays_as_it_is_told() -> None:
    assert mapping.ratio(D("1.045621347")) == Fraction("1.045621347")
