"""Groups, bounds and views as parameters: lists of objects, weights and returns in percent as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.errors import Fault, InputError
from marketdata.symbols import HINT, is_symbol
from strategies.allocation.problem import MOST_SYMBOLS
from strategies.ensemble.structured import ObjectsParam, refuse_unknown, short_text
from strategies.params import Param, PctParam, RatioParam, shown

_NAME_LENGTH = 40
_LEAST = PctParam(None, min=0, max=100, label="Least")
_MOST = PctParam(None, min=0, max=100, label="Most")
_RETURN = PctParam(0.0, min=-1_000, max=1_000, label="Return")
_CONFIDENCE = RatioParam(0.5, min=0.01, max=1, label="Confidence")
GROUP = {"min_pct": _LEAST, "max_pct": _MOST}
VIEW = {"return_pct": _RETURN, "confidence": _CONFIDENCE}
for _name, _param in (*GROUP.items(), *VIEW.items()):
    _param.__set_name__(Param, _name)


class GroupsParam(ObjectsParam):
    """`[{name, symbols, min_pct, max_pct}, …]`: limits on what symbols weigh together.

    A symbol is in one group at most, so that whether weights exist can be told by adding up.
    """

    type = "groups"
    fields = ("name", "symbols", *GROUP)

    def rule(self) -> str:
        return f"A list of at most {self.most} objects with: {', '.join(self.fields)}."

    def _clean(self, value: object) -> tuple[dict[str, Any], ...]:
        cleaned = super()._clean(value)
        seen: dict[str, str] = {}
        for i, group in enumerate(cleaned):
            for symbol in group["symbols"]:
                if symbol in seen:
                    message = f"{symbol} is in {seen[symbol]} and in {group['name']}."
                    raise InputError(Fault(f"{self.name}[{i}].symbols", "conflict", message, "One group each."))
                seen[symbol] = group["name"]
        return cleaned

    def _one(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        faults = refuse_unknown(entry, self.fields)
        cleaned = _read(GROUP, entry, faults)
        try:
            cleaned["name"] = short_text(entry.get("name", ""), "name", _NAME_LENGTH)
            if not cleaned["name"]:
                faults.append(Fault("name", "required", "The group needs a name.", "Such as its sector."))
        except InputError as error:
            faults += error.faults
        cleaned["symbols"] = _symbols(entry.get("symbols"), faults)
        low, high = cleaned.get("min_pct"), cleaned.get("max_pct")
        if low is not None and high is not None and low > high:
            faults.append(Fault("min_pct", "conflict", f"The least ({low:g} %) is above the most ({high:g} %)."))
        if faults:
            raise InputError(faults)
        return cleaned


class BoundsParam(ObjectsParam):
    """`[{symbol, min_pct, max_pct}, …]`: limits of single symbols, in the place of those of all; null leaves those."""

    type = "bounds"
    most = MOST_SYMBOLS
    fields = ("symbol", *GROUP)

    def rule(self) -> str:
        return f"A list of at most {self.most} objects with: {', '.join(self.fields)}."

    def _clean(self, value: object) -> tuple[dict[str, Any], ...]:
        cleaned = super()._clean(value)
        for i, bound in enumerate(cleaned):
            if any(other["symbol"] == bound["symbol"] for other in cleaned[:i]):
                message = f"{bound['symbol']} has bounds already."
                raise InputError(Fault(f"{self.name}[{i}].symbol", "conflict", message, "Name each symbol once."))
        return cleaned

    def _one(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        faults = refuse_unknown(entry, self.fields)
        cleaned = _read(GROUP, entry, faults)
        cleaned["symbol"] = _symbol("symbol", entry.get("symbol"), faults)
        low, high = cleaned.get("min_pct"), cleaned.get("max_pct")
        if low is not None and high is not None and low > high:
            faults.append(Fault("min_pct", "conflict", f"The least ({low:g} %) is above the most ({high:g} %)."))
        if faults:
            raise InputError(faults)
        return cleaned


class ViewsParam(ObjectsParam):
    """`[{symbol, over, return_pct, confidence}, …]`: it will earn so much a year, or so much more than `over`."""

    type = "views"
    fields = ("symbol", "over", *VIEW)

    def rule(self) -> str:
        return f"A list of at most {self.most} objects with: {', '.join(self.fields)}."

    def _one(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        faults = refuse_unknown(entry, self.fields)
        cleaned = _read(VIEW, entry, faults)
        cleaned["symbol"] = _symbol("symbol", entry.get("symbol"), faults)
        over = entry.get("over")
        cleaned["over"] = None if over is None else _symbol("over", over, faults)
        if cleaned["symbol"] and cleaned["symbol"] == cleaned["over"]:
            faults.append(Fault("over", "conflict", f"{cleaned['symbol']} cannot beat itself.", "Another symbol."))
        if faults:
            raise InputError(faults)
        return cleaned


def least_and_most(
    symbols: Iterable[str], min_pct: float, max_pct: float, bounds: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[float, float]]:
    """(least, most) weight of each symbol in percent: its own bounds, else those of all."""
    own = {bound["symbol"]: bound for bound in bounds}
    found = {}
    for symbol in symbols:
        low, high = (own.get(symbol, {}).get(name) for name in ("min_pct", "max_pct"))
        found[symbol] = (min_pct if low is None else low, max_pct if high is None else high)
    return found


def refusals(
    symbols: Sequence[str],
    min_pct: float,
    max_pct: float,
    groups: Sequence[Mapping[str, Any]],
    invested: bool,
    bounds: Sequence[Mapping[str, Any]] = (),
) -> Iterable[Fault]:
    """Why no weights of these symbols can add up to 100 % (not `invested`: to 100 % at most).

    Sums only, for a process without an optimiser; exact, as no symbol is in two groups.
    """
    n = len(symbols)
    limits = least_and_most(symbols, min_pct, max_pct, bounds)
    least, most = (sum(pair[k] for pair in limits.values()) for k in (0, 1))
    if invested and most < 100 - 1e-9:
        if bounds:
            message = f"With their bounds all {n} symbols together hold {most:g} % at most, which is not 100 %."
            yield Fault("bounds", "infeasible", message, f"Let symbols have {_up(100 - most)} more in all.")
        else:
            message = f"{n} symbols of {max_pct:g} % at most do not add up to 100 %."
            yield Fault("max_weight_pct", "infeasible", message, f"At least {_up(100 / n)}, or more symbols.")
        return
    if least > 100 + 1e-9:
        if bounds:
            message = f"With their bounds all {n} symbols together need {least:g} %."
            yield Fault("bounds", "infeasible", message, f"Let symbols need {_up(least - 100)} less in all.")
        else:
            message = f"{n} symbols of {min_pct:g} % at least are more than 100 %."
            yield Fault("min_weight_pct", "infeasible", message, f"At most {_down(100 / n)}, or fewer symbols.")
        return
    grouped = {symbol for group in groups for symbol in group["symbols"]}
    least, most = (sum(pair[k] for symbol, pair in limits.items() if symbol not in grouped) for k in (0, 1))
    for i, group in enumerate(groups):
        count = len(group["symbols"])
        low, high = (sum(limits[symbol][k] for symbol in group["symbols"]) for k in (0, 1))
        if group["min_pct"] is not None and group["min_pct"] > high + 1e-9:
            message = f"{group['name']} needs {group['min_pct']:g} %, and its {count} symbols hold {high:g} % at most."
            yield Fault(f"groups[{i}].min_pct", "infeasible", message, f"At most {high:g}, or a higher most weight.")
        if group["max_pct"] is not None and group["max_pct"] < low - 1e-9:
            message = f"{group['name']} may have {group['max_pct']:g} %, and its {count} symbols need {low:g} %."
            yield Fault(f"groups[{i}].max_pct", "infeasible", message, f"At least {low:g}, or a lower least weight.")
        least += max(low, group["min_pct"] or 0.0)
        most += min(high, 100.0 if group["max_pct"] is None else group["max_pct"])
    if invested and most < 100 - 1e-9:
        message = f"With the groups' limits all symbols together hold {most:g} % at most, which is not 100 %."
        yield Fault("groups", "infeasible", message, f"Let groups have {_up(100 - most)} more in all.")
    if least > 100 + 1e-9:
        message = f"With the groups' limits all symbols together need {least:g} %."
        yield Fault("groups", "infeasible", message, f"Let groups need {_up(least - 100)} less in all.")


def _up(pct: float) -> str:
    return f"{-(-(pct * 100 - 1e-7) // 1) / 100:g} %"


def _down(pct: float) -> str:
    return f"{(pct * 100 + 1e-7) // 1 / 100:g} %"


def _read(params: Mapping[str, Param[Any]], entry: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any]:
    cleaned = {}
    for name, param in params.items():
        try:
            cleaned[name] = param.clean(entry[name]) if name in entry else param.default
        except InputError as error:
            faults += error.faults
    return cleaned


def _symbols(value: object, faults: list[Fault]) -> list[str]:
    if isinstance(value, Sequence) and not value:
        faults.append(Fault("symbols", "required", "The group holds no symbol.", "From 1 to 100 symbols."))
        return []
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > 100:
        faults.append(Fault("symbols", "wrong_type", "The symbols must be a list.", "From 1 to 100 symbols."))
        return []
    found = [_symbol(f"symbols[{i}]", entry, faults) for i, entry in enumerate(value)]
    if len(set(found)) != len(found):
        faults.append(Fault("symbols", "conflict", "A symbol is named twice.", "Name each symbol once."))
    return found


def _symbol(path: str, value: object, faults: list[Fault]) -> str:
    if isinstance(value, str) and is_symbol(value.strip().upper()):
        return value.strip().upper()
    faults.append(Fault(path, "bad_text", f"{shown(value)} is not a symbol.", HINT))
    return ""
