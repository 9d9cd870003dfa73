"""Tiers, their limits, and that parallel requests cannot get around them."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from accounts import quotas
from accounts.models import ApiLogin, Tier, User
from tests.accounts.factories import UserFactory
from tradingsite.lib.errors import NotAllowed, QuotaExceeded, TooLarge

THREADS = 50


@pytest.mark.row("A2")
def test_the_four_tiers_and_their_sessions(alice, api):
    tiers = api(alice).get("/api/auth/tiers").json()
    assert [(tier["code"], tier["max_active_sessions"]) for tier in tiers] == [
        ("FREE", 1),
        ("BASIC", 5),
        ("PREMIUM", 10),
        ("ENTERPRISE", 10),
    ]
    assert [tier["allows_custom_strategies"] for tier in tiers] == [False, False, True, True]


@pytest.mark.row("A2")
def test_an_operator_changes_a_limit_without_code(carol, alice, client, api):
    client.force_login(carol)
    page = client.get("/operators/accounts/tier/FREE/change/")
    form = {name: "" if value is None else value for name, value in page.context["adminform"].form.initial.items()}
    form |= {"max_backtests_per_day": 7, "allows_custom_strategies": ""}
    assert client.post("/operators/accounts/tier/FREE/change/", form).status_code == 302
    usage = {line["name"]: line["maximum"] for line in api(alice).get("/api/auth/me").json()["usage"]}
    assert usage["max_backtests_per_day"] == 7


@pytest.mark.django_db
def test_a_refusal_names_limit_usage_and_tier():
    user = UserFactory()
    with pytest.raises(QuotaExceeded) as caught:
        quotas.check_backtest(user, active=2, today=2)
    assert caught.value.extra == {"limit": "max_concurrent_backtests", "current": 2, "maximum": 2, "tier": "FREE"}
    assert caught.value.status == 403
    assert "2 backtests at once" in caught.value.message


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("check", "limit"),
    [
        (lambda user: quotas.check_backtest(user, active=0, today=50), "max_backtests_per_day"),
        (lambda user: quotas.check_backtest(user, active=0, today=0, bars=2_500_001), "max_backtest_bars"),
        (lambda user: quotas.check_saved_strategies(user, 20), "max_saved_strategies"),
    ],
)
def test_each_limit_holds_and_null_means_none(check, limit):
    with pytest.raises(QuotaExceeded) as caught:
        check(UserFactory())
    assert caught.value.extra["limit"] == limit
    Tier.objects.filter(pk=Tier.FREE).update(**{limit: None})
    check(UserFactory())


@pytest.mark.django_db
def test_a_file_above_the_tiers_size_is_too_large():
    with pytest.raises(TooLarge) as caught:
        quotas.check_upload(UserFactory(), 25_000_001)
    assert caught.value.status == 413
    assert caught.value.extra == {"limit": "max_upload_mb", "current": 26, "maximum": 25, "tier": "FREE"}


@pytest.mark.django_db
def test_what_fits_exactly_is_allowed():
    user = UserFactory()
    quotas.check_backtest(user, active=1, today=49, bars=2_500_000)
    quotas.check_saved_strategies(user, 19)
    quotas.check_upload(user, 25_000_000)


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_a_mistake():
    with pytest.raises(TransactionManagementError):
        quotas.lock(UserFactory())


@pytest.mark.django_db(transaction=True)
def test_fifty_parallel_claims_cannot_pass_the_limit():
    """Each thread locks, counts, checks and writes, as every service does; its rows stand for saved strategies."""
    user = UserFactory()
    start = threading.Barrier(THREADS)

    def claim(_: int) -> bool:
        start.wait()
        try:
            with transaction.atomic():
                locked = quotas.lock(user)
                quotas.check_saved_strategies(locked, ApiLogin.objects.filter(user=locked).count())
                ApiLogin.objects.create(
                    user=locked, refresh_jti=uuid.uuid4().hex, expires_at=timezone.now() + timedelta(days=1)
                )
            return True
        except QuotaExceeded:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        won = sum(pool.map(claim, range(THREADS)))
    assert won == ApiLogin.objects.filter(user=user).count() == 20


@pytest.mark.django_db(transaction=True)
def test_one_users_lock_does_not_hold_up_another(alice, bob):
    """On PostgreSQL rows are locked one by one. SQLite has one lock for all, held for milliseconds."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite locks the whole database")
    with transaction.atomic():
        quotas.lock(alice)

        def lock_bob() -> str:
            try:
                with transaction.atomic():
                    return quotas.lock(bob).username
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lock_bob).result(5) == "bob"


