"""What a web process loads while it answers: every route of the site, asked in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from accounts.models import Tier, User
from tests.tradingsite import world
from tests.tradingsite.rights import ROUTES

ROOT = Path(__file__).resolve().parents[2]

# GET of every route with what alice owns in its address, the lists of the operators' desk, then the requests that hand
# over work. In a new interpreter, because the one of the tests has long loaded the engine.
_VISIT = """
import json, sys
import django
django.setup()
import tradingsite.asgi
from django.contrib import admin
from django.test import Client
from django.urls import get_resolver, reverse
from tests.tradingsite.rights import routes
from accounts.models import User
from tests.accounts.factories import PASSWORD

parts, queries, body = json.loads(sys.argv[1])
client = Client(HTTP_HOST="127.0.0.1")
client.force_login(User.objects.get(username="alice"))
client.post("/accounts/confirm/", {"password": PASSWORD})  # what asks for it once more shows its page then
addresses = {
    name: reverse(name, kwargs={part: parts[part] for part in pattern.pattern.converters}) + queries.get(name, "")
    for name, pattern in routes(get_resolver())
}
for model in admin.site._registry:
    addresses[model._meta.label] = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
answered = {}
for name, address in addresses.items():
    answer = client.get(address)
    b"".join(answer.streaming_content) if answer.streaming else answer.content
    answered[name] = answer.status_code
sent = {"content_type": "application/json"}
answered["submit"] = client.post("/api/backtest/run", body, **sent).status_code
answered["rerun"] = client.post(f"/api/backtests/{parts['backtest_id']}/rerun", {}, **sent).status_code
start = {"strategy": "ma_crossover", "symbols": ["SIM-ALPHA"]}
answered["start"] = client.post("/api/trading/sessions/start", start, **sent).status_code
answered["save"] = client.post("/api/strategies", {"name": "Another", "strategy": "bollinger"}, **sent).status_code
heavy = {"numba", "pandas", "talib", "exchange_calendars", "scipy", "sklearn", "statsmodels", "httpx"}
print(json.dumps([answered, sorted(heavy & set(sys.modules))]))
"""


@pytest.mark.django_db(transaction=True)
def test_no_page_and_no_api_request_loads_what_only_workers_need(
    sample_prices: None, alice: User, service_env: dict[str, str]
) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True, tier_id=Tier.ENTERPRISE)
    made = world.build(alice)
    parts = {name: str(value) for name, value in made.url_parts().items()}
    compared = f"?ids={made.backtest.pk}"
    queries = {"backtests-api:compare": compared, "backtests:compare": compared}
    body = {"strategy": "momentum", "symbols": ["IBM"], "start_date": "2010-01-01"}
    done = subprocess.run(
        [sys.executable, "-c", _VISIT, json.dumps([parts, queries, body])],
        env=service_env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answered, heavy = json.loads(done.stdout.splitlines()[-1])
    assert heavy == []
    assert (answered["submit"], answered["rerun"], answered["save"], answered["start"]) == (202, 202, 201, 201)
    assert set(ROUTES) <= set(answered)
    # A route that takes no GET answers 405; login sends on who is logged in, an old address to the new one, the start
    # of a bot without real money to the bot.
    unanswered = {name: code for name, code in answered.items() if code not in (200, 201, 202, 302, 405)}
    assert unanswered == {}
    sent_on = {"accounts:login", "accounts:signup", "bots:start", "strategies:public"}
    assert {name for name, code in answered.items() if code == 302} <= sent_on
