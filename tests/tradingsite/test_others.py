"""Nobody reaches what is another's: not by an address, an id in a body, a form or a query, and not by a websocket.

What the table of rights says of every route (`test_security_roles`) is said here of requests that are in order, and of
what they leave behind: nothing. The tables are in `sent`; a route or a field that needs a line there and has none fails
by its name.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.urls import get_resolver, resolve, reverse
from drf_spectacular.generators import SchemaGenerator

from accounts import quotas
from accounts.models import Tier, User
from tests.bots.factories import fill_session, make_session
from tests.tradingsite import sent, world
from tests.tradingsite.asking import DRAWN, Browser
from tests.tradingsite.rights import OWN, ROUTES, routes
from tradingsite.lib import realtime

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
Parts = Mapping[str, Any]

# Parts of addresses that name no row of a person.
WORDS = {"kind", "symbol", "name", "slug", "strategy_type", "timeframe", "version", "broker_kind"}
# A field of the API that holds an id → the thing, as an address calls it.
THINGS = {
    "saved_strategy_id": "strategy_id",
    "custom_strategy_id": "custom_id",
    "broker_account_id": "account_id",
    "bot_id": "bot_id",
    "session_id": "session_id",
    "backtest_id": "backtest_id",
    "ids": "backtest_id",
    "instrument": "instrument_id",
}
# Fields that are called like ids and are none of a row here: of a chat, and of models, which cannot run yet.
NO_THINGS = {"telegram_chat_id", "model_id"}


@dataclass(frozen=True)
class Ask:
    """A request; `of` is the thing whose id is in it."""

    method: str
    route: str
    path: str
    of: str
    sent: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.route} with a {self.of}"


def rows() -> dict[str, list[Any]]:
    """Every row of every table, but for logins."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(set(connection.introspection.table_names(cursor)) - {"django_session"}):
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608  names of our own tables
            found[table] = cursor.fetchall()
    return found


def elsewhere(value: Any) -> Any:
    """An id, or a symbol, of the same form that nothing has."""
    return uuid.UUID(int=1) if isinstance(value, uuid.UUID) else 987_654 if isinstance(value, int) else "NONE"


def by_address(hers: Browser, his: Browser, parts: Parts, own: Parts) -> Iterator[str]:
    """What is wrong with addresses of her things, and with those that mix hers with his."""
    in_order = sent.to_a_thing(parts)
    for route, pattern in routes(get_resolver()):
        names = pattern.pattern.converters
        ids = [name for name in names if name not in WORDS]
        if not ids:
            continue
        if ROUTES[route] is not OWN:
            yield f"{route} has an id, and is not said to be its owner's"
        kwargs = {name: parts[name] for name in names}
        mixed = [kwargs | {name: own[name]} for name in ids if len(ids) > 1]
        for method in METHODS:
            body = in_order.get((method, route))
            told = hers.ask(method, reverse(route, kwargs=kwargs), body)
            if told.status_code == 405:
                continue
            if told.status_code == 404 or told.status_code >= 500 or (body and told.status_code == 400):
                yield f"{method} {route}: its owner is told {told.status_code}"
            for path in (reverse(route, kwargs=each) for each in [kwargs, *mixed]):
                for htmx in (False, True):
                    told = his.ask(method, path, body, keep=True, htmx=htmx)
                    if told.status_code != 404:
                        yield f"{method} {path} ({route}): another is told {told.status_code}"


