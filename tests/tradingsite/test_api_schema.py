"""Fuzzes every operation of the OpenAPI document in three roles, and holds each answer against the document.

Requests are made from the schema (valid ones and broken ones) and sent to the site in this process. No answer may be a
5xx, have a status or a body that the document does not know, or accept what the document forbids. What a request
changes is undone after it, so that each meets the same world. The examples are the same in every run, and few, because
there are many operations: SCHEMA_EXAMPLES=50 in the environment takes half an hour, and belongs into every night.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from accounts import quotas, tokens
from accounts.models import Tier, Tries, User
from tests.tradingsite import world

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "8"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
ROLES = ("anonymous", "owner", "operator")


@pytest.fixture
def unlimited(settings: Any, transactional_db: None) -> None:
    """No amounts: a 429 after the first minute would hide every other answer."""
    settings.API_ANON_REQUESTS_PER_MINUTE = 10**9
    Tier.objects.update(**dict.fromkeys(quotas.LABELS), allows_custom_strategies=True)


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Requests share the test's connection, and its transaction: Django must not close it at their ends."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def hers_or_random(parts: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """A hook that puts an id of hers, which exists, for every other generated one."""

    def put(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        for name, value in (path_parameters or {}).items():
            if name in parts and hash(str(value)) % 2 == 0:
                path_parameters[name] = str(parts[name])
        return path_parameters

    return put


def without_waiting(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """A hook: nobody works on what is queued here, so waiting for the result would only take its thirty seconds."""
    return {name: value for name, value in query.items() if name != "wait"} if query else query


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(600)
@pytest.mark.row("A8", "B31")
@pytest.mark.parametrize("role", ROLES)
def test_every_operation_keeps_to_the_document(
    sample_prices, role, alice, carol, unlimited, one_connection, practice_venue
):
    parts = world.build(alice).url_parts()
    user = {"anonymous": None, "owner": alice, "operator": carol}[role]
    faults: list[str] = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())
        schema.hook("map_query")(without_waiting)
        if mode == GenerationMode.POSITIVE:
            schema.hook("map_path_parameters")(hers_or_random(parts))
        for result in schema.get_all_operations():
            operation = result.ok()
            if fault := first_fault(operation, mode, user):
                faults.append(f"{operation.method.upper()} {operation.path} ({mode.value}): {fault}")
    assert not faults, "\n\n".join(faults)


def first_fault(operation: Any, mode: GenerationMode, user: User | None) -> str:
    """The smallest request found to which the answer breaks a check, with the answer; empty when there is none."""
    checks = [*CHECKS, ignored_auth] if user is not None and mode == GenerationMode.POSITIVE else CHECKS

    @seed(2)
    @settings(
        max_examples=EXAMPLES // 2,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attack(case: Any) -> None:
        with transaction.atomic():
            Tries.objects.all().delete()
            headers = {}
            if user is not None:
                headers["Authorization"] = f"Bearer {tokens.begin(User.objects.get(pk=user.pk)).access}"
            # An empty field of a form counts as left out, whatever the length that the document asks for.
            is_form = case.media_type == "multipart/form-data"
            unfit = [negative_data_rejection] if is_form else []
            try:
                case.call_and_validate(headers=headers, checks=checks, excluded_checks=unfit)
            finally:
                transaction.set_rollback(True)

    try:
        attack()
    except (Exception, BaseExceptionGroup) as fault:  # several broken checks come as a group
        return str(fault)[:1_500]
    return ""
