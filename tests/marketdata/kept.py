"""Exchange sessions and sample prices, which take seconds to make: made once for a test process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core.management import call_command
from django.test import override_settings

from marketdata.services import calendars
from tests import databases


@pytest.fixture(scope="session")
def kept_sessions(django_db_setup: None, django_db_blocker: Any) -> str:
    """The name under which the sessions of the New York exchange are kept."""
    with django_db_blocker.unblock():
        calendars.load("XNYS")
        databases.keep("sessions")
    return "sessions"


@pytest.fixture(scope="session")
def kept_sample(
    kept_sessions: str, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """The name under which the rows of `load_sample_data` are kept, and the folder with its bars."""
    folder = tmp_path_factory.mktemp("sample") / "bars"
    with django_db_blocker.unblock(), override_settings(BARS_DIR=str(folder)):
        databases.put_back(kept_sessions)
        call_command("load_sample_data", verbosity=0)
        databases.keep("sample")
    return "sample", folder


@pytest.fixture
def exchange_sessions(kept_sessions: str, db: None) -> None:
    """The sessions of the New York exchange, 2000 to 2030, as rows."""
    databases.put_back(kept_sessions)


@pytest.fixture
def sample_prices(kept_sample: tuple[str, Path], db: None) -> None:
    """What `load_sample_data` gives, in the database and in the store of this test."""
    name, folder = kept_sample
    shutil.copytree(folder, site_settings.BARS_DIR, dirs_exist_ok=True)
    databases.put_back(name)