def in_bodies(of: Parts, at: Parts) -> Iterator[Ask]:
    """Requests to the API with an id of `of` in every field and every query that takes one, at addresses of `at`."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    shapes = document["components"]["schemas"]
    for address, operations in document["paths"].items():
        path = re.sub(r"{(\w+)}", lambda found: str(at[found[1]]), address)
        route = resolve(path).view_name
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query" and (thing := thing_of(parameter["name"])):
                    query = {parameter["name"]: of[thing], **sent.BESIDE_AN_ID.get(route, {})}
                    yield Ask(method.upper(), route, path, thing, query)
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for place in fields(content.get("schema", {}), shapes):
                if thing := thing_of(place[-1]):
                    body = with_id(sent.WITH_AN_ID[method.upper(), route], place, of[thing])
                    yield Ask(method.upper(), route, path, thing, body)


def on_pages(of: Parts, at: Parts) -> Iterator[Ask]:
    """Requests to pages with an id of `of` in their query or form."""
    for method, route, thing, name, how, also in sent.ON_PAGES:
        names = next(entry for found, entry in routes(get_resolver()) if found == route).pattern.converters
        path = reverse(route, kwargs={each: at[each] for each in names})
        yield Ask(method, route, path, thing, {**also, name: how.format(of[thing])})


def by_symbol(of: Parts, at: Parts) -> Iterator[Ask]:
    """Requests for the prices of `of`; at: not looked at, a symbol is the same from everywhere."""
    symbol = of["own_symbol"]
    for method, route, name, also in sent.BY_SYMBOL:
        path = reverse(route, kwargs={} if name else {"symbol": symbol})
        is_list = route.startswith("backtests-api:")
        yield Ask(method, route, path, "symbol", {**also, **({name: [symbol] if is_list else symbol} if name else {})})


def topics(alice: User, bob: User, parts: Parts) -> Iterator[str]:
    """What is wrong with topics of websockets."""
    for prefix in realtime._allowed:
        topic = f"{prefix}.{parts[sent.TOPICS[prefix]]}"
        if not realtime.may_listen(alice, topic) or realtime.may_listen(bob, topic):
            yield f"{topic} is not her own alone"


def thing_of(name: str) -> str | None:
    if name in NO_THINGS or not (name in THINGS or name.endswith(("_id", "_ids"))):
        return None
    return THINGS[name]


def fields(schema: Mapping[str, Any], shapes: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, ...]]:
    """The places of every property of a body, "[]" for the items of a list."""
    if depth > 8:
        return
    if "$ref" in schema:
        schema = shapes[schema["$ref"].rpartition("/")[2]]
    for also in ("allOf", "oneOf", "anyOf"):
        for one in schema.get(also, ()):
            yield from fields(one, shapes, depth + 1)
    for name, inner in schema.get("properties", {}).items():
        yield (name,)
        yield from ((name, *place) for place in fields(inner, shapes, depth + 1))
    if "items" in schema:
        yield from (("[]", *place) for place in fields(schema["items"], shapes, depth + 1))


def with_id(body: Mapping[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The body with this id at its place; a strategy's id takes the place of the strategy."""
    made = copy.deepcopy(dict(body))
    inner: Any = made
    for name in place[:-1]:
        inner = inner[0] if name == "[]" else inner[name]
    if THINGS[place[-1]] in ("strategy_id", "custom_id"):
        inner.pop("strategy", None)
    if place[-1] == "broker_account_id":
        inner["mode"] = "LIVE"
    inner[place[-1]] = value
    return made


def same(response: HttpResponse, ids: re.Pattern[str]) -> str:
    """Status, place and words of an answer, without ids and what differs between any two answers."""
    text = response.told.decode(errors="replace")
    return ids.sub("…", DRAWN.sub("…", f"{response.status_code} {response.get('Location', '')} {response.said} {text}"))


def by_id(hers: Browser, his: Browser, asks: Any, parts: Parts, own: Parts) -> Iterator[str]:
    """What is wrong with requests of his that name a thing of hers: the answer must be that to an id of nothing. To her
    it must not, else the id was not looked at."""
    nothing = {name: elsewhere(value) for name, value in parts.items()}
    known = {str(value) for each in (parts, nothing) for name, value in each.items() if name not in WORDS}
    ids = re.compile(rf"\b(?:{'|'.join(map(re.escape, known))})\b")
    for real, none in zip(asks(parts, own), asks(nothing, own), strict=True):
        if said := apart(his, real, none, ids, keep=True):
            yield f"{real}: another is told {said}"
    for real, none in zip(asks(parts, parts), asks(nothing, parts), strict=True):
        is_read = not sent.SAID_BEFORE & {(real.route, name) for name in real.sent}
        if is_read and not apart(hers, real, none, ids):
            yield f"{real}: its owner is told as of none"


def apart(browser: Browser, real: Ask, none: Ask, ids: re.Pattern[str], *, keep: bool = False) -> str:
    """What the answers to two requests say, where they differ; a page may have a clock, so they are asked again."""
    told = as_none = ""
    for _ in range(3):
        told = same(browser.ask(real.method, real.path, real.sent, keep=keep), ids)
        as_none = same(browser.ask(none.method, none.path, none.sent), ids)
        if told == as_none and not told.startswith("5"):
            return ""
    return f"{told[:300]}, and of none {as_none[:300]}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.one_database
@pytest.mark.row("A5", "A6")
def test_nobody_reaches_what_is_anothers(sample_prices, alice: User, bob: User, practice_venue):
    Tier.objects.update(**dict.fromkeys(quotas.LABELS), allows_custom_strategies=True)
    parts = world.build(alice).url_parts() | {"own_symbol": "MINE"}
    fill_session(make_session(alice), bars=20)  # so that lists of one session are not those of all
    own = parts | world.begin(bob)
    hers, his = Browser(alice), Browser(bob)
    before = rows()
    wrong = [*by_address(hers, his, parts, own), *by_id(hers, his, in_bodies, parts, own)]
    wrong += by_id(hers, his, on_pages, parts, own)
    wrong += by_id(hers, his, by_symbol, parts, own)
    wrong += topics(alice, bob, parts)
    after = rows()
    wrong += [f"{table} has changed" for table in before if before[table] != after[table]]
    assert not wrong, "\n".join(wrong)
