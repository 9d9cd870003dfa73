"""The REST routes of bots and of their configuration, and `manage.py bot`."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import Tier, User
from bots.models import Bot, TradingSession
from bots.states import SessionState
from tests.bots.factories import make_bot

Api = Callable[[User | None], APIClient]
BOTS = "/api/bots"
BODY: dict[str, Any] = {
    "name": "First",
    "capital": 2_000,
    "trading_frequency": 30,
    "symbols": ["sim-alpha", "SIM-BETA"],
    "strategy": "ma_crossover",
    "strategy_parameters": {"fast_window": 4},
    "risk_management": {"stop_loss": 2, "take_profit": 5, "max_position_size": 20, "max_daily_loss": 4},
    "start_hour": 10,
    "end_hour": 15,
    "end_minute": 45,
    "trading_days": ["MON", "FRI"],
}


def send(client: APIClient, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, body, format="json")


@pytest.fixture
def made(alice: User, api: Api) -> dict[str, Any]:
    answer = send(api(alice), "post", BOTS, BODY)
    assert answer.status_code == 201, answer.content
    assert answer["Location"] == f"{BOTS}/{answer.json()['id']}"
    return answer.json()


@pytest.mark.row("B21", "C13")
def test_a_bot_is_made_with_the_short_form_and_read_with_both(alice: User, api: Api, made: dict[str, Any]) -> None:
    assert made["symbols"] == ["SIM-ALPHA", "SIM-BETA"]
    assert made["settings"] == {
        "stop_loss_pct": 2.0,
        "take_profit_pct": 5.0,
        "max_position_size_pct": 20.0,
        "daily_loss_limit_pct": 4.0,
        "trading_hours_start": "10:00",
        "trading_hours_end": "15:45",
        "trading_days": ["MON", "FRI"],
    }
    assert made["risk_management"] == BODY["risk_management"]
    assert (made["start_hour"], made["start_minute"], made["end_hour"], made["end_minute"]) == (10, 0, 15, 45)
    assert (made["capital"], made["trading_frequency"], made["trading_days"]) == ("2000", 30, ["MON", "FRI"])
    assert made["strategy_parameters"]["slow_window"] == 30
    assert api(alice).get(f"{BOTS}/{made['id']}").json() == made
    listed = api(alice).get(BOTS).json()["results"]
    assert (listed[0]["name"], listed[0]["session_count"], listed[0]["active_session"]) == ("First", 0, None)


@pytest.mark.row("B21")
def test_a_bot_is_replaced_changed_and_deleted(alice: User, api: Api, made: dict[str, Any]) -> None:
    client, path = api(alice), f"{BOTS}/{made['id']}"
    changed = send(client, "patch", path, {"settings": {"stop_loss_pct": 3}, "start_hour": 11}).json()
    assert (changed["risk_management"]["stop_loss"], changed["risk_management"]["take_profit"]) == (3.0, 5.0)
    clock = [changed[name] for name in ("start_hour", "start_minute", "end_hour", "end_minute")]
    assert clock == [11, 0, 15, 45]
    moved = send(client, "patch", path, {"end_hour": 14}).json()
    assert (moved["end_hour"], moved["end_minute"]) == (14, 45)
    off = send(client, "patch", path, {"risk_management": {"take_profit": None}}).json()
    assert off["risk_management"] == {**changed["risk_management"], "take_profit": None}
    other = send(client, "patch", path, {"strategy": "momentum"}).json()
    assert "fast_window" not in other["strategy_parameters"]
    whole = send(client, "put", path, {"name": "Anew", "symbols": ["SIM-01"], "strategy": "bollinger"}).json()
    assert (whole["name"], whole["settings"], whole["capital"]) == ("Anew", {}, "100000")
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.row("B21", "A8")
@pytest.mark.parametrize(
    ("changes", "status", "path", "code"),
    [
        ({"name": ""}, 400, "name", "required"),
        ({"name": None}, 400, "name", "required"),
        ({"capital": -5}, 400, "capital", "out_of_range"),
        ({"capital": "5"}, 400, "capital", "not_a_number"),
        ({"symbols": ["AAPL"]}, 400, "feed", "required"),
        ({"trading_frequency": 0}, 400, "trading_frequency", "out_of_range"),
        ({"start_hour": 24}, 400, "start_hour", "out_of_range"),
        ({"trading_days": ["MON", "DAY"]}, 400, "trading_days[1]", "unknown_choice"),
        ({"risk_management": {"luck": 1}}, 400, "risk_management.luck", "unknown_field"),
        ({"risk_management": {"stop_loss": 200}}, 400, "settings.stop_loss_pct", "out_of_range"),
        ({"settings": {"stop_loss_pct": 9}}, 400, "risk_management.stop_loss", "conflict"),
        ({"indicators": {"RSI": {"period": 14}}}, 400, "strategy", "conflict"),
        (
            {"strategy": None, "strategy_parameters": None, "indicators": {"RSI": {"period": 0}}},
            400,
            "indicators.RSI.period",
            "out_of_range",
        ),
        ({"run": "always"}, 400, "run", "unknown_choice"),
        ({"owner": 1}, 400, "owner", "unknown_field"),
    ],
    ids=str,
)
def test_a_wrong_bot_is_refused_with_the_place(
    alice: User, api: Api, changes: dict[str, Any], status: int, path: str, code: str
) -> None:
    answer = send(api(alice), "post", BOTS, {**BODY, **changes})
    assert answer.status_code == status, answer.content
    assert (answer.json()["errors"][0]["path"], answer.json()["errors"][0]["code"]) == (path, code)
    assert not Bot.objects.exists()


@pytest.mark.row("B22", "Q5")
def test_start_pause_resume_stop(alice: User, api: Api, made: dict[str, Any]) -> None:
    client, path = api(alice), f"{BOTS}/{made['id']}"
    for verb in ("stop", "pause", "resume"):
        assert send(client, "post", f"{path}/{verb}").json()["code"] in ("never_started", "conflict")
    first = send(client, "post", f"{path}/start")
    assert first.status_code == 201
    session = first.json()
    assert (session["bot"], session["bot_name"], session["initial_cash"]) == (made["id"], "First", "2000")
    assert session["strategy_parameters"] == made["strategy_parameters"]
    settings = client.get(f"/api/trading/sessions/{session['id']}/settings").json()["settings"]
    assert {name: settings[name] for name in made["settings"]} == made["settings"]
    again = send(client, "post", f"{path}/start")
    assert (again.status_code, again.json()["id"]) == (200, session["id"])
    assert send(client, "post", f"{path}/pause").json()["wanted"] == "PAUSE"
    assert send(client, "post", f"{path}/resume").json()["wanted"] == "RUN"
    assert client.delete(path).json()["code"] == "bot_active"
    assert client.get(BOTS).json()["results"][0]["active_session"] == session["id"]
    stopped = send(client, "post", f"{path}/stop").json()
    assert (stopped["state"], stopped["stop_policy"]) == ("STOPPED", "flatten")
    assert send(client, "post", f"{path}/stop").status_code == 200
    assert send(client, "post", f"{path}/start").json()["id"] != session["id"]


@pytest.mark.row("B27", "C14")
def test_a_changed_configuration_reaches_the_running_session_where_asked(
    alice: User, api: Api, made: dict[str, Any]
) -> None:
    client, path = api(alice), f"{BOTS}/{made['id']}"
    session = TradingSession.objects.get(pk=send(client, "post", f"{path}/start").json()["id"])
    send(client, "post", f"{path}/config", {"settings": {"stop_loss_pct": 3}})
    assert session.settings.version == 1, "a session keeps what it copied"
    answer = send(client, "post", f"{path}/config?apply=true", {"settings": {"stop_loss_pct": 4}})
    assert answer.json()["bot"]["settings"]["stop_loss_pct"] == 4
    assert (session.settings.version, session.settings.stop_loss_pct) == (2, 4)
    replaced = send(client, "put", f"{path}/config", {**BODY, "name": "Other"})
    assert replaced.json()["bot"]["name"] == "Other"
    assert replaced.json() == client.get(f"{path}/config").json()


@pytest.mark.row("D21", "B27")
def test_an_exported_bot_is_imported_by_another(alice: User, bob: User, api: Api, made: dict[str, Any]) -> None:
    document = api(alice).get(f"{BOTS}/{made['id']}/config").json()
    theirs = send(api(bob), "post", f"{BOTS}/import", document)
    assert theirs.status_code == 201
    same = {name: theirs.json()[name] for name in made if name not in ("id", "created_at", "updated_at")}
    assert same == {name: made[name] for name in same}
    assert send(api(bob), "post", f"{BOTS}/import", document).json()["name"] == "First (copy)"
    for nonsense in ({}, {"format": "tradewright.bot/1"}, {**document, "format": "x"}, {**document, "bot": []}):
        assert send(api(bob), "post", f"{BOTS}/import", nonsense).status_code == 400


@pytest.mark.row("B21", "D21")
def test_a_clone_has_a_name_of_its_own(alice: User, api: Api, made: dict[str, Any]) -> None:
    client, path = api(alice), f"{BOTS}/{made['id']}/clone"
    assert send(client, "post", path).json()["name"] == "First (copy)"
    assert send(client, "post", path).json()["name"] == "First (copy 2)"
    taken = send(client, "post", path, {"name": "First"})
    assert (taken.status_code, taken.json()["errors"][0]["path"]) == (409, "name")
    assert send(client, "post", BOTS, BODY).status_code == 409


@pytest.mark.row("A5")
def test_a_strangers_bot_does_not_exist(bob: User, api: Api, made: dict[str, Any]) -> None:
    client, path = api(bob), f"{BOTS}/{made['id']}"
    for method, address, body in [
        ("get", path, None), ("put", path, BODY), ("patch", path, {}), ("delete", path, None),
        ("get", f"{path}/config", None), ("put", f"{path}/config", BODY), ("post", f"{path}/config", {}),
        *(("post", f"{path}/{verb}", None) for verb in ("start", "stop", "pause", "resume", "clone")),
        ("post", "/api/trading/sessions/start", {"bot_id": made["id"]}),
    ]:  # fmt: skip
        assert send(client, method, address, body).status_code == 404, (method, address)


@pytest.mark.row("P10")
def test_a_bot_is_started_from_the_command_line(alice: User) -> None:
    bot = make_bot(alice, symbols=["SIM-ALPHA", "SIM-BETA"])
    out = StringIO()
    call_command("bot", "--bot-id", str(bot.pk), "--symbol", "SIM-GAMMA", stdout=out)
    session = TradingSession.objects.get()
    assert (session.bot, session.symbols, session.state) == (bot, ["SIM-GAMMA"], SessionState.SCHEDULED)
    assert out.getvalue().startswith(f"session {session.pk}: SCHEDULED")
    call_command("bot", "--bot-id", str(bot.pk), stdout=out)
    assert TradingSession.objects.count() == 1
    call_command("bot", "--bot-id", str(bot.pk), "--stop", stdout=out)
    assert out.getvalue().splitlines()[-1].startswith(f"session {session.pk}: STOPPED")
    for wrong in (["--bot-id", "987"], ["--bot-id", str(bot.pk), "--symbol", "no such"]):
        with pytest.raises(CommandError):
            call_command("bot", *wrong, stdout=out)
    Tier.objects.filter(pk=Tier.FREE).update(max_active_sessions=0)
    with pytest.raises(CommandError, match="allows 0 trading sessions"):
        call_command("bot", "--bot-id", str(bot.pk), stdout=out)
