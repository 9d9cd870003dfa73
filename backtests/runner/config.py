"""What a backtest is asked to do: the body of POST /api/backtest/run, the CLI's options and the benchmark's config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from engine.errors import Fault, InputError
from marketdata.adjust import ADJUSTMENTS
from marketdata.columns import TIMEFRAME_NS
from strategies import catalogue, reading, timeframes
from strategies import readers as fields

FIELDS = (
    "strategy",
    "strategy_parameters",
    "custom_strategy_id",
    "symbols",
    "timeframe",
    "start_date",
    "end_date",
    "initial_capital",
    "preset",
    "settings",
    "source",
    "adjustment",
    "match_timeframe",
    "benchmark",
    "symbols_alone",
    "shares_per_trade",
    "metrics",
    "seed",
    "name",
)
TIMEFRAMES = tuple(TIMEFRAME_NS)
DEFAULT_PRESET = "standard"
MIN_CAPITAL, MAX_CAPITAL = 1, 1_000_000_000_000
MAX_SYMBOLS = 100
FIRST_DAY = date(1960, 1, 1)  # no source we read goes back further

_SOURCE = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A cleaned request. `as_dict()` sent through `clean` again gives an equal config.

    strategy: slug in the catalogue; "" when the signals are given with the run.
    strategy_parameters: every parameter with its value, defaults filled in.
    custom_strategy_id: where the trees in `strategy_parameters` were copied from; None: from nowhere.
    settings: every session setting: defaults, then the preset, then what was sent, then shares_per_trade.
    start_date, end_date: first and last day, both included; None: as far as the data go.
    match_timeframe: finer timeframe on which orders are matched; None: the decision timeframe.
    benchmark: symbol held for comparison; None: the run's own symbols, equal weights, bought and held.
    symbols_alone: each symbol by itself on an equal share of the capital, instead of one shared cash account.
    shares_per_trade: fixed quantity of each entry; None: as the settings say.
    metrics: names of the metrics to report; None: all.
    """

    strategy: str
    strategy_parameters: dict[str, Any]
    symbols: tuple[str, ...]
    timeframe: str = "1d"
    start_date: date | None = None
    end_date: date | None = None
    initial_capital: Decimal = Decimal(100_000)
    preset: str = DEFAULT_PRESET
    settings: dict[str, Any] = field(default_factory=dict)
    source: str = "sample"
    adjustment: str = "split_dividend"
    match_timeframe: str | None = None
    benchmark: str | None = None
    symbols_alone: bool = False
    shares_per_trade: int | None = None
    metrics: tuple[str, ...] | None = None
    seed: int = 0
    name: str = ""
    custom_strategy_id: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The config as JSON-ready values, in the order of the documentation."""
        plain = {key: getattr(self, key) for key in FIELDS}
        for key in ("start_date", "end_date"):
            plain[key] = plain[key].isoformat() if plain[key] else None
        for key in ("symbols", "metrics"):
            plain[key] = list(plain[key]) if plain[key] is not None else None
        capital = self.initial_capital
        plain["initial_capital"] = int(capital) if capital == int(capital) else float(capital)
        return plain


def _source(path: str, value: object) -> str:
    source = fields.text(path, value, max_length=32, required=True)
    if not _SOURCE.fullmatch(source):
        raise fields.Refused(path, "unknown_choice", f"{fields.shown(value)} is not a source of bars")
    return source


def _metrics(path: str, value: object) -> tuple[str, ...]:
    from engine import metrics

    known = [entry["name"] for entry in metrics.describe()]
    names = fields.array(path, value, low=1, high=len(known))
    return tuple(dict.fromkeys(fields.choice(f"{path}[{i}]", name, known) for i, name in enumerate(names)))


def _settings(preset: str, value: object, shares: int | None) -> dict[str, Any]:
    """Every session setting, JSON-ready: the preset's, then what was sent, then the fixed size where one is given."""
    chosen = fields.mapping("settings", value)
    if shares is not None:
        chosen |= {"position_sizing_method": "fixed", "position_size_value": float(shares), "capital_per_trade": None}
    return fields.settings(preset, chosen)


