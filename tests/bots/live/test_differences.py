"""What a venue says of an account against what our books say: every kind of difference, and what follows from it."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.brokers.base import BrokerOrder, BrokerPosition, Money
from bots.live.differences import Difference, Doubts, Ours, Part, Truth, Working, compare, first_external, written
from bots.orders import OrderState

NOW = datetime.datetime(2026, 11, 27, 15, tzinfo=datetime.UTC)
D = Decimal


def truth(held: dict[str, str] | None = None, *orders: BrokerOrder, cash: str = "1000") -> Truth:
    positions = tuple(BrokerPosition(symbol, D(qty), D(100), D(101)) for symbol, qty in (held or {}).items())
    return Truth(NOW, Money("1", "USD", D(cash), D(cash), D(cash)), positions, orders)


def part(session: int, qty: str, symbol: str = "AAPL", **more: bool) -> Part:
    return Part(session, f"Session {session}", symbol, D(qty), **more)


def order(name: str, side: str = "BUY", symbol: str = "AAPL") -> BrokerOrder:
    return BrokerOrder(name, f"v-{name}", symbol, side, "limit", OrderState.ACCEPTED, D(5), limit_px=D(90))  # type: ignore[arg-type]


def only(differences: tuple[Difference, ...]) -> Difference:
    (one,) = differences
    return one


@pytest.mark.row("W3", "W9")
@pytest.mark.parametrize(
    ("sessions", "external", "theirs", "found", "external_after", "breaks"),
    [
        # (units of sessions 1, 2, …), left outside, at the venue → (ours, theirs) or None, left outside, who halts
        (["10"], "0", "10", None, "0", ()),
        (["6", "4"], "0", "10", None, "0", ()),
        (["10", "-3"], "0", "7", None, "0", ()),
        (["10"], "5", "15", None, "5", ()),
        (["10"], "0", "15", ("10", "15"), "0", ()),  # bought by hand: the session has all of its own
        ([], "0", "5", ("0", "5"), "0", ()),
        ([], "0", "-5", ("0", "-5"), "0", ()),
        (["10"], "5", "12", None, "2", ()),  # what was left outside was sold elsewhere
        ([], "5", "0", None, "0", ()),
        ([], "5", "9", ("5", "9"), "5", ()),
        ([], "5", "-2", ("0", "-2"), "0", ()),  # sold, and more than there was
        (["10"], "0", "7", ("10", "7"), "0", (1,)),
        (["6", "4"], "0", "7", ("10", "7"), "0", (1, 2)),
        (["10"], "5", "7", ("10", "7"), "0", (1,)),  # first what is outside is gone, then the session's
        (["10"], "0", "0", ("10", "0"), "0", (1,)),
        (["10"], "0", "-4", ("10", "-4"), "0", (1,)),
        (["-10"], "0", "-6", ("-10", "-6"), "0", (1,)),
        (["10", "-3"], "0", "5", ("7", "5"), "0", (1,)),
        (["10"], "-3", "7", None, "-3", ()),  # decided: the owner has sold them from under the session
        (["10"], "-3", "9", None, "-1", ()),
        (["10"], "-3", "5", ("7", "5"), "-3", (1,)),
    ],
)
def test_units(
    sessions: list[str], external: str, theirs: str, found: tuple[str, str] | None, external_after: str, breaks: tuple
) -> None:
    ours = Ours(tuple(part(n, qty) for n, qty in enumerate(sessions, 1)), {"AAPL": D(external)}, cash=None)
    answer = compare(truth({"AAPL": theirs} if theirs != "0" else {}), ours)
    assert answer.external["AAPL"] == D(external_after)
    if found is None:
        assert answer.differences == ()
    else:
        one = only(answer.differences)
        assert (one.ours, one.theirs, one.breaks) == (D(found[0]), D(found[1]), breaks)
        assert one.key == "position:AAPL"
        assert written(D(found[1])) in one.text
        assert written(D(found[0])) in one.text


units = st.integers(-20, 20).map(D)


@pytest.mark.row("W9")
@given(st.lists(units.filter(bool), max_size=4), units, units)
def test_sessions_external_and_undecided_are_always_the_venues(
    held: list[Decimal], external: Decimal, theirs: Decimal
) -> None:
    """A15, whatever was there before; and what is decided as "leave" agrees at the next look."""
    parts = tuple(part(n, str(qty)) for n, qty in enumerate(held))
    there = truth({"AAPL": str(theirs)} if theirs else {})
    answer = compare(there, Ours(parts, {"AAPL": external}))
    left = answer.external.get("AAPL", D(0))
    undecided = sum((each.theirs - each.ours for each in answer.differences), D(0))
    assert sum(held, D(0)) + left + undecided == theirs
    assert abs(left) <= abs(external)
    assert compare(there, Ours(parts, {"AAPL": left + undecided})).differences == ()
    if any(each.breaks for each in answer.differences):
        total = sum(held, D(0))
        assert total * (theirs - total) < 0  # never for units that are only more


def test_a_session_that_is_over_breaks_no_more() -> None:
    one = only(compare(truth(), Ours((part(1, "10", is_active=False),))).differences)
    assert one.breaks == ()


def test_an_order_of_nobody_here_is_told_and_one_that_is_known_is_not() -> None:
    ours = Ours(working=(Working(7, "mine", "", "AAPL", D(5)),), settled=frozenset({"v-left"}))
    one = only(compare(truth({}, order("mine"), order("hand"), order("left")), ours).differences)
    assert (one.kind, one.key, one.ours, one.theirs, one.px) == ("order", "order:v-hand", D(0), D(5), D(90))
    assert one.detail["client_order_id"] == "hand"
    sold = only(compare(truth({}, order("hand", "SELL")), Ours()).differences)
    assert sold.theirs == D(-5)
    assert sold.text == "AAPL: an order of nobody here works at the venue: it sells 5 at 90"


def test_figures_are_told_as_pages_write_them() -> None:
    ours = Ours((part(1, "-1200"),))
    one = only(compare(truth({"AAPL": "2500000.5"}), ours).differences)
    assert one.text == "AAPL: the account has 2,500,000.5, our books say −1,200, of which sessions hold −1,200"


def test_an_order_of_ours_that_the_venue_does_not_list() -> None:
    one = only(compare(truth(), Ours(working=(Working(7, "mine", "", "AAPL", D(5)),))).differences)
    assert (one.key, one.ours, one.theirs, one.detail["session"]) == ("order:mine", D(5), D(0), "7")


def test_cash_counts_from_one_cent_on() -> None:
    assert compare(truth(cash="1000.009"), Ours(cash=D(1000))).differences == ()
    one = only(compare(truth(cash="1000.01"), Ours(cash=D(1000))).differences)
    assert (one.kind, one.ours, one.theirs) == ("cash", D(1000), D("1000.01"))
    assert compare(truth(cash="1"), Ours(cash=None)).differences == ()


def test_what_was_there_before_is_external() -> None:
    assert first_external(truth({"AAPL": "10", "MSFT": "3"}), Ours((part(1, "3", "MSFT"),))) == {"AAPL": D(10)}


def test_what_executions_cost_goes_over_the_venues_average() -> None:
    ours = Ours((part(1, "10"),), paid={"AAPL": D(97)})
    assert only(compare(truth({"AAPL": "15"}), ours).differences).px == 97
    # Without them, the average of a position that sessions have a part in says nothing of the rest.
    assert only(compare(truth({"AAPL": "15"}), Ours((part(1, "10"),))).differences).px == 101
    assert only(compare(truth({"AAPL": "15"}), Ours()).differences).px == 100


def test_a_difference_counts_when_it_was_seen_twice_as_it_is() -> None:
    doubts = Doubts(wait_s=2, order_wait_s=15)
    later = [NOW + datetime.timedelta(seconds=n) for n in range(30)]

    def look(at: int, theirs: str) -> int:
        return len(doubts.sure(compare(truth({"AAPL": theirs}), Ours()).differences, later[at]))

    assert look(0, "5") == 0
    assert doubts.waits
    assert look(1, "5") == 0
    assert look(2, "5") == 1
    assert not doubts.waits
    assert look(3, "6") == 0  # it goes on: an order fills
    assert look(5, "6") == 1
    lost = Ours(working=(Working(7, "mine", "", "AAPL", D(5)),))
    assert [len(doubts.sure(compare(truth(), lost).differences, later[at])) for at in (6, 20, 21)] == [0, 0, 1]
