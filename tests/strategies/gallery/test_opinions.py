"""Ratings, copies and reports: one each, never on one's own, and none is lost when two come at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from accounts.models import User
from engine.errors import InputError
from strategies import services
from strategies.gallery import copying, opinions, publishing, selectors
from strategies.gallery.models import Publication, Rating, Report
from strategies.models import UserStrategy
from tests.accounts.factories import UserFactory
from tests.strategies.gallery.conftest import WORDS, saved_of
from tradingsite.lib.errors import Conflict, NotFound

URL = "/api/strategies"


@pytest.mark.row("D21")
def test_a_rating_is_given_changed_and_taken_back(api, alice: User, bob: User, publish) -> None:
    row = publish(alice)
    address = f"{URL}/{row.strategy_id}"
    given = api(bob).post(f"{address}/rate", {"stars": 4, "comment": "Calm"}, format="json")
    assert given.status_code == 200, given.json()
    assert given.json()["stars"] == 4
    again = api(bob).post(f"{address}/rate", {"stars": 2}, format="json").json()
    assert (again["stars"], again["comment"]) == (2, "")
    api(UserFactory()).post(f"{address}/rate", {"stars": 5, "comment": "Fine"}, format="json")
    listed = api(alice).get(f"{address}/ratings").json()
    assert [(one["stars"], one["comment"]) for one in listed["results"]] == [(5, "Fine"), (2, "")]
    shown = api(bob).get(f"{URL}/public").json()["results"][0]["gallery"]
    assert (shown["average_stars"], shown["rating_count"]) == (3.5, 2)

    services.update(alice, row.strategy_id, {"parameters": {"fast_window": 3}})
    assert api(alice).get(f"{address}/ratings").json()["results"][0]["of_earlier_version"] is True
    assert api(bob).delete(f"{address}/rate").status_code == 204
    assert api(bob).delete(f"{address}/rate").status_code == 204
    assert api(bob).get(f"{URL}/gallery/{row.pk}").json()["rating_count"] == 1


@pytest.mark.row("D21", "A5")
def test_one_cannot_rate_or_report_ones_own_or_what_is_not_there(api, alice: User, bob: User, publish) -> None:
    row = publish(alice)
    address = f"{URL}/{row.strategy_id}"
    for route, body in (("rate", {"stars": 5}), ("report", {"reason": "Bad"})):
        own = api(alice).post(f"{address}/{route}", body, format="json")
        assert (own.status_code, own.json()["code"]) == (409, "own_strategy")
    publishing.withdraw(alice, saved_of(row))
    for route, body in (("rate", {"stars": 5}), ("report", {"reason": "Bad"})):
        assert api(bob).post(f"{address}/{route}", body, format="json").status_code == 404
    assert api(bob).get(f"{address}/ratings").status_code == 404
    private = services.create(alice, name="Private", strategy="momentum")
    assert api(bob).post(f"{URL}/{private.pk}/rate", {"stars": 5}, format="json").status_code == 404
    assert api(bob).post(f"{URL}/987654/rate", {"stars": 5}, format="json").status_code == 404
    assert not Rating.objects.exists()


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"stars": 0},
        {"stars": 6},
        {"stars": "5"},
        {"stars": True},
        {"stars": 4.5},
        {"stars": 5, "comment": "x" * 501},
        {"stars": 5, "comment": "a\u202eb"},
        {"stars": 5, "user": 1},
        [],
    ],
    ids=lambda body: str(body)[:40],
)
def test_what_is_no_rating_is_refused(api, alice: User, bob: User, publish, body: Any) -> None:
    row = publish(alice)
    answer = api(bob).post(f"{URL}/{row.strategy_id}/rate", body, format="json")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"]
    assert not Rating.objects.exists()


@pytest.mark.row("D21")
@pytest.mark.django_db(transaction=True)
def test_two_ratings_at_once_are_one(alice: User, bob: User, publish) -> None:
    row = publish(alice)
    begin, failed = threading.Barrier(6), []

    def rate(stars: int) -> None:
        begin.wait()
        try:
            opinions.rate(bob, row, {"stars": stars})
            opinions.report(bob, row, {"reason": f"Reason {stars}"})
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=rate, args=(1 + n % 5,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert Rating.objects.filter(publication=row, user=bob).count() == 1
    assert Report.objects.filter(publication=row, user=bob).count() == 1


@pytest.mark.row("D21")
def test_publishing_needs_a_name_and_a_description(api, alice: User) -> None:
    mine = services.create(alice, name="Mine", strategy="momentum")
    caller = api(alice)
    refused = caller.post(f"{URL}/{mine.pk}/publish", {}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "description")
    assert caller.patch(f"{URL}/{mine.pk}", {"is_public": True}, format="json").status_code == 400
    assert not Publication.objects.exists()
    done = caller.post(f"{URL}/{mine.pk}/publish", {"description": f"{WORDS}\nSecond line"}, format="json")
    assert done.status_code == 200, done.json()
    assert (done.json()["is_listed"], done.json()["figures"]["state"]) == (True, "QUEUED")
    assert done.json()["market"] == {
        "source": "sample", "symbols": ["AAPL", "IBM", "MSFT", "GOOG"], "timeframe": "1d", "own_data": False,
    }  # fmt: skip
    for body, path in (
        ({"description": "x\x0by"}, "description"),
        ({"description": "x" * 2_001}, "description"),
        ({"description": 5}, "description"),
        ({"source": "nowhere"}, "source"),
        ({"symbols": [f"S{n}" for n in range(11)]}, "symbols"),
        ({"timeframe": "2d"}, "timeframe"),
        ({"figures": {}}, "figures"),
    ):
        with pytest.raises(InputError) as found:
            publishing.publish(alice, mine, body)
        assert found.value.faults[0].path.startswith(path), body


@pytest.mark.row("D21", "B16")
def test_withdrawn_it_is_gone_and_comes_back_with_its_ratings(api, alice: User, bob: User, publish) -> None:
    row = publish(alice)
    opinions.rate(bob, row, {"stars": 5})
    since = row.choice_since
    assert api(alice).delete(f"{URL}/{row.strategy_id}/publish").status_code == 204
    assert api(bob).get(f"{URL}/gallery").json()["count"] == 0
    assert api(bob).get(f"{URL}/gallery/{row.pk}").status_code == 404
    assert api(alice).get(f"{URL}/gallery/{row.pk}").json()["is_listed"] is False
    assert api(bob).delete(f"{URL}/{row.strategy_id}/publish").status_code == 404
    back = api(alice).post(f"{URL}/{row.strategy_id}/publish", {}, format="json").json()
    assert (back["id"], back["rating_count"]) == (row.pk, 1)
    row.refresh_from_db()
    assert row.choice_since == since, "publishing again makes nothing out of sample"
    services.remove(alice, row.strategy_id)
    assert not Publication.objects.exists()


@pytest.mark.row("D21", "D19")
def test_a_copy_keeps_where_it_came_from_and_is_not_made_twice(alice: User, bob: User, publish) -> None:
    row = publish(alice, parameters={"fast_window": 8})
    first, new = copying.take(bob, row)
    assert new
    assert isinstance(first, UserStrategy)
    assert (first.copied_from_id, first.is_public, first.parameters["fast_window"]) == (row.strategy_id, False, 8)
    assert copying.take(bob, row) == (first, False)
    services.update(bob, first.pk, {"parameters": {"fast_window": 9}})
    second, new = copying.take(bob, row)
    assert new
    assert second.pk != first.pk
    assert copying.take(alice, row) == (row.strategy, False)
    services.copy(alice, row.strategy_id)
    row.refresh_from_db()
    assert row.copies == 2, "the owner's own copies are not counted"


@pytest.mark.row("D21")
def test_operators_take_out_what_was_reported(
    api, alice: User, bob: User, carol: User, publish, client: Client
) -> None:
    row = publish(alice)
    assert api(bob).post(f"{URL}/{row.strategy_id}/report", {"reason": ""}, format="json").status_code == 400
    assert (
        api(bob).post(f"{URL}/{row.strategy_id}/report", {"reason": "Names a person"}, format="json").status_code == 204
    )
    client.force_login(carol)
    desk = client.get("/operators/strategies/report/?q=person")
    assert "Names a person" in desk.content.decode()
    listed = client.get("/operators/strategies/publication/?q=Crossing").content.decode()
    assert 'class="field-open_reports">1<' in listed
    base = "/operators/strategies/publication/"
    client.post(base, {"action": "hide", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.hidden
    assert Report.objects.get().resolved_at is not None
    client.post(f"{base}{row.pk}/change/", {"hidden_reason": "It names a person."})

    assert api(bob).get(f"{URL}/gallery").json()["count"] == 0
    assert api(bob).get(f"{URL}/public").json()["count"] == 0
    assert api(bob).get(f"{URL}/{row.strategy_id}").status_code == 404
    with pytest.raises(NotFound):
        services.copy(bob, row.strategy_id)
    client.force_login(alice)
    hers = client.get(reverse("strategies:gallery-entry", args=[row.pk])).content.decode()
    assert "It names a person." in hers
    services.update(alice, row.strategy_id, {"is_public": True})
    assert api(bob).get(f"{URL}/gallery").json()["count"] == 0, "publishing again does not undo it"
    client.force_login(carol)
    client.post(base, {"action": "show_again", "_selected_action": [row.pk]})
    assert api(bob).get(f"{URL}/gallery").json()["count"] == 1

    row.refresh_from_db()
    opinions.rate(bob, row, {"stars": 1, "comment": "Rude words"})
    rating = Rating.objects.get()
    client.post(f"/operators/strategies/rating/{rating.pk}/change/", {"hidden": "on"})
    shown = api(alice).get(f"{URL}/gallery/{row.pk}").json()
    assert (shown["rating_count"], shown["average_stars"]) == (0, None)
    assert api(alice).get(f"{URL}/{row.strategy_id}/ratings").json()["count"] == 0


@pytest.mark.row("D21")
def test_one_enthusiast_leads_no_list(alice: User, bob: User, publish) -> None:
    loved, solid, plain = publish(alice, "Loved by one"), publish(alice, "Solid"), publish(alice, "Not rated")
    opinions.rate(bob, loved, {"stars": 5})
    for _ in range(8):
        opinions.rate(UserFactory(), solid, {"stars": 4})
    assert [row.name for row in selectors.listed(sort="rating")] == ["Solid", "Loved by one", "Not rated"]
    assert [row.name for row in selectors.listed(stars=4)] == ["Solid", "Loved by one"]
    assert selectors.one(bob, plain.pk).average_stars is None
    with pytest.raises(Conflict):
        opinions.rate(alice, plain, {"stars": 5})
