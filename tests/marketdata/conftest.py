"""What the tests of market data share: a store of the test's own, people, the exchange calendar as rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from marketdata.columns import DAY, BarColumns
from marketdata.models import Instrument
from tests.accounts.cast import _fresh_rates, alice, api, bob, carol  # noqa: F401
from tests.marketdata.vendor_rig import alpha_vantage, vendor, vendors_venue, yahoo  # noqa: F401


@pytest.fixture(autouse=True)
def store_root(settings, tmp_path: Path) -> Path:
    """Bars and uploads of this test alone."""
    settings.BARS_DIR = str(tmp_path / "bars")
    settings.UPLOADS_DIR = str(tmp_path / "uploads")
    return tmp_path / "bars"


@pytest.fixture
def xnys(exchange_sessions: None) -> None:
    """The sessions of the New York exchange, 2000 to 2030, as rows."""


@pytest.fixture
def instrument(db: None) -> Instrument:
    """An imported instrument that everybody sees, round the clock."""
    return Instrument.objects.create(source="file", symbol="TEST", calendar="24/7")


def ns(text: str) -> int:
    """``2024-03-01T14:30`` (UTC) as int64 ns."""
    return int(np.datetime64(text, "ns").astype(np.int64))


def made_bars(count: int = 5, *, start: str = "2024-01-01", step_ns: int = DAY, seed: int = 1) -> BarColumns:
    """A random walk of valid bars at equal distances."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0, 0.002, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    return BarColumns(
        ns(start) + np.arange(count) * step_ns,
        open_,
        np.maximum(open_, close) * 1.001,
        np.minimum(open_, close) * 0.999,
        close,
        np.round(random.uniform(100, 1000, count)),
    )
