"""What browsers are told on every HTML page, and what cookies may do."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from tests.accounts.factories import PASSWORD
from tests.tradingsite import world
from tests.tradingsite.rights import routes

# A data block (type="application/json") is not script; the policy does not concern it.
INLINE = re.compile(
    rb"<script(?![^>]*\s(?:src=|type=\"application/json\"))[^>]*>|<style|\sstyle=|\son[a-z]+=[\"']|javascript:",
    re.IGNORECASE,
)


def check_headers(response) -> list[str]:
    policy = response.get("Content-Security-Policy", "")
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";") if part.strip())
    faults = []
    if directives.get("default-src") != "'none'":
        faults.append("default-src")
    if directives.get("frame-ancestors") != "'none'" or response.get("X-Frame-Options") != "DENY":
        faults.append("frame-ancestors")
    if directives.get("base-uri") != "'none'" or directives.get("form-action") != "'self'":
        faults.append("base-uri, form-action")
    if "unsafe" in policy or "*" in policy or "http:" in policy:
        faults.append(f"a loose policy: {policy}")
    expected = {
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
    }
    faults += [name for name, value in expected.items() if response.get(name) != value]
    return faults


@pytest.mark.django_db(transaction=True)
@pytest.mark.one_database
def test_every_page_has_the_headers_and_nothing_inline(sample_prices, client, alice):
    parts = world.build(alice).url_parts()
    client.force_login(alice)
    wrong = []
    pages = 0
    for name, pattern in routes(get_resolver()):
        path = reverse(name, kwargs={key: parts[key] for key in pattern.pattern.converters})
        for browser in (client, Client()):
            response = browser.get(path)
            if not response.get("Content-Type", "").startswith("text/html"):
                continue
            pages += response.status_code == 200
            if faults := check_headers(response):
                wrong.append(f"{path} ({response.status_code}): {', '.join(faults)}")
            if found := INLINE.search(response.content):
                wrong.append(f"{path}: inline {found[0]!r}")
    assert not wrong, "\n".join(wrong)
    assert pages > 15


@pytest.mark.parametrize("path", ["/no/such/page/", "/accounts/login/?q=%00", "/operators/login/"])
def test_error_pages_and_the_operators_login_have_them_too(path, client, db):
    response = client.get(path)
    assert response["Content-Type"].startswith("text/html")
    assert check_headers(response) == []


def test_answers_of_the_api_cannot_be_sniffed_or_framed(alice, api):
    response = api(alice).get("/api/auth/me")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_no_other_site_may_read_an_answer(client, alice):
    client.force_login(alice)
    for path in ("/api/auth/me", "/accounts/settings/"):
        for method in ("GET", "OPTIONS"):
            response = client.generic(method, path, headers={"Origin": "https://evil.example"})
            assert not [name for name in response.headers if name.lower().startswith("access-control-")]


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client, alice):
    client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/sign-up/", "/accounts/settings/", "/accounts/logout/"])
def test_a_form_without_the_token_is_refused(path, alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    response = browser.post(path, {})
    assert response.status_code == 403
    assert b"open too long" in response.content
    browser.get("/accounts/settings/")
    assert browser.post("/accounts/settings/", {"csrfmiddlewaretoken": "x" * 64}).status_code == 403


def test_a_session_needs_the_token_at_the_api_and_a_bearer_does_not(alice, api):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    send = {"data": '{"theme": "dark"}', "content_type": "application/json"}
    assert browser.patch("/api/auth/me", **send).status_code == 403
    browser.get("/accounts/settings/")
    token = browser.cookies["csrftoken"].value
    assert browser.patch("/api/auth/me", **send, headers={"X-CSRFToken": token}).status_code == 200
    assert api(alice).patch("/api/auth/me", {"theme": "light"}).status_code == 200


def test_a_token_from_another_origin_does_not_pass(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    browser.get("/accounts/settings/")
    headers = {"X-CSRFToken": browser.cookies["csrftoken"].value, "Origin": "https://evil.example"}
    assert browser.post("/accounts/logout-everywhere/", headers=headers).status_code == 403


def test_a_foreign_host_name_is_refused(client):
    response = client.get("/accounts/login/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert b"evil.example" not in response.content
