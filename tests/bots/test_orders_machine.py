"""The life of an order against a venue whose news is doubled, late and shuffled, and along the whole table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bots.orders import MOVES, OVER, Fill, Moved, OrderState, OrderView, OverFill, apply
from bots.states import IllegalMove

O = OrderState  # noqa: E741  (as short as it is frequent)
QTY = Decimal(100)
PRICES = (Decimal("9.99"), Decimal("10"), Decimal("10.01"))
LEAST_STATE, LEAST_MOVE = 200, 50
"""How often each state, and each legal move, must have been seen."""

# What a venue may still say of an order for which the next thing is known already.
STALE = (O.SUBMITTED, O.ACCEPTED, O.TRIGGERED, O.PENDING_CANCEL, O.PENDING_REPLACE, O.SUSPENDED)
BY_QUANTITY = (O.PARTIALLY_FILLED, O.FILLED)

seen_states: Counter[OrderState] = Counter()
seen_moves: Counter[tuple[OrderState, OrderState]] = Counter()


def step(order: OrderView, event: Fill | Moved) -> OrderView:
    """`apply`, counted; and what holds for every single event."""
    after = apply(order, event)
    if after.state != order.state:
        assert after.state in MOVES[order.state], f"{order.state} became {after.state}"
        seen_moves[order.state, after.state] += 1
    elif after is not order and isinstance(event, Fill) and after.state is O.PARTIALLY_FILLED:
        seen_moves[O.PARTIALLY_FILLED, O.PARTIALLY_FILLED] += 1
    seen_states[after.state] += 1
    if isinstance(event, Moved):
        assert (after.filled, after.avg_px, after.executions) == (order.filled, order.avg_px, order.executions)
    assert apply(after, event) is after, "an event that comes twice says something the second time"
    return after


@dataclass
class Venue:
    """What really happened to the order, and the news of it that is still under way."""

    state: OrderState | None = None
    fills: list[Fill] = field(default_factory=list)
    under_way: list[Fill | Moved] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.qty for fill in self.fills), Decimal(0))

    @property
    def works(self) -> bool:
        return self.state is not None and self.state not in OVER

    def say(self, state: OrderState) -> None:
        self.state = state
        self.under_way.append(Moved(state))


class OrderMachine(RuleBasedStateMachine):
    """Our view of one order, and the venue's. Every piece of news arrives at last, in any order, some of it twice."""

    @initialize(is_stop=st.booleans())
    def begin(self, is_stop: bool) -> None:
        self.order, self.venue, self.heard, self.is_stop = OrderView(O.INTENT, QTY), Venue(), [], is_stop
        seen_states[O.INTENT] += 1

    # --- ours ---------------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.order.state is O.INTENT)
    @rule()
    def submit(self) -> None:
        self.order = step(self.order, Moved(O.SUBMITTED))
        self.venue.say(O.ACCEPTED)

    @precondition(lambda self: self.order.state is O.INTENT)
    @rule()
    def venue_rejects(self) -> None:
        self.order = step(self.order, Moved(O.SUBMITTED))
        self.venue.say(O.REJECTED)

    @precondition(lambda self: self.order.state is O.INTENT)
    @rule(why=st.sampled_from((O.DENIED, O.CANCELED)))
    def never_sent(self, why: OrderState) -> None:
        self.order = step(self.order, Moved(why))

    @precondition(lambda self: self.order.state in (O.SUBMITTED, O.PENDING_CANCEL, O.PENDING_REPLACE))
    @rule()
    def answer_is_lost(self) -> None:
        self.order = step(self.order, Moved(O.UNKNOWN))

    @precondition(lambda self: self.order.state in (O.ACCEPTED, O.TRIGGERED, O.PARTIALLY_FILLED, O.SUSPENDED))
    @rule(what=st.sampled_from((O.PENDING_CANCEL, O.PENDING_REPLACE)))
    def ask(self, what: OrderState) -> None:
        self.order = step(self.order, Moved(what))

    # --- the venue's --------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.is_stop and self.venue.state is O.ACCEPTED and not self.venue.fills)
    @rule()
    def trigger(self) -> None:
        self.venue.say(O.TRIGGERED)

    @precondition(lambda self: self.venue.works)
    @rule(qty=st.integers(1, 100).map(Decimal), px=st.sampled_from(PRICES))
    def execute(self, qty: Decimal, px: Decimal) -> None:
        fill = Fill(f"x{len(self.venue.fills)}", min(qty, QTY - self.venue.filled), px)
        self.venue.fills.append(fill)
        self.venue.under_way.append(fill)
        self.venue.say(O.FILLED if self.venue.filled == QTY else O.PARTIALLY_FILLED)

    @precondition(lambda self: self.venue.works)
    @rule(end=st.sampled_from((O.CANCELED, O.EXPIRED)))
    def end(self, end: OrderState) -> None:
        self.venue.say(end)

    @precondition(lambda self: self.venue.works and self.order.state is O.PENDING_REPLACE)
    @rule()
    def replace_done(self) -> None:
        self.order = step(self.order, Moved(O.REPLACED))  # the answer to our own request comes on its own connection
        self.venue.state = O.REPLACED

    @rule()
    def wait(self) -> None:
        """Nothing happens; there is always a way on."""

    # --- the wire -----------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.venue.under_way)
    @rule(data=st.data(), twice=st.booleans())
    def hear(self, data: st.DataObject, twice: bool) -> None:
        at = data.draw(st.integers(0, len(self.venue.under_way) - 1))
        event = self.venue.under_way[at] if twice else self.venue.under_way.pop(at)
        self._take(event)

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def hear_again(self, data: st.DataObject) -> None:
        self._take(data.draw(st.sampled_from(self.heard)))

    def _take(self, event: Fill | Moved) -> None:
        if isinstance(event, Moved) and self.order.state is O.REPLACED and event.state in (O.CANCELED, O.EXPIRED):
            return  # the venue's word on the order that was replaced is not asked for
        self.heard.append(event)
        self.order = step(self.order, event)

    # --- what holds ---------------------------------------------------------------------------------------------------
    @invariant()
    def quantities_are_the_fills(self) -> None:
        if not hasattr(self, "order"):
            return
        known = [fill for fill in self.venue.fills if fill.execution_id in self.order.executions]
        filled = sum((fill.qty for fill in known), Decimal(0))
        assert self.order.filled == filled <= self.order.qty
        if filled:
            assert self.order.avg_px is not None
            assert abs(self.order.avg_px * filled - sum(f.qty * f.px for f in known)) < Decimal("1E-20")
        assert (self.order.state is O.FILLED) <= (filled == QTY)
        assert self.order.late_fill <= self.order.state.is_over

    def teardown(self) -> None:
        """All news arrives. Then both say the same, however it came."""
        if not hasattr(self, "order") or self.venue.state is None:
            return
        while self.venue.under_way:
            self._take(self.venue.under_way.pop())
        assert self.order.executions == {fill.execution_id for fill in self.venue.fills}
        assert self.order.filled == self.venue.filled
        if self.venue.state in OVER:
            assert self.order.state is self.venue.state or (self.order.late_fill and self.order.filled == QTY)