def clean(raw: object, *, today: date | None = None, signals_given: bool = False) -> RunConfig:
    """Check a request and fill in its defaults.

    raw: a mapping with the keys of `FIELDS`; absent and null mean the default.
    today: last day that may be asked for; default: the UTC day.
    signals_given: the caller brings signals, so that no strategy is needed (CLI ``--signals``).
    Raises InputError with every fault found; its path is the key as sent, ``symbols[2]``, ``settings.stop_loss_pct``.
    """
    if not isinstance(raw, Mapping):
        raise InputError(
            Fault("", "wrong_type", "The request is not an object", 'Write {"strategy": …, "symbols": […]}')
        )
    today = today or datetime.now(UTC).date()
    reader = fields.Reader(raw)
    reader.refuse_unknown(FIELDS)

    strategy = ""
    if raw.get("strategy") is None:
        if not signals_given:
            reader.fault("strategy", "required", "Name a strategy, for example ma_crossover")
    else:
        strategy = reader.read("strategy", "", fields.strategy)
    given_parameters = raw.get("strategy_parameters")
    parameters: dict[str, Any] = {}
    if strategy:
        parameters = reader.attempt(
            {}, fields.parameters, strategy, {} if given_parameters is None else given_parameters
        )
    elif given_parameters and signals_given:
        reader.fault("strategy_parameters", "conflict", "Given signals take no parameters", "Leave them out")

    if raw.get("symbols") is None:
        reader.fault("symbols", "required", "Name at least one symbol, for example AAPL")
    symbols = reader.read("symbols", (), fields.symbols, most=MAX_SYMBOLS)
    if strategy and symbols:
        reader.attempt(None, reading.refuse_symbols, catalogue.get(strategy), symbols)
    timeframe = reader.read("timeframe", "1d", fields.choice, choices=TIMEFRAMES)
    if strategy and parameters:
        reader.attempt(None, timeframes.refuse, catalogue.get(strategy), parameters, timeframe)
        reader.attempt(None, reading.refuse_together, catalogue.get(strategy), parameters, symbols)
    match_timeframe = reader.read("match_timeframe", None, fields.choice, choices=TIMEFRAMES)
    if match_timeframe is not None and TIMEFRAMES.index(match_timeframe) >= TIMEFRAMES.index(timeframe):
        if match_timeframe != timeframe:
            reader.fault(
                "match_timeframe",
                "out_of_range",
                f"{match_timeframe} is coarser than {timeframe}",
                "Choose a finer one",
            )
        match_timeframe = None
    start = reader.read("start_date", None, fields.day, low=FIRST_DAY, high=today)
    end = reader.read("end_date", None, fields.day, low=FIRST_DAY, high=today)
    if start and end and end < start:
        reader.fault("end_date", "out_of_range", f"{end} is before the start, {start}", "Choose a later day")

    shares = reader.read("shares_per_trade", None, fields.integer, low=1, high=10_000_000)
    preset = reader.read("preset", DEFAULT_PRESET, fields.preset)
    given_settings = raw.get("settings")
    settings = reader.attempt({}, _settings, preset, {} if given_settings is None else given_settings, shares)

    alone = reader.read("symbols_alone", False, fields.boolean)
    if strategy:
        if alone:
            reader.attempt(None, reading.refuse_alone, catalogue.get(strategy))
        if settings:
            reader.attempt(None, reading.refuse_settings, catalogue.get(strategy), parameters, settings)

    config = RunConfig(
        strategy=strategy,
        strategy_parameters=parameters,
        symbols=symbols,
        timeframe=timeframe,
        start_date=start,
        end_date=end,
        initial_capital=reader.read(
            "initial_capital", Decimal(100_000), fields.money, low=MIN_CAPITAL, high=MAX_CAPITAL
        ),
        preset=preset,
        settings=settings,
        source=reader.read("source", "sample", _source),
        adjustment=reader.read("adjustment", "split_dividend", fields.choice, choices=ADJUSTMENTS),
        match_timeframe=match_timeframe,
        benchmark=reader.read("benchmark", None, fields.symbol),
        symbols_alone=alone,
        shares_per_trade=shares,
        metrics=reader.read("metrics", None, _metrics),
        seed=reader.read("seed", 0, fields.integer, low=0, high=2**31 - 1),
        name=reader.read("name", "", fields.text, max_length=120),
        custom_strategy_id=reader.read("custom_strategy_id", None, fields.integer, low=1, high=2**63 - 1),
    )
    reader.finish()
    return config
