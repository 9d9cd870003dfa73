"""What a portfolio study is asked: the body of POST /api/portfolios, and the runs that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from backtests.runner import RunConfig
from engine.errors import Fault, InputError
from strategies import readers as fields
from strategies import session_settings
from strategies.catalogue.allocation import Allocation

STRATEGY: Final = Allocation.slug
# Fields that go to the run as they are.
RUN_FIELDS: Final = (
    "name", "symbols", "timeframe", "start_date", "end_date", "initial_capital", "source", "adjustment",
)  # fmt: skip
FIELDS: Final = (*RUN_FIELDS, "parameters", "rebalance", "settings", "account_limits")
# rebalance → (label, weights are computed, the setting, whether weights are said only when they are new)
REBALANCE: Final = {
    "never": ("Never", "once", "never", True),
    "daily": ("Every day", "daily", "daily", False),
    "weekly": ("Every week", "weekly", "weekly", False),
    "monthly": ("Every month", "monthly", "monthly", False),
    "on_signal": ("When weights are new", "monthly", "on_signal", True),
    "drift": ("When they have drifted", "drift", "on_signal", True),
}
DEFAULT_REBALANCE: Final = "monthly"
_PATHS: Final = (("strategy_parameters.", "parameters."), ("settings.rebalance_frequency", "rebalance"))


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """A cleaned request. `as_dict()` sent through `clean` again gives an equal config.

    run: the backtest of these weights, which is what sessions do with them. rebalance: one of `REBALANCE`.
    account_limits: whether the limits of the account bound the weights (`backtests.portfolios.caps`).
    """

    run: RunConfig
    rebalance: str
    account_limits: bool

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter of the strategy, JSON-ready."""
        return self.run.strategy_parameters

    @property
    def method(self) -> str:
        return str(self.parameters["method"])

    @property
    def strategy(self) -> Allocation:
        return Allocation(**self.parameters)

    def as_dict(self) -> dict[str, Any]:
        """The config as JSON-ready values."""
        run = self.run.as_dict()
        return {
            **{name: run[name] for name in RUN_FIELDS},
            "parameters": {name: value for name, value in run["strategy_parameters"].items() if name != "only_new"},
            "rebalance": self.rebalance,
            "settings": {name: value for name, value in run["settings"].items() if name != "rebalance_frequency"},
            "account_limits": self.account_limits,
        }


def clean(raw: object, check: Callable[[dict[str, Any]], RunConfig]) -> StudyConfig:
    """Check a request and fill in its defaults.

    check: reads the body of a backtest and raises InputError as `backtests.services.check` does.
    Raises InputError with every fault found; paths are those of the body: ``parameters.groups[0].max_pct``.
    """
    if not isinstance(raw, Mapping):
        hint = 'Write {"symbols": [...], "parameters": {…}}'
        raise InputError(Fault("", "wrong_type", "The request is not an object", hint))
    reader = fields.Reader(raw)
    reader.refuse_unknown(FIELDS)
    rebalance = reader.read("rebalance", DEFAULT_REBALANCE, fields.choice, choices=list(REBALANCE))
    limits = reader.read("account_limits", True, fields.boolean)
    parameters = _parameters(reader, rebalance)
    settings = _settings(reader, rebalance, parameters)
    body = {name: raw[name] for name in RUN_FIELDS if raw.get(name) is not None}
    body |= {"strategy": STRATEGY, "strategy_parameters": parameters, "settings": settings}
    run = reader.attempt(None, _checked, body, check=check)
    reader.finish()
    return StudyConfig(run, rebalance, limits)


def with_parameters(config: StudyConfig, changes: Mapping[str, Any]) -> StudyConfig:
    """The same study with some parameters changed. Raises InputError where they cannot be (``parameters.…``)."""
    try:
        parameters = fields.parameters(STRATEGY, {**config.parameters, **changes})
        if faults := list(Allocation.refusals(parameters, config.run.symbols)):
            raise InputError(faults).under("strategy_parameters")
    except InputError as error:
        raise InputError(_renamed(fault) for fault in error.faults) from None
    return replace(config, run=replace(config.run, strategy_parameters=parameters))


def equal_weight(config: StudyConfig) -> RunConfig:
    """The run to compare with: equal weights without limits, from the same bar on, kept up at the same times."""
    free = {name: param.json(param.default) for name, param in Allocation.params.items()}
    kept = ("lookback", "covariance", "compute", "drift_pct", "only_new", "risk_free_pct")
    parameters = free | {name: config.parameters[name] for name in kept}
    parameters |= {"method": "equal_weight", "max_weight_pct": 100.0, "covariance": "ledoit_wolf"}
    settings = {**config.run.settings, "max_position_size_pct": 100.0}
    return replace(config.run, strategy_parameters=parameters, settings=settings, name="Equal weights")


def _parameters(reader: fields.Reader, rebalance: str) -> dict[str, Any]:
    """What was sent, with what the rebalancing says of when weights are computed and said."""
    sent = reader.read("parameters", {}, fields.mapping)
    _, compute, _, only_new = REBALANCE[rebalance]
    fixed = {"only_new": only_new} | ({"compute": compute} if rebalance in ("never", "drift") else {})
    for name, value in fixed.items():
        if sent.get(name) is not None and sent[name] != value:
            message = f"With rebalance {rebalance} it is {fields.shown(value)}"
            reader.fault(f"parameters.{name}", "conflict", message, "Leave it out, or choose another rebalance")
    if rebalance not in ("never", "drift") and sent.get("compute") == "drift":
        hint = "Set rebalance to drift"
        reader.fault("parameters.compute", "conflict", "Weights that follow a drift are rebalanced on it", hint)
    known = {name: value for name, value in sent.items() if value is not None}
    return {"compute": compute, **known, **fixed}


def _settings(reader: fields.Reader, rebalance: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, with the rebalancing, and room for the weights where no largest position was named."""
    sent = reader.read("settings", {}, fields.mapping)
    setting = REBALANCE[rebalance][2]
    if sent.get("rebalance_frequency") not in (None, setting):
        hint = f"Leave it out: rebalance {rebalance} says {setting}"
        reader.fault("settings.rebalance_frequency", "conflict", "When holdings follow is said by rebalance", hint)
    settings = {**sent, "rebalance_frequency": setting}
    if sent.get("max_position_size_pct") is None:
        try:
            most = Allocation.most_weight_pct(Allocation.clean(dict(parameters)))
        except InputError:
            return settings  # the run's own check says what is wrong with them
        # A point more, or a weight at its most would be cut by the last digit of its own limit.
        room = min(most + 1.0, 100.0)
        settings["max_position_size_pct"] = max(room, session_settings.preset()["max_position_size_pct"])
    return settings


def _checked(body: dict[str, Any], *, check: Callable[[dict[str, Any]], RunConfig]) -> RunConfig:
    try:
        return check(body)
    except InputError as error:
        raise InputError(_renamed(fault) for fault in error.faults) from None


def _renamed(fault: Fault) -> Fault:
    for theirs, ours in _PATHS:
        if fault.path.startswith(theirs):
            return replace(fault, path=ours + fault.path.removeprefix(theirs))
    return fault
