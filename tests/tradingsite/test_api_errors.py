"""Every refusal of the API in one shape, and nothing poisoned gets in."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from accounts.models import User

BODY_FIELDS = {"code", "message", "errors", "request_id"}


def refused(response, status: int) -> dict:
    """The body of an error answer, after checking what holds for all of them."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) >= BODY_FIELDS
    assert body["request_id"] == response["X-Request-ID"]
    assert len(body["request_id"]) == 32
    assert body["message"]
    for fault in body["errors"]:
        assert set(fault) == {"path", "code", "message", "hint"}
    return body


def deep(levels: int) -> str:
    return '{"theme":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


POISON = {
    "100,000 levels": (deep(100_000), "tree_too_deep", ""),
    "objects 100,000 deep": ('{"a":' * 100_000 + "1" + "}" * 100_000, "tree_too_deep", ""),
    "33 levels": (deep(33), "tree_too_deep", "theme" + "[0]" * 31),
    "brackets never closed": ("[" * 50_000, "tree_too_deep", ""),
    "lone surrogate": (r'{"timezone": "a\ud800b"}', "bad_text", "timezone"),
    "lone surrogate in a name": (r'{"x\udfff": 1}', "bad_text", r"x\udfff"),
    "NUL": (r'{"timezone": "a\u0000b"}', "bad_text", "timezone"),
    "escape character": (r'{"timezone": "a\u001bb"}', "bad_text", "timezone"),
    "C1 control": (r'{"timezone": "a\u0085b"}', "bad_text", "timezone"),
    "right-to-left override": ('{"timezone": "a\u202eb"}', "bad_text", "timezone"),
    "isolate in a list": ('{"timezone": ["ok", "\u2066"]}', "bad_text", "timezone[1]"),
    "not UTF-8": (b'{"timezone": "\xff\xfe"}', "bad_text", ""),
    "surrogate in UTF-8": (b'{"timezone": "\xed\xa0\x80"}', "bad_text", ""),
    "NaN": ('{"timezone": NaN}', "not_a_finite_number", "timezone"),
    "Infinity": ('{"timezone": {"a": [-Infinity]}}', "not_a_finite_number", "timezone.a[0]"),
    "1e999": ('{"timezone": 1e999}', "not_a_finite_number", "timezone"),
    "4,000 digits": ('{"timezone": ' + "9" * 4_000 + "}", "not_a_finite_number", "timezone"),
    "10,000 digits": ('{"timezone": -' + "9" * 10_000 + "}", "not_a_finite_number", "timezone"),
    "more than 64 bits": ('{"timezone": 9223372036854775808}', "out_of_range", "timezone"),
    "a key twice": ('{"theme": "dark", "theme": "light"}', "duplicate_key", "theme"),
    "a key twice inside": ('{"timezone": [{"a": 1, "b": 2, "a": 3}]}', "duplicate_key", "timezone[0].a"),
    "cut off": ('{"theme": "da', "malformed", ""),
    "two values": ("{} {}", "malformed", ""),
    "empty text": (" ", "malformed", ""),
    "byte order mark": ("\ufeff{}", "malformed", ""),
    "a list for an object": ("[1, 2]", "wrong_type", ""),
    "a number for text": ('{"timezone": 5}', "wrong_type", "timezone"),
    "true for text": ('{"timezone": true}', "wrong_type", "timezone"),
    "null": ('{"timezone": null}', "required", "timezone"),
    "unknown field": ('{"them": "dark"}', "unknown_field", "them"),
    "read-only field": ('{"is_staff": true}', "unknown_field", "is_staff"),
    "unknown choice": ('{"theme": "mauve"}', "unknown_choice", "theme"),
    "too long": ('{"timezone": "' + "a" * 65 + '"}', "out_of_range", "timezone"),
}


@pytest.mark.row("A8")
@pytest.mark.parametrize("name", POISON)
def test_poison_is_refused_with_its_place_and_stores_nothing(name, alice, api):
    raw, code, path = POISON[name]
    before = User.objects.filter(pk=alice.pk).values().get()
    body = refused(api(alice).patch("/api/auth/me", raw, content_type="application/json"), 400)
    assert (body["errors"][0]["code"], body["errors"][0]["path"]) == (code, path)
    assert User.objects.filter(pk=alice.pk).values().get() == before


