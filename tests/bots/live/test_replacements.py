"""A stop that is replaced while it fills: any order in which the venue tells of both leads to the same books (F13)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.brokers.base import BrokerOrder, Execution
from bots.host.account import Absorbed, Tracked
from bots.live.account import LiveAccount
from bots.models import Order, TradingSession
from bots.orders import Moved, OrderState, apply

AT = datetime.datetime(2026, 11, 27, 15, tzinfo=datetime.UTC)
HELD = Decimal(10)
S = OrderState


@dataclass(frozen=True, slots=True)
class News:
    """A piece of news of the old stop (0) or of the one in its place (1)."""

    of: int
    what: BrokerOrder | Execution


def order_of(of: int, state: OrderState, filled: int, qty: Decimal) -> News:
    name = ("old", "new")[of]
    return News(of, BrokerOrder(name, f"v-{name}", "SIM-ALPHA", "SELL", "stop", state, qty, Decimal(filled)))


def fills_of(of: int, parts: list[int]) -> list[News]:
    name = ("old", "new")[of]
    return [
        News(of, Execution(f"{name}-{n}", f"v-{name}", name, "SIM-ALPHA", "SELL", Decimal(qty), Decimal(90 + n), AT))
        for n, qty in enumerate(parts)
    ]


def story(first: list[int], second: list[int], end: OrderState) -> list[News]:
    """All that the venue has to tell, in its own order."""
    left = HELD - sum(first)
    told = [*fills_of(0, first)]
    told += [order_of(0, S.PARTIALLY_FILLED, sum(first[: n + 1]), HELD) for n in range(len(first))]
    told += [order_of(0, S.REPLACED, sum(first), HELD), order_of(1, S.ACCEPTED, 0, left), *fills_of(1, second)]
    told += [order_of(1, S.PARTIALLY_FILLED, sum(second[: n + 1]), left) for n in range(len(second))]
    return [*told, order_of(1, S.FILLED if sum(second) == left else end, sum(second), left)]


def account() -> tuple[LiveAccount, list[Tracked]]:
    """Ten units are held; their stop works, and its replacement has been sent."""
    made = LiveAccount(TradingSession(pk=7, initial_cash=Decimal(10_000), broker_account_id=3))
    done = Absorbed()
    entry = _row(1, 0, "BUY", is_entry=True, kind="market", reason="signal")
    made.add(entry, done)
    bought = Execution("e", "v", entry.client_order_id, "SIM-ALPHA", "BUY", HELD, Decimal(100), AT)
    made.execute(made.orders[0], bought, done)
    for seq, name in ((1, "old"), (2, "new")):
        made.add(_row(seq + 1, seq, "SELL", client_order_id=name, role="stop", kind="stop", stop_px=Decimal(95),
                      reason="stop_loss"), done)  # fmt: skip
    old, new = made.orders[1], made.orders[2]
    made.told(old, order_of(0, S.ACCEPTED, 0, HELD).what, AT, done)  # type: ignore[arg-type]
    old.view = apply(old.view, Moved(S.PENDING_REPLACE))
    return made, [old, new]


def _row(pk: int, seq: int, side: str, **columns: Any) -> Order:
    fields = {"client_order_id": f"o{seq}", "time_in_force": "gtc", "qty": HELD, "decision_px": Decimal(100)}
    return Order(pk=pk, session_id=7, seq=seq, symbol="SIM-ALPHA", side=side, decided_at=AT, **{**fields, **columns})


def books(news: list[News]) -> tuple[Any, ...]:
    """What is in the books when all of it was told."""
    made, tracked = account()
    for each in news:
        if isinstance(each.what, Execution):
            made.execute(tracked[each.of], each.what, Absorbed())
        else:
            made.told(tracked[each.of], each.what, AT, Absorbed())
    holding = made.book.holdings.get("SIM-ALPHA")
    rows = [(one.row.state, one.row.filled_qty, one.row.avg_fill_px, one.row.late_fill) for one in tracked]
    return (*rows, made.book.cash, None if holding is None else holding.qty)


PARTS = st.lists(st.integers(1, 3), max_size=3)


@pytest.mark.fault(12, 13)
@pytest.mark.row("I8", "I15")
@settings(max_examples=300, deadline=None)
@given(
    first=PARTS.filter(lambda parts: sum(parts) < HELD),
    second=PARTS,
    end=st.sampled_from((S.CANCELED, S.EXPIRED)),
    data=st.data(),
)
def test_a_replacement_is_told_in_any_order(
    first: list[int], second: list[int], end: OrderState, data: st.DataObject
) -> None:
    while sum(first) + sum(second) > HELD:
        second = second[:-1]
    told = story(first, second, end)
    old, new, _, held = expected = books(told)
    assert old[:2] == (S.REPLACED, sum(first))
    assert new[:2] == (S.FILLED if sum(first) + sum(second) == HELD else end, sum(second))
    assert (held or 0) == HELD - sum(first) - sum(second)
    assert (old[3], new[3]) == (False, False), "what only changes places is not late"
    twice = data.draw(st.lists(st.sampled_from(told), max_size=4))
    assert books(data.draw(st.permutations([*told, *twice]))) == expected


@pytest.mark.fault(33)
@pytest.mark.row("W17")
def test_a_word_from_before_a_split_leaves_a_replaced_stop_as_it_is() -> None:
    """One for five was booked while its replacement was under way; what the venue had said before comes late."""
    made, (old, _) = account()
    old.row.qty, old.row.stop_px, old.view = Decimal(2), Decimal(475), replace(old.view, qty=Decimal(2))
    late = BrokerOrder("old", "v-old", "SIM-ALPHA", "SELL", "stop", S.ACCEPTED, HELD, Decimal(0), stop_px=Decimal(95))
    made.told(old, late, AT, Absorbed(), lags=True)
    assert (old.row.qty, old.row.stop_px, old.row.state) == (2, 475, S.PENDING_REPLACE)
    made.told(old, late, AT, Absorbed())
    assert (old.row.qty, old.row.stop_px) == (HELD, 95), "else the venue's word counts"


@pytest.mark.fault(13)
@pytest.mark.row("I8")
def test_an_exit_that_works_is_not_held_again_by_an_older_word() -> None:
    """The answer to a bracket may come before what the stream said of its legs while the entry had not filled."""
    made, (_, new) = account()
    made.told(new, order_of(1, S.ACCEPTED, 0, HELD).what, AT, Absorbed())  # type: ignore[arg-type]
    made.told(new, order_of(1, S.SUSPENDED, 0, HELD).what, AT, Absorbed())  # type: ignore[arg-type]
    assert new.row.state == S.ACCEPTED
