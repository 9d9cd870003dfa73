"""What is Alpaca's alone: its codes and words, its keys, frames of its stream that nobody expects."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from bots.brokers.alpaca import activities, answers, shapes
from bots.brokers.base import Banned, RateLimited, Refused, Unauthorised, VenueDown
from bots.brokers.registry import open_broker
from bots.orders import OrderState
from bots.practice.faults import RequestFault
from tests.brokers.rigs import COIN, COIN_RIG, D, Heard, Rig, alpaca, until

pytestmark = pytest.mark.row("I11")


@pytest.fixture
def rig() -> Iterator[Rig]:
    with alpaca(COIN, name="alpaca", **COIN_RIG) as made:
        yield made


def answered(status: int, body: Any, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answers.read(status, headers, raw)


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    ("status", "code", "extra", "message", "word"),
    [
        (403, 40310000, {"buying_power": "1", "cost_basis": "2"}, "insufficient buying power", "buying_power"),
        (403, 40310000, {"available": "0", "held_for_orders": "5"}, "insufficient qty available", "insufficient_qty"),
        (403, 40310000, {"existing_order_id": "x"}, "words that may change", "wash_trade"),
        (403, 40310000, {}, "account is not allowed to short", "no_short"),
        (403, 40310000, {}, "asset X is not fractionable", "not_fractionable"),
        (403, 40310000, {}, "new orders are rejected by user request: account is restricted", "invalid"),
        (403, 40310000, {}, "something new", "invalid"),
        (404, 40410000, {}, "order not found for 1", "no_order"),
        (404, 40410000, {}, "asset not found for NOPE", "no_asset"),
        (422, 40010001, {}, "client_order_id must be unique", "duplicate_client_id"),
        (422, 40010001, {}, "qty is required", "invalid"),
        (422, 42210000, {}, 'order is already in "filled" state', "is_over"),
        (422, 42210000, {}, "asset NOPE is not active", "not_tradable"),
        (422, 42210000, {}, 'asset "NOPE" not found', "no_asset"),
        (422, 42210000, {}, "invalid limit_price 1.001. sub-penny increment does not fulfill", "price_step"),
        (422, 42210000, {}, "stop_loss.stop_price must be <= base price - 0.01", "bracket_price"),
        (400, 40010000, {}, "request body format is invalid", "invalid"),
    ],
)
def test_codes_and_figures_decide_what_a_refusal_means(
    status: int, code: int, extra: dict[str, str], message: str, word: str
) -> None:
    with pytest.raises(Refused) as error:
        answered(status, {"code": code, "message": message, **extra})
    assert (error.value.code, error.value.message) == (word, message)
    assert error.value.facts == extra


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, []),
        ({"transfers_blocked": True}, []),
        ({"account_blocked": True, "transfers_blocked": True}, ["account_blocked", "transfers_blocked"]),
        ({"trading_blocked": True}, ["trading_blocked"]),
        ({"trade_suspended_by_user": True}, ["trade_suspended_by_user"]),
        ({"status": "ACCOUNT_CLOSED"}, ["status ACCOUNT_CLOSED"]),
        ({"trading_blocked": "true"}, []),
    ],
)
def test_the_accounts_own_fields_say_whether_it_is_blocked(rig: Rig, fields: dict[str, Any], names: list[str]) -> None:
    """The venue's words are the same each time, and might be any."""
    assert rig.venue is not None
    whole = {"status": "ACTIVE", **fields}
    refusal = {"code": 40310000, "message": "new orders are restricted for this account"}
    for method, path, status, body in (("POST", "/v2/orders", 403, refusal), ("GET", "/v2/account", 200, whole)):
        rig.venue.faults.requests.append(RequestFault(method=method, path=path, status=status, body=json.dumps(body)))
    with pytest.raises(Refused) as error:
        rig.broker.submit(rig.request("1"))
    assert error.value.code == ("account_blocked" if names else "invalid")
    assert all(name in error.value.message for name in names)
    assert refusal["message"] in error.value.message


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (401, {"code": 40110000, "message": "request is not authorized"}, Unauthorised),
        (401, b"<html>", Unauthorised),
        (403, {"message": "forbidden."}, Unauthorised),
        (403, b"<html>blocked by a firewall</html>", VenueDown),
        (404, b"<html>", VenueDown),
        (404, {"message": "endpoint not found."}, VenueDown),
        (409, {"code": 7, "message": "not Alpaca's"}, VenueDown),
        (408, {"code": 40810000, "message": "timeout"}, VenueDown),
        (500, {"code": 50010000, "message": "internal server error"}, VenueDown),
        (301, b"", VenueDown),
        (200, b"{", VenueDown),
        (200, b"NaN", VenueDown),
    ],
)
def test_what_is_no_word_of_alpaca_proves_nothing(status: int, body: Any, meaning: type[Exception]) -> None:
    with pytest.raises(meaning):
        answered(status, body)