@pytest.mark.row("I8")
def test_news_that_is_doubled_late_and_shuffled_leads_to_the_venues_truth() -> None:
    run_state_machine_as_test(OrderMachine, settings=settings(max_examples=100, stateful_step_count=50))


# --- along the table -------------------------------------------------------------------------------------------------
class TableWalk(RuleBasedStateMachine):
    """From state to state by events, always to where there was least traffic so far; illegal ones tried on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.order = OrderView(O.INTENT, QTY)
        self.number = 0

    def _ways(self) -> list[tuple[OrderState, Fill | Moved]]:
        """Where the order can go from here, and the event that brings it there: quantities come from fills only."""
        before, left = self.order.state, self.order.qty - self.order.filled
        asked = before in (O.PENDING_CANCEL, O.PENDING_REPLACE)
        ways: list[tuple[OrderState, Fill | Moved]] = []
        for after in MOVES[before]:
            if after is O.FILLED:
                ways.append((after, Fill(f"w{self.number}", left, PRICES[1])))
            elif after is O.PARTIALLY_FILLED and asked:
                if self.order.filled:  # the request is refused; until then a fill leaves the order as it is
                    ways.append((after, Moved(O.ACCEPTED)))
            elif after is O.PARTIALLY_FILLED:
                ways.append((after, Fill(f"w{self.number}", left / 2, PRICES[1])))
            elif not self.order.filled or after not in (O.SUBMITTED, O.ACCEPTED, O.TRIGGERED):
                ways.append((after, Moved(after)))
        return ways

    @rule()
    def legal(self) -> None:
        if self.order.state in OVER:
            self.order = OrderView(O.INTENT, QTY)
            seen_states[O.INTENT] += 1
        before = self.order.state
        self.number += 1
        after, event = min(self._ways(), key=lambda way: (seen_moves[before, way[0]], way[0]))
        self.order = step(self.order, event)
        assert self.order.state is after

    @rule()
    def fill_a_part(self) -> None:
        """So that what is asked for afterwards is asked for an order with fills."""
        if self.order.state in (O.SUBMITTED, O.ACCEPTED, O.PENDING_CANCEL, O.PENDING_REPLACE):
            self.number += 1
            self.order = step(self.order, Fill(f"p{self.number}", Decimal("0.5"), PRICES[0]))

    @rule(after=st.sampled_from(OrderState))
    def illegal(self, after: OrderState) -> None:
        before = self.order.state
        if after in MOVES[before] or after is before:
            return
        try:
            came = apply(self.order, Moved(after))
        except IllegalMove:
            return
        assert came.state is before or came.state in MOVES[before]


@pytest.mark.row("I8")
def test_every_state_and_every_line_of_the_table_is_gone_along() -> None:
    run_state_machine_as_test(TableWalk, settings=settings(max_examples=100, stateful_step_count=50))
    begins = [state for state in OrderState if state not in OVER]
    for walk in range(1_500):  # the counts below must not depend on how many steps an example was given
        machine = TableWalk()
        machine.order = OrderView(begins[walk % len(begins)], QTY)  # as a host finds it in its row
        for number in range(30):
            machine.legal()
            if number % 7 == walk % 7:
                machine.fill_a_part()
        assert machine.order.filled <= QTY
    moves = [(before, after) for before in MOVES for after in MOVES[before]]
    rare = {pair: seen_moves[pair] for pair in moves if seen_moves[pair] < LEAST_MOVE}
    assert not rare, f"seen less than {LEAST_MOVE} times: {rare}"
    rare_states = {state: seen_states[state] for state in OrderState if seen_states[state] < LEAST_STATE}
    assert not rare_states, f"seen less than {LEAST_STATE} times: {rare_states}"


# --- what may not be -------------------------------------------------------------------------------------------------
PAIRS = [(before, after) for before, after in product(OrderState, OrderState) if after not in MOVES[before]]


@pytest.mark.row("I8")
@pytest.mark.parametrize("filled", [Decimal(0), Decimal(40)])
def test_what_the_table_does_not_know_never_happens(filled: Decimal) -> None:
    """Each illegal pair: refused, or old news that changes nothing."""
    refused = 0
    for before, after in PAIRS:
        order = OrderView(before, QTY, filled, PRICES[0] if filled else None, frozenset({"x"} if filled else ()))
        try:
            came = apply(order, Moved(after))
        except IllegalMove:
            refused += 1
        else:
            assert came is order or (filled and came == replace(order, state=O.PARTIALLY_FILLED)), (before, after)
            assert after is before or after in (*BY_QUANTITY, *STALE), f"{before} took {after} in silence"
    assert refused > len(PAIRS) // 3


@pytest.mark.row("I8")
@pytest.mark.parametrize("before", [O.INTENT, O.DENIED])
def test_what_was_never_sent_cannot_be_filled(before: OrderState) -> None:
    with pytest.raises(IllegalMove):
        apply(OrderView(before, QTY), Fill("x", Decimal(1), PRICES[0]))


@pytest.mark.row("I8")
@pytest.mark.parametrize("before", [state for state in OrderState if state not in (O.INTENT, O.DENIED)])
def test_more_than_was_ordered_is_never_booked(before: OrderState) -> None:
    order = OrderView(before, QTY, Decimal(60), PRICES[0], frozenset({"x"}))
    with pytest.raises(OverFill):
        apply(order, Fill("y", Decimal("40.000000000001"), PRICES[0]))
    assert apply(order, Fill("x", Decimal(60), PRICES[0])) is order


@pytest.mark.row("I8")
@pytest.mark.parametrize("end", [O.CANCELED, O.EXPIRED, O.REPLACED, O.REJECTED])
def test_a_fill_after_the_end_is_booked_and_flagged(end: OrderState) -> None:
    after = apply(OrderView(end, QTY), Fill("x", Decimal(25), PRICES[2]))
    assert (after.state, after.filled, after.avg_px, after.late_fill) == (end, Decimal(25), PRICES[2], True)
