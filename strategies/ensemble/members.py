"""The members of an ensemble: which strategies vote, with which parameters, weight and timeframe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import Fault, InputError
from engine.types import TIMEFRAMES
from strategies import timeframes
from strategies.base import Strategy, find
from strategies.ensemble.structured import ObjectsParam, refuse_unknown, short_text
from strategies.panel import PanelStrategy
from strategies.params import BoolParam, ChoiceParam, FloatParam, shown

SLUG = "ensemble"
LEAST_MEMBERS, MOST_MEMBERS = 2, 12
MOST_DEPTH, MOST_MEMBERS_IN_ALL = 3, 30
NAME_LENGTH = 120
FIELDS = ("strategy", "parameters", "weight", "enabled", "timeframe", "name")


class _Fields:
    """The plain fields of a member, declared as any parameter is."""

    weight = FloatParam(50.0, min=0, max=100, step=1, help="What its vote counts, against the other weights")
    enabled = BoolParam(True, label="Votes", help="Whether it takes part")
    timeframe = ChoiceParam(
        None,
        choices=[(name, name) for name in TIMEFRAMES],
        help="Coarser bars that it reads; empty: those of the run",
    )


WEIGHT, ENABLED, TIMEFRAME = _Fields.weight, _Fields.enabled, _Fields.timeframe


@dataclass(frozen=True, slots=True)
class Member:
    """One member, ready to be asked. timeframe: None: the run's own."""

    strategy: Strategy
    weight: float
    timeframe: str | None
    name: str

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Member:
        """From one cleaned entry of `MembersParam`."""
        strategy = find(entry["strategy"])(**entry["parameters"])
        return cls(strategy, entry["weight"], entry["timeframe"], entry["name"] or strategy.label)

    @property
    def opens_short(self) -> bool:
        """Whether its SELL may open a short position; else it only leaves a long one."""
        return self.strategy.allows_short


class MembersParam(ObjectsParam):
    """`[{strategy, parameters, weight, enabled, timeframe, name}, …]`; parameters are checked by their own declaration.

    A fault's path leads to the value: ``members[1].parameters.window``. Ensembles may be members, three deep.
    """

    type = "members"
    least, most = LEAST_MEMBERS, MOST_MEMBERS

    def rule(self) -> str:
        return f"A list of {self.least} to {self.most} objects with: {', '.join(FIELDS)}."

    def _whole(self, value: Sequence[object]) -> None:
        # Level by level and only so far, so that neither a deep nor an endless object is ever walked to its end.
        level, count = list(value), 0
        for _ in range(MOST_DEPTH):
            count += len(level)
            if count > MOST_MEMBERS_IN_ALL:
                message = f"With the members of its members it has more than {MOST_MEMBERS_IN_ALL}."
                raise self.fault("out_of_range", message, f"At most {MOST_MEMBERS_IN_ALL} in all.")
            level = [inner for entry in level for inner in _nested(entry)]
            if not level:
                return
        message = f"Ensembles of ensembles go deeper than {MOST_DEPTH}."
        raise self.fault("out_of_range", message, f"At most {MOST_DEPTH} inside each other, this one counted.")

    def _one(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        faults = refuse_unknown(entry, FIELDS)
        cleaned: dict[str, Any] = {"strategy": "", "parameters": {}}
        try:
            declared = _single(entry.get("strategy"))
            cleaned["strategy"] = declared.slug
            try:
                parameters = entry.get("parameters")
                values = declared.clean({} if parameters is None else parameters)
                cleaned["parameters"] = {name: declared.params[name].json(value) for name, value in values.items()}
            except InputError as error:
                faults += error.under("parameters").faults
        except InputError as error:
            faults += error.faults
        for name, param in (("weight", WEIGHT), ("enabled", ENABLED), ("timeframe", TIMEFRAME)):
            try:
                cleaned[name] = param.clean(entry[name]) if name in entry else param.default
            except InputError as error:
                faults += error.faults
        try:
            cleaned["name"] = short_text(entry.get("name", ""), "name", NAME_LENGTH)
        except InputError as error:
            faults += error.faults
        if faults:
            raise InputError(faults)
        if cleaned["timeframe"]:
            # A tree on hours cannot read minutes, though the run may have them.
            timeframes.refuse(declared, cleaned["parameters"], cleaned["timeframe"])
        return cleaned

    def _words(self, value: Any) -> str:
        return ", ".join(_title(entry) for entry in value)


def enabled_ones(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The cleaned entries that vote."""
    return [entry for entry in entries if entry["enabled"]]


def _single(slug: object) -> type[Strategy]:
    """The strategy of that slug, if it reads one symbol and answers with signals. Raises InputError."""
    declared = find(slug)
    if issubclass(declared, PanelStrategy):
        message = f"{declared.label} trades several symbols together; an ensemble asks each symbol alone."
        raise InputError(Fault("strategy", "conflict", message, "Choose a strategy of single symbols."))
    if why := declared.unavailable():
        message = f"{declared.label} is unavailable. {why}"
        raise InputError(Fault("strategy", "unavailable", message, "Choose a strategy that reads bars only."))
    return declared


def _nested(entry: object) -> list[object]:
    """The members of an entry that is an ensemble itself; whatever has no such shape has none."""
    if not isinstance(entry, Mapping) or entry.get("strategy") != SLUG:
        return []
    parameters = entry.get("parameters")
    inner = parameters.get("members") if isinstance(parameters, Mapping) else None
    if isinstance(inner, str | bytes | Mapping) or not isinstance(inner, Sequence):
        return []
    return list(inner[: MOST_MEMBERS_IN_ALL + 1])


def _title(entry: Mapping[str, Any]) -> str:
    try:
        label = entry["name"] or find(entry["strategy"]).label
    except InputError:
        label = shown(entry["strategy"], quote=False)
    timeframe = f" on {entry['timeframe']}" if entry["timeframe"] else ""
    return f"{label}{timeframe} ({entry['weight']:g}{'' if entry['enabled'] else ', off'})"