def test_how_long_to_wait() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    for headers, low, high in (
        ({"retry-after": "12"}, 12, 12),
        ({"retry-after": "1.5"}, 1.5, 1.5),
        ({"retry-after": format_datetime(soon)}, 28, 30),
        ({"x-ratelimit-reset": str(int(time.time()) + 10)}, 8, 10),
        ({"x-ratelimit-reset": "1000020", "date": "Mon, 12 Jan 1970 13:46:50 GMT"}, 10, 10),
        ({"x-ratelimit-reset": "99999999999"}, 120, 120),
        ({"retry-after": "soon"}, answers.WAIT_S, answers.WAIT_S),
        ({}, answers.WAIT_S, answers.WAIT_S),
    ):
        with pytest.raises(RateLimited) as error:
            answers.read(429, headers, b"")
        assert low <= error.value.retry_after_s <= high, headers
    with pytest.raises(Banned) as banned:
        answers.read(418, {}, b"")
    assert banned.value.retry_after_s == answers.BAN_S


def test_figures_never_pass_through_a_float() -> None:
    raw = answered(200, b'{"qty": 0.1234567890123456789, "cash": "0.30000000000000004"}')
    assert shapes.figure(raw, "qty") == D("0.1234567890123456789")
    assert shapes.figure(raw, "cash") == D("0.30000000000000004")
    for bad in ("NaN", "Infinity", "1e", [1]):
        with pytest.raises(VenueDown):
            shapes.figure({"qty": bad}, "qty")
    assert shapes.plain(D("1E+3")) == "1000"
    assert shapes.plain(D("0.10")) == "0.1"


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("pending_new", "0", OrderState.ACCEPTED),
        ("accepted", "0", OrderState.ACCEPTED),
        ("held", "0", OrderState.SUSPENDED),
        ("done_for_day", "2", OrderState.PARTIALLY_FILLED),
        ("calculated", "0", OrderState.ACCEPTED),
        ("pending_cancel", "2", OrderState.PENDING_CANCEL),
        ("replaced", "0", OrderState.REPLACED),
        ("a word of tomorrow", "0", OrderState.ACCEPTED),
        ("a word of tomorrow", "2", OrderState.PARTIALLY_FILLED),
    ],
)
def test_statuses_say_no_more_than_the_venue_did(status: str, filled: str, state: OrderState) -> None:
    order = shapes.order({"id": "1", "symbol": "A", "side": "buy", "qty": "5", "filled_qty": filled, "status": status})
    assert (order.state, order.filled, order.status) == (state, D(filled), status)


@pytest.mark.parametrize(
    ("theirs", "asset_class", "ours"),
    [
        ("BTCUSD", "crypto", "BTC/USD"),
        ("BTC/USD", "crypto", "BTC/USD"),
        ("SHIBUSDT", "", "SHIB/USDT"),
        ("AAPL", "us_equity", "AAPL"),
        ("AAPL", "", "AAPL"),
        ("BRK.B", "", "BRK.B"),
    ],
)
def test_coins_have_a_slash_whatever_list_they_come_from(theirs: str, asset_class: str, ours: str) -> None:
    assert shapes.symbol(theirs, asset_class) == ours


