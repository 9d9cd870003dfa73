"""The new-portfolio form: text as people type it ↔ the body of POST /api/portfolios.

Groups, bounds and views are rows of small fields; a row that is left empty is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from django.http import QueryDict

from accounts.models import User
from backtests.forms import BacktestForm
from backtests.portfolios import services
from backtests.portfolios.request import DEFAULT_REBALANCE, REBALANCE, STRATEGY
from backtests.portfolios.services import Checked
from engine.errors import Fault
from strategies import allocation, catalogue, declared_fields, session_settings
from strategies.allocation import schedule
from strategies.declared_fields import Field
from strategies.params import Param
from strategies.run_form import PARAMETERS, SETTINGS, as_text, read_number

# Rows of fields by name: what a row has, in the order of the page.
ROWS = {
    "bounds": (("symbol", "Symbol"), ("min_pct", "Least, %"), ("max_pct", "Most, %")),
    "groups": (("name", "Name"), ("symbols", "Symbols"), ("min_pct", "Least, %"), ("max_pct", "Most, %")),
    "views": (("symbol", "Symbol"), ("return_pct", "Earns, % a year"), ("over", "More than"), ("confidence", "Sure")),
}
_NUMBERS = ("min_pct", "max_pct", "return_pct", "confidence")
# Parameters and settings that the page has a field for.
LIMITS = (
    "min_weight_pct", "max_weight_pct", "max_invested_pct", "max_turnover_pct", "max_var_pct",
)  # fmt: skip
ESTIMATES = ("lookback", "covariance", "risk_free_pct")
ONLY_FOR = {"target_return_pct": "target_return", "kelly_ratio": "kelly", "views": "black_litterman"}
COSTS = ("cost_bps", "cost_bars")
TRADING = (
    "commission_rate", "commission_per_share", "commission_min", "slippage_model", "slippage_value", "fill_at",
    "allow_fractional",
)  # fmt: skip
_TYPED = (*LIMITS, *ESTIMATES, *COSTS, "target_return_pct", "kelly_ratio", "drift_pct")
_FIXED_COMPUTE = ("never", "drift")


class PortfolioForm(BacktestForm):
    """What stands in the form of a portfolio. rows: by list, dicts of text as typed."""

    PLAIN = ("name", "timeframe", "start_date", "end_date", "initial_capital", "source", "adjustment")
    NUMBERS = ("initial_capital",)
    FLAGS = ("account_limits",)
    DEFAULTS = {
        **BacktestForm.DEFAULTS,
        "strategy": STRATEGY,
        "rebalance": DEFAULT_REBALANCE,
        "compute": "",
        "method": "risk_parity",
        "account_limits": True,
        f"{PARAMETERS}.max_weight_pct": "60",
        f"{PARAMETERS}.lookback": "252",
    }

    def __init__(self, user: User, values: Mapping[str, Any]) -> None:
        super().__init__(user, values)
        self.rows: dict[str, list[dict[str, str]]] = {name: [] for name in ROWS}
        self.checked: Checked | None = None
        self._places: dict[str, list[int]] = {}  # of the rows that were sent: where they stand on the page

    @classmethod
    def from_config(cls, user: User, config: Mapping[str, Any], saved_id: int | None = None) -> Self:
        """Filled in like an earlier study's `config`."""
        values: dict[str, Any] = {key: as_text(config[key]) for key in cls.PLAIN if config.get(key) is not None}
        values |= {"symbols": list(config["symbols"]), "rebalance": config["rebalance"]}
        values["account_limits"] = bool(config["account_limits"])
        sent = config["parameters"]
        values["method"] = sent["method"]
        values["compute"] = "" if sent["compute"] == REBALANCE[config["rebalance"]][1] else sent["compute"]
        for prefix, names, held in ((PARAMETERS, _TYPED, sent), (SETTINGS, TRADING, config["settings"])):
            for name in names:
                value = held.get(name)
                values[f"{prefix}.{name}"] = value if isinstance(value, bool) else as_text(value)
        form = cls(user, values)
        for name, fields in ROWS.items():
            form.rows[name] = [
                {field: ", ".join(row[field]) if field == "symbols" else as_text(row[field]) for field, _ in fields}
                for row in sent[name]
            ]
        return form

    @classmethod
    def from_request(cls, user: User, sent: QueryDict) -> Self:
        form = super().from_request(user, sent)
        form.values["strategy"] = STRATEGY
        form.values |= {name: sent[name] for name in ("method", "rebalance", "compute") if name in sent}
        form.values |= declared_fields.typed(form.parameters, sent, PARAMETERS)
        form.values |= declared_fields.typed(form.trading, sent, SETTINGS)
        for name, fields in ROWS.items():
            columns = [[text.strip()[:2_000] for text in sent.getlist(f"{name}.{field}")] for field, _ in fields]
            form.rows[name] = [
                dict(zip((field for field, _ in fields), row, strict=True)) for row in zip(*columns, strict=False)
            ]
        return form

    # --- what it says ---------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Param[Any]]:
        declared = catalogue.get(STRATEGY).params
        return {name: declared[name] for name in _TYPED}

    @property
    def trading(self) -> Mapping[str, Param[Any]]:
        """The settings of the backtest that the page offers."""
        return {name: session_settings.SETTINGS[name] for name in TRADING}

    def payload(self) -> tuple[dict[str, Any], list[Fault]]:
        """The body of POST /api/portfolios."""
        faults: list[Fault] = []
        values = self.values
        body: dict[str, Any] = {key: values[key] for key in self.PLAIN if values.get(key)}
        for key in self.NUMBERS:
            if key in body:
                body[key] = read_number(key, body[key], faults)
        sent = self._typed(PARAMETERS, self.parameters, faults) | {"method": values["method"]}
        if values["compute"] and values["rebalance"] not in _FIXED_COMPUTE:
            sent["compute"] = values["compute"]
        sent |= {name: self._read_rows(name, faults) for name in ROWS}
        # What another method would read stays in the form, and is not sent.
        for name, method in ONLY_FOR.items():
            if values["method"] != method:
                sent.pop(name, None)
        body |= {
            "symbols": values["symbols"] or None,
            "parameters": sent,
            "rebalance": values["rebalance"],
            "settings": self._typed(SETTINGS, self.trading, faults),
            "account_limits": bool(values.get("account_limits")),
        }
        return body, faults

    def examine(self, body: Mapping[str, Any]) -> list[Fault]:
        """As `backtests.portfolios.services.check`; what it found is kept in `checked`."""
        self.checked = services.check(self.user, body)
        return self.checked.cautions

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to its field; one of a row names the row."""
        super().refuse(self._placed(fault) for fault in faults)

    @property
    def field_names(self) -> list[str]:
        """Every field that can carry an error."""
        return [
            *("symbols", "method", "rebalance", "compute", *ROWS, *self.FLAGS, *self.PLAIN),
            *(f"{PARAMETERS}.{name}" for name in self.parameters),
            *(f"{SETTINGS}.{name}" for name in TRADING),
        ]

    def _read_rows(self, name: str, faults: list[Fault]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        self._places[name] = []
        for place, row in enumerate(self.rows[name]):
            if not any(row.values()):
                continue
            path = f"parameters.{name}[{len(found)}]"
            self._places[name].append(place)
            entry: dict[str, Any] = {}
            for field, text in row.items():
                if field in _NUMBERS:
                    if text:
                        entry[field] = read_number(f"{path}.{field}", text, faults)
                elif field == "symbols":
                    entry[field] = [part.upper() for part in re.split(r"[\s,;]+", text) if part]
                elif text or field != "over":
                    entry[field] = text.upper() if field in ("symbol", "over") else text
            found.append(entry)
        return found

    def _placed(self, fault: Fault) -> Fault:
        path = re.sub(r"^parameters\.", f"{PARAMETERS}.", fault.path)
        found = re.fullmatch(rf"{PARAMETERS}\.(bounds|groups|views)(?:\[(\d+)\](?:\.(\w+))?.*)?", path)
        if found is not None:
            name, number, field = found.groups()
            places = self._places.get(name, [])
            if number is None or int(number) >= len(places):
                return replace(fault, path=name)
            label = dict(ROWS[name]).get(field or "", "").partition(",")[0]
            words = f"Row {places[int(number)] + 1}{f', {label.lower()}' if label else ''}: {fault.message}"
            return replace(fault, path=name, message=words)
        for name in ("method", "compute"):
            if path == f"{PARAMETERS}.{name}":
                path = name
        return replace(fault, path=path)

    # --- what the template draws ----------------------------------------------------------------------------------

    @property
    def method_choices(self) -> list[dict[str, str]]:
        return [
            {"value": found.slug, "label": found.label, "text": found.describe()}
            for found in allocation.registered().values()
        ]

    @property
    def rebalance_choices(self) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, *_) in REBALANCE.items()]

    @property
    def compute_choices(self) -> list[tuple[str, str]]:
        known = [(name, label) for name, label in schedule.EVERY.items() if name != "drift"]
        return [("", "At each rebalance"), *known]

    def _fields(self, names: Iterable[str]) -> list[Field]:
        params = {name: self.parameters[name] for name in names}
        untouched = {name: param.json(param.default) for name, param in params.items()}
        return declared_fields.fields(params, self.values, self.errors, PARAMETERS, untouched)

    @property
    def limit_fields(self) -> list[Field]:
        return self._fields(LIMITS)

    @property
    def estimate_fields(self) -> list[Field]:
        return self._fields(ESTIMATES)

    @property
    def cost_fields(self) -> list[Field]:
        return self._fields(COSTS)

    @property
    def drift_fields(self) -> list[Field]:
        return self._fields(["drift_pct"])

    @property
    def method_fields(self) -> list[tuple[str, Field]]:
        """(method that reads it, field)."""
        return [(method, self._fields([name])[0]) for name, method in ONLY_FOR.items() if name != "views"]

    @property
    def trading_fields(self) -> list[Field]:
        untouched = session_settings.as_json(session_settings.preset())
        return declared_fields.fields(self.trading, self.values, self.errors, SETTINGS, untouched)

    @property
    def row_lists(self) -> dict[str, dict[str, Any]]:
        """Each list with its columns, its rows as (label, name, value) and one that is empty, and its error."""
        return {
            name: {
                "rows": [self._cells(name, row) for row in self.rows[name]],
                "blank": self._cells(name, {}),
                "error": self.errors.get(name, ""),
            }
            for name in ROWS
        }

    @staticmethod
    def _cells(name: str, row: Mapping[str, str]) -> list[dict[str, str]]:
        return [
            {
                "label": label,
                "name": f"{name}.{field}",
                "value": row.get(field, ""),
                "kind": "number" if field in _NUMBERS else field,
            }
            for field, label in ROWS[name]
        ]
