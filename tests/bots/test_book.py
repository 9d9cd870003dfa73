"""The ledger's arithmetic as identities that hold for any fills: exact in Decimal, the same however it is asked."""

from __future__ import annotations

import datetime
from collections import defaultdict, deque
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.book import Book, CrossingFill, Execution
from bots.mapping import money
from bots.orders import Fill, OrderState, OrderView, apply

START = Decimal(100_000)
AT = datetime.datetime(2026, 3, 2, 15, tzinfo=datetime.UTC)
SYMBOLS = ("AAA", "BBB")

few = settings(max_examples=60)
quantities = st.decimals("0.000000000001", "5000", places=12)
prices = st.decimals("0.0001", "9000", places=8)
commissions = st.decimals("0", "50", places=8)


@st.composite
def legs(draw: st.DrawFn) -> list[Execution]:
    """Fills that no order of ours would ask to cross zero: one that would is cut to what is held, or turned around."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    fills = []
    for number in range(draw(st.integers(1, 12))):
        symbol, sign = draw(st.sampled_from(SYMBOLS)), draw(st.sampled_from((1, -1)))
        qty = draw(quantities)
        if held[symbol] * sign < 0:
            qty = min(qty, abs(held[symbol]))
            if draw(st.booleans()):
                qty = abs(held[symbol])
        held[symbol] += sign * qty
        at = AT + datetime.timedelta(seconds=number)
        fills.append(Execution(symbol, sign, qty, draw(prices), draw(commissions), at))
    return fills


def orders_of(fills: list[Execution]) -> list[list[Execution]]:
    """Neighbouring fills that one order may have given: of one symbol and side, all opening or all closing."""
    book, known = Book(START), []
    for fill in fills:
        holding, realised = book.apply(fill)
        known.append(((fill.symbol, fill.sign, holding.number, realised is None), fill))
    return [[fill for _, fill in group] for _, group in groupby(known, key=lambda pair: pair[0])]


def booked(fills: list[Execution]) -> Book:
    book = Book(START)
    book.apply_all(fills)
    return book


def ledger(book: Book) -> Any:
    """All that a book says, to the places that rows keep."""
    held = {
        symbol: (h.number, h.sign, h.qty, money(h.cost), money(h.realised), money(h.commission), money(h.entry_px))
        for symbol, h in book.holdings.items()
    }
    return money(book.cash), money(book.realised), money(book.commission), book.closed, book.counts, held


def worth(book: Book, marks: dict[str, Decimal]) -> Decimal:
    """Unrealised P&L of what is held."""
    return sum((h.unrealised(marks[symbol]) for symbol, h in book.holdings.items()), Decimal(0))


def fifo(fills: list[Execution], marks: dict[str, Decimal]) -> Fraction:
    """Realised and unrealised P&L before costs, first in first out, in exact fractions: another way to the same sum."""
    lots: dict[str, deque[list[Fraction]]] = defaultdict(deque)
    total = Fraction(0)
    for fill in fills:
        left, px = Fraction(fill.qty) * fill.sign, Fraction(fill.px)
        queue = lots[fill.symbol]
        while left and queue and queue[0][0] * left < 0:
            part = min(abs(left), abs(queue[0][0])) * (1 if queue[0][0] > 0 else -1)
            total += part * (px - queue[0][1])
            queue[0][0] -= part
            left += part
            if not queue[0][0]:
                queue.popleft()
        if left:
            queue.append([left, px])
    return total + sum(qty * (Fraction(marks[s]) - px) for s, queue in lots.items() for qty, px in queue)


@pytest.mark.row("I8", "I15")
@few
@given(legs(), prices, prices)
def test_positions_cash_and_equity_follow_from_fills(fills: list[Execution], one: Decimal, two: Decimal) -> None:
    """A1 to A4 after every single fill."""
    marks = dict(zip(SYMBOLS, (one, two), strict=True))
    book = Book(START)
    for count, fill in enumerate(fills, 1):
        book.apply(fill)
        so_far = fills[:count]
        for symbol in SYMBOLS:
            held = book.holdings.get(symbol)
            signed = sum((f.sign * f.qty for f in so_far if f.symbol == symbol), Decimal(0))
            assert (held.qty * held.sign if held else Decimal(0)) == signed
            assert held is None or held.qty > 0
        fees = sum((f.commission for f in so_far), Decimal(0))
        assert book.cash == START - sum((f.sign * f.qty * f.px for f in so_far), Decimal(0)) - fees
        assert book.commission == fees
        value = sum((h.qty * h.sign * marks[symbol] for symbol, h in book.holdings.items()), Decimal(0))
        assert money(book.cash + value) == money(START + book.realised + worth(book, marks))


@pytest.mark.row("I15")
@few
@given(legs(), prices, prices)
def test_average_cost_and_fifo_agree_on_the_total(fills: list[Execution], one: Decimal, two: Decimal) -> None:
    """A5."""
    marks = dict(zip(SYMBOLS, (one, two), strict=True))
    book = booked(fills)
    total = Fraction(book.realised + book.commission + worth(book, marks))
    assert abs(total - fifo(fills, marks)) < Fraction(1, 10**20)


@pytest.mark.row("I15")
@few
@given(legs(), st.randoms(use_true_random=False))
def test_fills_of_an_order_may_come_in_any_order_and_twice(fills: list[Execution], random: Any) -> None:
    """A6 and A10: what goes through the table of orders is booked once, and the ledger is the same."""
    orders = orders_of(fills)
    direct, shuffled = Book(START), Book(START)
    for number, group in enumerate(orders):
        ordered = sum((fill.qty for fill in group), Decimal(0))
        view = OrderView(OrderState.ACCEPTED, ordered)
        named = [(f"{number}-{i}", fill) for i, fill in enumerate(group)]
        direct.apply_all(group)
        heard = named + random.choices(named, k=len(named))
        random.shuffle(heard)
        for name, fill in heard:
            after = apply(view, Fill(name, fill.qty, fill.px))
            if after is not view:
                shuffled.apply(fill)
                view = after
        assert view.state is OrderState.FILLED
        assert view.filled == ordered
        paid = sum((fill.qty * fill.px for fill in group), Decimal(0))
        assert view.avg_px is not None
        assert abs(view.avg_px - paid / ordered) <= paid / ordered * Decimal("1E-24")
    assert ledger(direct) == ledger(shuffled)


@pytest.mark.row("I15")
@few
@given(legs(), st.randoms(use_true_random=False))
def test_symbols_may_be_interleaved_in_any_way(fills: list[Execution], random: Any) -> None:
    """A10 over symbols: each has its own order of time, and no symbol's fills touch another's."""
    queues = {symbol: deque(fill for fill in fills if fill.symbol == symbol) for symbol in SYMBOLS}
    mixed = []
    while any(queues.values()):
        mixed.append(queues[random.choice([symbol for symbol in SYMBOLS if queues[symbol]])].popleft())
    assert ledger(booked(mixed)) == ledger(booked(fills))


@pytest.mark.row("I8", "I15")
@few
@given(legs(), st.data())
def test_a_book_that_stops_anywhere_is_built_again_the_same(fills: list[Execution], data: st.DataObject) -> None:
    """A11: from the fills alone, whatever happened between."""
    book = Book(START)
    cut = data.draw(st.integers(0, len(fills)))
    for fill in fills[:cut]:
        book.apply(fill)
    again = booked(fills[:cut])
    assert ledger(again) == ledger(book)
    for fill in fills[cut:]:
        book.apply(fill)
        again.apply(fill)
    assert ledger(again) == ledger(book) == ledger(booked(fills))


@pytest.mark.row("I15")
@few
@given(legs(), st.randoms(use_true_random=False))
def test_what_was_bought_and_sold_at_one_price_costs_the_fees(fills: list[Execution], random: Any) -> None:
    """A13: any trading at one price of each symbol, closed out there, loses its commissions and nothing else."""
    px = {"AAA": Decimal("33.33333333"), "BBB": Decimal("0.0007")}
    flat = [replace(fill, px=px[fill.symbol]) for fill in fills]
    book = booked(flat)
    for symbol, holding in list(book.holdings.items()):
        book.apply(Execution(symbol, -holding.sign, holding.qty, px[symbol], Decimal(random.randint(0, 9)), AT))
    assert not book.holdings
    assert money(book.realised) == -book.commission == money(book.cash - START)


@pytest.mark.row("I15")
@few
@given(legs())
def test_a_short_book_mirrors_a_long_one(fills: list[Execution]) -> None:
    """A14: with each price at the same distance on the other side of a level, the P&L is the same to the last digit."""
    level = Decimal(20_000)
    mirrored = [replace(fill, sign=-fill.sign, px=level - fill.px) for fill in fills]
    book, mirror = booked(fills), booked(mirrored)
    assert money(book.realised) == money(mirror.realised)
    assert (book.closed, book.won, book.counts) == (mirror.closed, mirror.won, mirror.counts)
    for symbol, holding in book.holdings.items():
        assert mirror.holdings[symbol].sign == -holding.sign
        assert mirror.holdings[symbol].qty == holding.qty


@pytest.mark.row("I8")
@few
@given(legs(), quantities)
def test_a_fill_through_zero_books_nothing(fills: list[Execution], more: Decimal) -> None:
    book = booked(fills)
    before = ledger(book)
    for symbol, holding in book.holdings.items():
        with pytest.raises(CrossingFill):
            book.apply(Execution(symbol, -holding.sign, holding.qty + more, Decimal(1), Decimal(1), AT))
        assert ledger(book) == before


@pytest.mark.row("I15")
@few
@given(legs())
def test_realised_parts_add_up_to_the_whole(fills: list[Execution]) -> None:
    """What each closing fill says it realised, is what its position and the account say, once nothing is open."""
    book = Book(START)
    parts: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
    holdings = {}
    for fill in fills:
        holding, realised = book.apply(fill)
        holdings[holding.symbol, holding.number] = holding
        parts[holding.symbol, holding.number] += realised or 0
    for key, holding in holdings.items():
        if not holding.is_open:
            assert money(parts[key]) == money(holding.realised)
    assert money(sum((h.realised for h in holdings.values()), Decimal(0))) == money(book.realised)
