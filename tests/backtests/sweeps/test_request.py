"""What a sweep is asked to do, and every fault at its place."""

from __future__ import annotations

import pytest

from backtests.runner import clean as clean_run
from backtests.sweeps.request import clean
from tests.backtests.conftest import AAPL
from tests.backtests.sweeps.rig import faults, read

pytestmark = pytest.mark.row("H16")


def test_a_request_is_read_and_reads_itself_again() -> None:
    config = read()
    assert [axis.name for axis in config.space.axes] == ["fast_window", "slow_window", "stop_loss_pct"]
    assert config.cells == 4 * 3 * 3
    assert config.space.settings_only == 3
    assert clean(config.as_dict(), clean_run) == config
    assert len({config.space.number(config.space.places(cell)) for cell in range(36)}) == 36
    assert read(axes=[{"name": "stop_loss_pct", "of": "setting", "from": 0.1, "to": 0.5, "step": 0.1}]).space.axes[
        0
    ].values == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_faults_name_their_place() -> None:
    assert faults(axes=[{"name": "nothing", "from": 1, "to": 2}]) == {"axes[0].name": "unknown_choice"}
    assert faults(axes=[{"name": "fast_window", "from": 9, "to": 2}]) == {"axes[0].to": "out_of_range"}
    assert faults(axes=[{"name": "fast_window", "from": 2, "to": 9, "step": 0}]) == {"axes[0].step": "out_of_range"}
    assert faults(axes=[{"name": "fast_window", "values": [5, 5]}]) == {"axes[0].values[1]": "conflict"}
    assert faults(axes=[{"name": "fast_window", "values": [5.5]}]) == {"axes[0].values[0]": "wrong_type"}
    assert faults(axes=[{"name": "fast_window", "from": True, "to": 9}]) == {"axes[0].from": "not_a_number"}
    assert faults(axes=[{"name": "fast_window", "from": float("nan"), "to": 9}]) == {"axes[0].from": "not_a_number"}
    assert faults(axes=[{"name": "fast_window", "values": [5]}] * 2) == {"axes[1].name": "conflict"}
    assert faults(axes=[{"name": "risk_free_rate_pct", "of": "setting", "values": [1]}]) == {
        "axes[0].name": "unknown_choice"
    }
    assert faults(backtest={**AAPL, "symbols": []}) == {"backtest.symbols": "required"}
    assert faults(backtest={**AAPL, "symbols": ["AAPL", "IBM"], "symbols_alone": True}) == {
        "backtest.symbols_alone": "conflict"
    }
    assert faults(method="random") == {"trials": "required"}
    assert faults(method="bayesian", trials=1e9) == {"trials": "out_of_range"}
    assert faults(objective="luck", constraints={"min_trades": -1, "x": 1}) == {
        "objective": "unknown_choice",
        "constraints.min_trades": "out_of_range",
        "constraints.x": "unknown_field",
    }
    assert faults(axes=None, wrong=1) == {"axes": "required", "wrong": "unknown_field"}