def test_activities_that_are_no_trade() -> None:
    def ratio(symbol: str, day: datetime.date) -> Decimal | None:
        return D(2) if symbol == "T" else None

    paid = {"activity_type": "DIV", "id": "20260801010203456::x", "date": "2026-08-01", "net_amount": "1.02"}
    paid["symbol"] = "T"
    found = activities.read(paid, ratio)
    assert found is not None
    assert (found.kind, found.amount, found.symbol) == ("dividend", D("1.02"), "T")
    assert found.at == datetime.datetime(2026, 8, 1, 1, 2, 3, 456_000, tzinfo=datetime.UTC)
    assert activities.read({**paid, "activity_type": "CFEE"}, ratio) is None, "it is in the execution already"
    assert activities.read({**paid, "net_amount": "0"}, ratio) is None
    split = activities.read({**paid, "activity_type": "SPLIT", "net_amount": None}, ratio)
    assert split is not None
    assert (split.kind, split.ratio) == ("split", 2)
    assert activities.read({**paid, "activity_type": "SPLIT", "symbol": "U"}, ratio) is None, "nobody has announced it"


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    ("environment", "key", "words"),
    [("LIVE", "PKPAPER", "paper account"), ("PAPER", "AKLIVE", "live account")],
)
def test_keys_of_the_other_environment_are_refused_with_the_reason(
    rig: Rig, environment: str, key: str, words: str
) -> None:
    with pytest.raises(Unauthorised, match=words):
        open_broker("alpaca", environment, key, "secret").check_keys()


def test_there_are_no_other_brokers_and_environments() -> None:
    with pytest.raises(ValueError, match="alpaca"):
        open_broker("nobody", "PAPER", "k", "s")
    with pytest.raises(ValueError, match="PRACTICE"):
        open_broker("alpaca", "paper", "k", "s")


def test_nonsense_on_the_wire_ends_nothing(rig: Rig) -> None:
    """Words that Alpaca may add one day, and frames that are none."""
    assert rig.venue is not None
    order = {"id": "o-1", "symbol": "BTC/USD", "side": "buy", "qty": "5", "filled_qty": "2", "status": "under_review",
             "type": "limit", "client_order_id": "c-1"}  # fmt: skip
    frames = [
        b"no json", b"\xff\xfe", b"[]", b'"text"', b'{"stream":"trade_updates"}', b'{"stream":"other","data":{}}',
        b'{"stream":"trade_updates","data":{"event":"fill","order":{}}}',
        json.dumps({"stream": "trade_updates", "data": {"event": "reviewed", "order": order}}).encode(),
    ]  # fmt: skip
    with rig.listening() as heard:
        [connection] = list(rig.venue.updates._listening)
        for frame in frames:
            connection.say(frame)
        rig.price("99.99", "100.01", "100")  # lets the venue's loop run
        until(lambda: heard.events, "the order of an unknown status")
        told = heard.events[0].order
        assert told is not None
        assert (told.client_order_id, told.state, told.status) == ("c-1", OrderState.PARTIALLY_FILLED, "under_review")
        assert not heard.downs


def test_no_key_is_in_what_is_raised_or_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    broker = open_broker("alpaca", "PRACTICE", "CANARYKEY", "canary-secret")
    said = []
    for ask in (broker.money, broker.open_orders):
        with pytest.raises(Unauthorised) as error:
            ask()
        said.append(str(error.value))
    heard = Heard()
    stream = broker.stream(heard.events.append, heard.up, heard.downs.append)
    stream.start()
    until(lambda: heard.downs, "its refusal")
    stream.stop()
    assert "canary" not in " ".join([*said, *heard.downs, caplog.text]).lower()
