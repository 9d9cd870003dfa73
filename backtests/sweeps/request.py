"""What a sweep is asked to do: the body of POST /api/sweeps and of ``manage.py sweep``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from backtests.runner import RunConfig
from backtests.sweeps.space import Space, read_axes
from engine.errors import Fault, InputError
from strategies import catalogue, reading, timeframes
from strategies import readers as fields

FIELDS: Final = ("name", "backtest", "axes", "method", "trials", "objective", "better", "constraints", "seed")
METHODS: Final = ("grid", "random", "bayesian")
BETTER: Final = ("higher", "lower")
MOST_TRIALS = 100_000  # whoever has a chunk of a random sweep draws all of it, to find its own
MOST_BAYESIAN = 2_000  # a model of what was tried is made anew for every few cells, and grows with them
# What is kept of every cell, beside the objective and what is constrained.
KEPT: Final = (
    "total_return_pct", "cagr_pct", "sharpe", "sortino", "calmar", "max_drawdown_pct", "volatility_pct", "trade_count",
    "win_rate_pct", "profit_factor", "exposure_pct", "final_equity",
)  # fmt: skip
_NOT_NUMBERS = ("max_drawdown_start", "max_drawdown_low", "max_drawdown_end")


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """A cleaned request. `as_dict()` sent through `clean` again gives an equal config.

    backtest: the run that every cell is a variant of. method: ``grid`` (all combinations), ``random`` (`trials` of
    them, without repetition), ``bayesian`` (`trials`, each few chosen by what the earlier ones gave).
    objective: the metric to be as high or as low as possible (`better`). A cell with fewer round trips than
    `min_trades`, or a deeper drawdown than `max_drawdown_pct`, is not feasible: it is kept, and never the best.
    """

    backtest: RunConfig
    space: Space
    method: str
    trials: int | None
    objective: str
    better: str
    min_trades: int | None
    max_drawdown_pct: float | None
    seed: int
    name: str

    @property
    def cells(self) -> int:
        """How many combinations will be run."""
        return len(self.space) if self.trials is None else min(self.trials, len(self.space))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that are kept of each cell, the objective first."""
        return tuple(dict.fromkeys((self.objective, *KEPT)))

    def as_dict(self) -> dict[str, Any]:
        """The config as JSON-ready values."""
        return {
            "name": self.name,
            "backtest": self.backtest.as_dict(),
            "axes": [axis.as_dict() for axis in self.space.axes],
            "method": self.method,
            "trials": self.trials,
            "objective": self.objective,
            "better": self.better,
            "constraints": {"min_trades": self.min_trades, "max_drawdown_pct": self.max_drawdown_pct},
            "seed": self.seed,
        }


def clean(raw: object, check: Callable[[Any], RunConfig]) -> SweepConfig:
    """Check a request and fill in its defaults.

    check: cleans the field ``backtest`` and raises InputError as `backtests.services.check` does.
    Raises InputError with every fault found; paths are those of the body: ``axes[1].step``, ``backtest.symbols[0]``.
    """
    if not isinstance(raw, Mapping):
        hint = 'Write {"backtest": {…}, "axes": […]}'
        raise InputError(Fault("", "wrong_type", "The request is not an object", hint))
    reader = fields.Reader(raw)
    reader.refuse_unknown(FIELDS)
    if raw.get("backtest") is None:
        reader.fault("backtest", "required", "Say which run is to be varied", "As for POST /api/backtest/run")
    backtest = reader.read("backtest", None, _backtest, check=check)
    space = Space(())
    if raw.get("axes") is None:
        reader.fault("axes", "required", "Say what is to be varied", '[{"name": …, "from": …, "to": …, "step": …}]')
    elif backtest is not None:
        space = Space(reader.attempt((), read_axes, backtest.strategy, raw["axes"]))
    method = reader.read("method", "grid", fields.choice, choices=METHODS)
    trials = None
    if method != "grid":
        most = MOST_BAYESIAN if method == "bayesian" else MOST_TRIALS
        trials = reader.read("trials", None, fields.integer, low=1, high=most)
        if raw.get("trials") is None:
            reader.fault("trials", "required", f"Say how many combinations to try ({method})", f"From 1 to {most}")
    elif raw.get("trials") is not None:
        reader.fault("trials", "conflict", "A grid runs every combination", "Leave trials out, or draw at random")
    objective = reader.read("objective", "sharpe", _objective)
    limits = reader.read("constraints", {}, fields.mapping)
    min_trades, max_drawdown = _constraints(reader, limits)
    config = SweepConfig(
        backtest=backtest,
        space=space,
        method=method,
        trials=trials,
        objective=objective,
        better=reader.read("better", _better(objective), fields.choice, choices=BETTER),
        min_trades=min_trades,
        max_drawdown_pct=max_drawdown,
        seed=reader.read("seed", 0, fields.integer, low=0, high=2**31 - 1),
        name=reader.read("name", "", fields.text, max_length=120),
    )
    reader.finish()
    _refuse_alone(config)
    return config


def refused(config: SweepConfig, cell: int) -> list[Fault]:
    """Why the strategy or the settings do not take this combination; none where they do."""
    parameters, settings = config.space.values(cell)
    try:
        run_of(config, parameters, settings)
    except InputError as error:
        return list(error.faults)
    return []


def run_of(config: SweepConfig, parameters: Mapping[str, Any], settings: Mapping[str, Any]) -> RunConfig:
    """The run with these parameters and settings in the place of its own.

    Raises InputError where `backtests.runner.clean` would refuse them.
    """
    base, strategy = config.backtest, catalogue.get(config.backtest.strategy)
    chosen, rules = base.strategy_parameters, base.settings
    if parameters:
        chosen = fields.parameters(base.strategy, {**chosen, **parameters})
        timeframes.refuse(strategy, chosen, base.timeframe)
    if settings:
        rules = fields.settings(base.preset, {**rules, **settings})
    reading.refuse_settings(strategy, chosen, rules)
    return replace(base, strategy_parameters=chosen, settings=rules)


def _backtest(path: str, value: object, *, check: Callable[[Any], RunConfig]) -> RunConfig:
    try:
        return check(fields.mapping(path, value))
    except InputError as error:
        raise error.under(path) from None


def _objective(path: str, value: object) -> str:
    from engine import metrics

    known = [entry["name"] for entry in metrics.describe()]
    return fields.choice(path, value, [name for name in known if name not in _NOT_NUMBERS])


def _better(objective: str) -> str:
    from engine import metrics

    declared = {entry["name"]: entry["better"] for entry in metrics.describe()}[objective]
    return declared if declared in BETTER else "higher"


def _constraints(reader: fields.Reader, limits: dict[str, Any]) -> tuple[int | None, float | None]:
    inner = fields.Reader(limits)
    inner.refuse_unknown(("min_trades", "max_drawdown_pct"))
    trades = inner.read("min_trades", None, fields.integer, low=0, high=1_000_000)
    drawdown = inner.read("max_drawdown_pct", None, _pct)
    reader.faults += [Fault(f"constraints.{f.path}", f.code, f.message, f.hint) for f in inner.faults]
    return trades, drawdown


def _pct(path: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise fields.Refused(path, "out_of_range", f"{fields.shown(value)} is no percentage", "From 0 to 100")
    return float(value)


def _refuse_alone(config: SweepConfig) -> None:
    if config.backtest.symbols_alone:
        message = "A sweep runs its symbols from one cash account"
        raise InputError(Fault("backtest.symbols_alone", "conflict", message, "Leave it off, or sweep each symbol"))
