"""The operators' pages of bots and sessions: they show everything, change nothing, and can halt."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from accounts.models import AuditEvent, User
from bots.models import SessionMemory, TradingSession
from bots.states import SessionState
from tests.bots.factories import fill_session, make_bot, make_session

MODELS = sorted(apps.get_app_config("bots").get_models(), key=lambda model: model.__name__)


@pytest.mark.row("M2", "M3")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_table_has_a_page_that_only_shows(alice: User, carol: User, client: Client, model: type) -> None:
    session = fill_session(make_session(alice, bot=make_bot(alice)))
    SessionMemory.objects.create(session=session, checkpoint=b"secret-state")
    desk = admin.site._registry[model]
    assert desk.list_filter
    assert desk.search_fields
    client.force_login(carol)
    base = f"/operators/bots/{model._meta.model_name}/"
    assert client.get(f"{base}?q=a").status_code == 200
    assert client.get(f"{base}add/").status_code == 403
    row = model.objects.first()
    if row is not None:
        page = client.get(f"{base}{row.pk}/change/")
        assert page.status_code == 200
        assert b'name="_save"' not in page.content
        assert b"secret-state" not in page.content
        assert client.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.row("W4")
@pytest.mark.parametrize(("action", "policy"), [("stop_keeping", "keep"), ("stop_flattening", "flatten")])
def test_an_operator_halts_sessions(alice: User, carol: User, client: Client, action: str, policy: str) -> None:
    running, over = make_session(alice), make_session(alice, state=SessionState.STOPPED)
    client.force_login(carol)
    chosen = {"action": action, "_selected_action": [running.pk, over.pk]}
    assert client.post("/operators/bots/tradingsession/", chosen).status_code == 302
    running.refresh_from_db()
    assert (running.wanted, running.stop_policy, running.stop_reason) == ("STOP", policy, "operator")
    assert TradingSession.objects.get(pk=over.pk).stop_reason == "user"
    event = AuditEvent.objects.get()
    assert (event.actor, event.target) == ("carol", f"session {running.pk}")