@pytest.mark.django_db
def test_an_unknown_limit_cannot_be_shown():
    with pytest.raises(ValueError, match="no limit of Tier"):
        quotas.show_usage("max_dreams", lambda user: 0)


@pytest.mark.django_db
def test_every_limit_of_a_tier_is_shown_to_its_users():
    shown = {line.name for line in quotas.usage(UserFactory())}
    limits = {f.name for f in Tier._meta.get_fields() if f.name.startswith("max_") or f.name.endswith("_per_minute")}
    assert shown == limits


@pytest.mark.row("A7")
def test_the_api_rate_is_the_tiers(alice, bob, api):
    Tier.objects.filter(pk=Tier.FREE).update(api_requests_per_minute=4)
    User.objects.filter(pk=bob.pk).update(tier=Tier.PREMIUM)
    client, premium = api(alice), api(bob)
    answers = [client.get("/api/auth/tiers") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    assert [premium.get("/api/auth/tiers").status_code for _ in range(5)] == [200] * 5


@pytest.mark.row("A7")
def test_before_login_the_api_rate_counts_by_address(settings, client, db):
    settings.API_ANON_REQUESTS_PER_MINUTE = 3
    sent = {"username": "nobody", "password": "x"}
    answers = [client.post("/api/auth/token", sent, content_type="application/json") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429]
    assert answers[-1].json()["message"].startswith("Too many requests")


def test_the_window_slides():
    """Sixty seconds after a burst the limit is whole again, and it does not double at the minute's turn."""
    from tradingsite.lib.throttles import seconds_over

    key = f"rate:test:{uuid.uuid4().hex}"
    turn = 1_700_000_040.0  # a full minute
    assert turn % 60 == 0
    assert [seconds_over(key, 10, turn + 59) for _ in range(10)] == [None] * 10
    assert seconds_over(key, 10, turn + 59) is not None
    assert seconds_over(key, 10, turn + 61) is not None
    assert seconds_over(key, 10, turn + 121) is None


@pytest.mark.django_db
@pytest.mark.row("A3")
@pytest.mark.parametrize(("tier", "maximum"), [("FREE", 1), ("BASIC", 5), ("PREMIUM", 10), ("ENTERPRISE", 10)])
def test_a_refused_session_names_the_active_ones(tier, maximum):
    user = UserFactory(tier_id=tier)
    active = [uuid.uuid4() for _ in range(maximum)]
    quotas.check_session(user, active[1:])
    with pytest.raises(QuotaExceeded) as caught:
        quotas.check_session(user, active)
    assert caught.value.extra == {
        "limit": "max_active_sessions",
        "current": maximum,
        "maximum": maximum,
        "tier": tier,
        "active_session_ids": [str(session_id) for session_id in active],
    }


@pytest.mark.django_db
@pytest.mark.row("A4")
def test_custom_strategies_need_a_tier_that_has_them():
    for tier in ("FREE", "BASIC"):
        with pytest.raises(NotAllowed, match="they need Premium or Enterprise") as caught:
            quotas.check_custom_strategy(UserFactory(tier_id=tier))
        assert (caught.value.code, caught.value.extra) == ("tier_too_low", {"tier": tier})
    for tier in ("PREMIUM", "ENTERPRISE"):
        quotas.check_custom_strategy(UserFactory(tier_id=tier))