def test_every_fault_is_told_at_once(alice, api):
    body = refused(api(alice).patch("/api/auth/me", {"timezone": 5, "theme": "mauve"}), 400)
    assert {(fault["path"], fault["code"]) for fault in body["errors"]} == {
        ("timezone", "wrong_type"),
        ("theme", "unknown_choice"),
    }


@pytest.mark.row("A8")
@pytest.mark.parametrize("query", ["?page=%00", "?q=%E2%80%AE", "?%1B=1", "?q=a%7Fb"])
def test_the_text_rule_holds_for_query_parameters(query, alice, api):
    assert refused(api(alice).get(f"/api/auth/tiers{query}"), 400)["errors"][0]["code"] == "bad_text"


def test_the_text_rule_holds_for_path_parts():
    assert refused(APIClient().get("/api/auth/%00"), 400)["errors"][0]["code"] == "bad_text"


@pytest.mark.django_db
def test_the_text_rule_holds_for_page_forms(client):
    answer = client.post("/accounts/login/", {"username": "a\u202eb", "password": "x"})
    assert answer.status_code == 400
    assert b"U+202E" in answer.content


def test_more_bytes_than_allowed_are_refused_before_they_are_parsed(alice, api):
    raw = '{"timezone": "' + "a" * 2_000_000  # not even JSON: nobody looks
    assert refused(api(alice).patch("/api/auth/me", raw, content_type="application/json"), 413)["code"] == "too_large"


@pytest.mark.parametrize(
    ("method", "path", "extra", "status", "code"),
    [
        ("get", "/api/auth/me", {}, 401, "not_authenticated"),
        ("get", "/api/no/such/route", {}, 404, "not_found"),
        ("get", "/api/auth/register", {}, 405, "method_not_allowed"),
        ("trace", "/api/auth/register", {}, 405, "method_not_allowed"),
        ("get", "/api/auth/me", {"HTTP_ACCEPT": "image/png"}, 406, "not_acceptable"),
        ("post", "/api/auth/token", {"data": "a=1", "content_type": "text/plain"}, 415, "unsupported_media_type"),
        ("post", "/api/auth/token", {"data": "a=1", "content_type": "application/xml"}, 415, "unsupported_media_type"),
    ],
)
def test_other_refusals_have_the_same_shape(method, path, extra, status, code, db):
    response = APIClient().generic(method.upper(), path, **extra) if method == "trace" else None
    response = response or getattr(APIClient(), method)(path, **extra)
    assert refused(response, status)["code"] == code
    if status == 401:
        assert response["WWW-Authenticate"].startswith("Bearer")
    if status == 405:
        assert "POST" in response["Allow"]


def test_a_fault_of_ours_says_nothing_about_itself(alice, caplog):
    """The database loses a table; the answer has the request id, the log has the rest."""
    client = APIClient(raise_request_exception=False)
    client.force_login(alice)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_tier RENAME TO accounts_tier_lost")
        response = client.get("/api/auth/tiers")
        transaction.set_rollback(True)
    assert response.status_code == 500
    assert response.json()["code"] == "server_fault"
    assert response["X-Request-ID"] in caplog.text
    assert "accounts_tier" not in response.content.decode()
    assert "Traceback" not in response.content.decode()


@pytest.mark.django_db
def test_pages_answer_in_html(client, alice):
    client.force_login(alice)
    missing = client.get("/no/such/page/")
    assert missing.status_code == 404
    assert missing["Content-Type"].startswith("text/html")
    assert missing["X-Request-ID"] in missing.content.decode()


def test_numbers_and_flags_are_not_guessed():
    from tradingsite.lib import fields

    class Body(fields.StrictSerializer):
        whole = fields.StrictIntegerField(required=False)
        number = fields.StrictFloatField(required=False)
        flag = fields.StrictBooleanField(required=False)

    def code(**sent):
        body = Body(data=sent)
        assert not body.is_valid()
        return next(iter(body.errors.values()))[0].code

    assert code(whole=True) == "wrong_type"
    assert code(whole="5") == "not_a_number"
    assert code(whole=5.0) == "not_a_number"
    assert code(number=False) == "wrong_type"
    assert code(number="1.5") == "not_a_number"
    assert code(number=float("inf")) == "not_a_finite_number"
    assert code(flag=1) == "wrong_type"
    assert code(flag="true") == "wrong_type"
    good = Body(data=json.loads('{"whole": 5, "number": 5, "flag": false}'))
    assert good.is_valid()
    assert good.validated_data == {"whole": 5, "number": 5.0, "flag": False}
