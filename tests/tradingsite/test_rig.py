"""The rig itself: if these fail, no other result can be believed."""

import os
import urllib.request

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from accounts.models import Tier


def test_cache_speaks_to_a_real_server():
    cache.set("rig", "alive", 5)
    assert cache.get("rig") == "alive"


@pytest.mark.django_db(transaction=True)
def test_a_worker_process_sees_the_test_database_and_queue(backtest_worker):
    from tradingsite.celery import app

    answers = app.control.inspect(timeout=2).active_queues()
    # Only backtests: a worker on "trading" would host the sessions that tests mean to move themselves.
    assert {queue["name"] for queues in answers.values() for queue in queues} == {"backtests"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", ["first", "second"])
def test_rows_of_migrations_survive_a_test_that_empties_the_tables(turn):
    assert set(Tier.objects.values_list("code", flat=True)) == {"FREE", "BASIC", "PREMIUM", "ENTERPRISE"}
    Tier.objects.all().delete()


def test_the_site_answers_on_a_real_port(live_site):
    with urllib.request.urlopen(f"{live_site.url}/api/schema/", timeout=10) as answer:
        assert answer.status == 200
        assert b"openapi" in answer.read(200)


@pytest.mark.django_db(transaction=True)
def test_sqlite_runs_as_in_production():
    if connection.vendor != "sqlite":
        pytest.skip("this run is on PostgreSQL")
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.django_db(transaction=True)
def test_clearing_the_cache_leaves_the_queues_alone(backtest_worker):
    from tradingsite.celery import app

    cache.clear()
    assert app.control.ping(timeout=2)


def test_this_process_and_the_programs_it_starts_share_one_home():
    """Also under xdist, whose processes inherit the environment of the first one."""
    assert str(settings.VAR_DIR) == os.environ["VAR_DIR"]
    assert os.environ["REDIS_URL"] == settings.REDIS_URL
