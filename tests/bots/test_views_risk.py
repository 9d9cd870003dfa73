"""The risk page: exposure against limits, the limits' form, the kill switch and its progress, correlation, alerts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from accounts import selectors as account_selectors
from accounts.models import AuditEvent, RiskEnvelope, User
from accounts.services import risk as account_risk
from bots.models import Order, SessionEvent, TradingSession
from bots.orders import WORKING
from bots.views.risk import matrix
from tests.bots.factories import fill_session, make_bot, make_session

RISK = "/risk/"
LIMITS = {"gross_cap": "50,000", "net_cap": "", "symbol_cap": "1500.50", "max_sessions": "4"}


@pytest.fixture
def sessions(alice: User) -> list[TradingSession]:
    """Two that run: SIM-ALPHA and SIM-GAMMA are held, with an entry of the same size on its way in each."""
    return [
        fill_session(make_session(alice, bot=make_bot(alice), symbols=symbols), bars=90, seed=seed)
        for symbols, seed in ((["SIM-ALPHA", "SIM-BETA"], 1), (["SIM-GAMMA"], 5))
    ]


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def envelope(user: User) -> RiskEnvelope:
    return account_selectors.risk_envelope(user)


def told(answer: object) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]  # type: ignore[attr-defined]


@pytest.mark.row("N10", "J20")
def test_an_empty_page_still_has_the_switch(browser: Client) -> None:
    text = browser.get(RISK).content.decode()
    assert "Stop now" in text
    assert "Nothing is held." in text
    assert "Two held symbols" in text
    assert "No guard had to act" in text


@pytest.mark.row("N10", "W14")
def test_what_is_held_and_on_order_counts_against_the_limits(
    browser: Client, alice: User, sessions: list[TradingSession]
) -> None:
    groups = {"Both": {"symbols": ["SIM-ALPHA", "SIM-GAMMA"], "cap": Decimal(1_000)}}
    account_risk.set_envelope(alice, {"gross_cap": Decimal(4_500), "groups": groups, "max_sessions": 2})
    context = browser.get(RISK).context
    held = [session.positions.get(is_open=True) for session in sessions]
    held_value = sum(position.qty * position.current_px for position in held)
    entries = Order.objects.filter(is_entry=False, state__in=WORKING)
    assert entries.count() == 2, "protective stops rest too, and count for nothing"
    ordered = sum(order.qty * order.decision_px for order in Order.objects.filter(is_entry=True, state__in=WORKING))
    limits = {limit.name: limit for limit in context["limits"]}
    assert float(limits["gross_cap"].value) == pytest.approx(float(held_value + ordered))
    assert limits["gross_cap"].used_pct == pytest.approx(float(held_value + ordered) / 45)
    assert limits["net_cap"].used_pct is None
    assert limits["group Both"].value == limits["gross_cap"].value
    assert limits["max_sessions"].used_pct == 100.0
    assert [limit.name for limit in context["near"]] == ["gross_cap", "group Both", "max_sessions"]
    text = browser.get(RISK).content.decode()
    assert "Over the limit" in text
    assert "near or over a limit" in text


@pytest.mark.row("N10")
def test_limits_of_sessions_and_what_guards_did(browser: Client, alice: User) -> None:
    session = fill_session(make_session(alice, settings={"max_open_positions": 1}), bars=60)
    SessionEvent.objects.create(session=session, kind="guard", level="error", text="A stop was missing.")
    context = browser.get(RISK).context
    row = next(row for row in context["session_limits"] if row["limit"] == "max_open_positions")
    assert (row["value"], row["maximum"], row["used_pct"]) == (1.0, 1.0, 100.0)
    assert row in context["sessions_near"]
    assert [event.text for event in context["events"]] == ["A stop was missing."]


@pytest.mark.row("N10", "W14", "W20")
def test_limits_are_saved_and_the_change_is_in_the_audit_trail(browser: Client, alice: User) -> None:
    sent = {**LIMITS, "group-3-name": "Tech", "group-3-symbols": "aapl msft, goog", "group-3-cap": "25000"}
    answer = browser.post(reverse("risk-limits"), sent)
    assert answer.url == RISK
    kept = envelope(alice)
    assert (kept.gross_cap, kept.net_cap, kept.symbol_cap, kept.max_sessions) == (50_000, None, Decimal("1500.5"), 4)
    assert kept.groups == {"Tech": {"symbols": ["AAPL", "GOOG", "MSFT"], "cap": "25000.00"}}
    event = AuditEvent.objects.get()
    assert (event.actor, event.action) == ("alice", "risk.envelope_changed")
    page = browser.get(RISK)
    assert 'value="AAPL, GOOG, MSFT"' in page.content.decode()
    assert [each.pk for each in page.context["changes"]] == [event.pk]
    words = page.content.decode().partition("Last changes")[2]
    assert "gross limit from none to 50,000;" in words
    assert "symbol limit from none to 1,500.50" in words


@pytest.mark.row("N10", "A8")
@pytest.mark.parametrize(
    ("change", "control", "words"),
    [
        ({"gross_cap": "abc"}, "gross_cap", "Must be a number"),
        ({"net_cap": "-5"}, "net_cap", "Must be money from 0.01"),
        ({"net_cap": "NaN"}, "net_cap", "Must be money from 0.01"),
        ({"max_sessions": "2.5"}, "max_sessions", "Must be a whole number"),
        ({"max_sessions": "5000"}, "max_sessions", "from 0 to 1,000"),
        ({"group-0-symbols": "AAPL"}, "group-0-name", "A group needs a name."),
        ({"group-0-name": "Tech", "group-0-cap": "5"}, "group-0-symbols", "has 1 to 500 symbols"),
        ({"group-0-name": "Tech", "group-0-symbols": "AAPL"}, "group-0-cap", "A group needs a cap."),
        ({"group-0-name": "Tech", "group-0-symbols": "A$PL", "group-0-cap": "5"}, "group-0-symbols", "is no symbol"),
    ],
    ids=str,
)  # fmt: skip
def test_each_fault_stands_at_its_field_and_nothing_is_saved(
    browser: Client, alice: User, change: dict[str, str], control: str, words: str
) -> None:
    for address, status in ((reverse("risk-check"), 200), (reverse("risk-limits"), 400)):
        answer = browser.post(address, {**LIMITS, **change})
        assert answer.status_code == status
        found = {each.name: each.error for each in answer.context["form"].fields if each.error}
        assert list(found) == [control]
        assert words in found[control]
        assert f'id="f-{control}-error"' in answer.content.decode()
    assert 'value="1500.50"' in answer.content.decode(), "what was typed stays"
    assert envelope(alice).pk is None or envelope(alice).gross_cap is None
    assert not AuditEvent.objects.exists()


@pytest.mark.row("N10", "W14")
def test_the_check_says_what_the_limits_mean_for_what_is_held(
    browser: Client, alice: User, sessions: list[TradingSession]
) -> None:
    text = browser.post(reverse("risk-check"), {**LIMITS, "gross_cap": "100"}).content.decode()
    assert "Already above." in text
    assert "Gross exposure" in text
    assert "Already above." not in browser.post(reverse("risk-check"), {"gross_cap": "90000"}).content.decode()
    assert envelope(alice).gross_cap is None, "the check saves nothing"


@pytest.mark.row("N10", "W4")
@pytest.mark.parametrize(
    ("level", "wanted", "policy"),
    [("pause_entries", "PAUSE", "keep"), ("stop_keep", "STOP", "keep"), ("flatten", "STOP", "flatten")],
)
def test_the_switch_reaches_every_session_and_shows_how_far_it_is(
    browser: Client, alice: User, bob: User, sessions: list[TradingSession], level: str, wanted: str, policy: str
) -> None:
    other = fill_session(make_session(bob), bars=20)
    for _ in range(2):  # pressed twice is pressed once
        assert browser.post(reverse("risk-stop"), {"level": level, "reason": "news"}).url == RISK
    assert (envelope(alice).kill_switch, envelope(alice).kill_reason) == (True, "news")
    reached = TradingSession.objects.filter(owner=alice)
    assert {(row.wanted, row.stop_policy) for row in reached} == {(wanted, policy)}
    other.refresh_from_db()
    assert (other.wanted, envelope(bob).kill_switch) == ("RUN", False)
    assert AuditEvent.objects.filter(action="risk.kill_switch_on").count() == 1

    context = browser.get(reverse("risk-progress")).context
    assert (context["done"], len(context["stopping"]), context["all_done"]) == (0, 2, False)
    assert context["left_orders"] == (0 if level == "pause_entries" else 4)
    assert "every 1s" in browser.get(RISK).content.decode()


@pytest.mark.row("N10", "W4")
def test_it_has_ended_only_when_the_venue_shows_no_order(
    browser: Client, alice: User, sessions: list[TradingSession]
) -> None:
    browser.post(reverse("risk-stop"), {"level": "flatten"})
    first, second = sessions
    for session in sessions:  # what a host does, one session after the other
        session.refresh_from_db()
        session.positions.filter(is_open=True).update(is_open=False, qty=0, closed_at=session.last_bar_at)
        session.orders.filter(state__in=WORKING).update(state="CANCELED")
        TradingSession.objects.filter(pk=session.pk).update(state="STOPPED", ended_at=envelope(alice).kill_at)
        text = browser.get(reverse("risk-progress")).content.decode()
        assert ("every 1s" in text) == (session.pk == first.pk)
    assert "<strong>2 of 2</strong>" in text
    assert "Nothing that was to stop has an order at the venue." in text
    assert second.positions.filter(is_open=True).count() == 0


@pytest.mark.row("N10")
def test_entries_are_allowed_again_and_paused_sessions_go_on(
    browser: Client, alice: User, sessions: list[TradingSession]
) -> None:
    browser.post(reverse("risk-stop"), {"level": "pause_entries"})
    TradingSession.objects.filter(owner=alice).update(state="PAUSED")
    assert browser.get(RISK).context["paused"] == 2
    answer = browser.post(reverse("risk-allow"), {"resume": "true"})
    assert told(answer) == ["Entries are allowed again. 2 sessions go on."]
    assert not envelope(alice).kill_switch
    assert set(TradingSession.objects.values_list("wanted", flat=True)) == {"RUN"}


@pytest.mark.row("A8")
def test_an_unknown_level_or_an_endless_reason_stops_nothing(
    browser: Client, alice: User, sessions: list[TradingSession]
) -> None:
    for sent in ({}, {"level": "explode"}, {"level": "flatten", "reason": "x" * 201}):
        answer = browser.post(reverse("risk-stop"), sent)
    assert told(answer)[-2:] == ["Choose how far to stop.", "A reason has at most 200 characters."]
    assert not envelope(alice).kill_switch
    assert set(TradingSession.objects.values_list("wanted", flat=True)) == {"RUN"}
    assert browser.get(reverse("risk-stop")).status_code == 405


@pytest.mark.row("N10")
def test_the_operators_switch_is_told(browser: Client, carol: User) -> None:
    account_risk.throw_platform_switch(carol, True, "exchange outage")
    assert "An operator has stopped trading for everybody: exchange outage" in browser.get(RISK).content.decode()


@pytest.mark.row("N10")
def test_correlation_of_held_symbols(browser: Client, sessions: list[TradingSession]) -> None:
    found = browser.get(RISK).context["matrix"]
    assert found["symbols"] == ["SIM-ALPHA", "SIM-GAMMA"]
    (one, two), (three, four) = ([cell["text"] for cell in row["cells"]] for row in found["rows"])
    assert (one, four) == ("1", "1")
    assert two == three
    assert -1 < float(two.replace("−", "-")) < 1


def test_the_grid_tells_strength_and_sign() -> None:
    found = matrix(
        {
            "symbols": ["A", "B", "C"],
            "matrix": [[1.0, 0.9, -0.5], [0.9, 1.0, None], [-0.5, None, 1.0]],
            "observations": [[50, 50, 40], [50, 50, 3], [40, 3, 50]],
        }
    )
    first = found["rows"][0]["cells"]
    assert [(cell["text"], cell["shade"]) for cell in first] == [
        ("1", "same"),
        ("0.90", "with3"),
        ("−0.50", "against1"),
    ]
    assert found["rows"][1]["cells"][2]["title"] == "B and C: 3 bars together are too few"
    assert found["together"] == ["A and B (0.90)"]


@pytest.mark.row("N10")
def test_the_number_of_queries_does_not_grow(
    browser: Client, alice: User, sessions: list[TradingSession], django_assert_max_num_queries
) -> None:
    for number in range(3):
        fill_session(make_session(alice, bot=make_bot(alice)), bars=40, seed=number)
    # login 2, bell, inbox, envelope, platform; exposure 2, orders, active; limits 4; correlation 2; 3 more
    with django_assert_max_num_queries(20):
        browser.get(RISK)


@pytest.mark.row("A5")
def test_nobody_sees_anothers_risk(client: Client, bob: User, sessions: list[TradingSession]) -> None:
    client.force_login(bob)
    context = client.get(RISK).context
    assert (context["held"]["gross"], context["symbols"], context["session_limits"]) == (0, [], [])
