"""The form of an ensemble: members and validators as rows of declared fields ↔ the arguments of `strategies.services`.

Rows have a key of their own (``m1``, ``v0``), which stays while rows are added, moved and removed; a fault of the
service, which counts them, finds its row by the order they were sent in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from accounts.models import User
from engine.errors import Fault, InputError
from strategies import catalogue, declared_fields, selectors
from strategies.base import Strategy
from strategies.declared_fields import Field, Group
from strategies.ensemble import LEAST_MEMBERS, MOST_MEMBERS, Ensemble, sentences
from strategies.ensemble.members import ENABLED, TIMEFRAME, WEIGHT
from strategies.ensemble.validators import KINDS, Validator
from strategies.ensemble.voting import shares
from strategies.models import UserStrategy
from strategies.panel import PanelStrategy
from strategies.params import Param
from strategies.services import composing
from tradingsite.lib.errors import NotFound

PLAIN = ("name", "description", "is_public")
PARAMETERS = "parameters"
OWN = {name: param for name, param in Ensemble.params.items() if name not in ("members", "validators")}
MEMBER = {param.name: param for param in (WEIGHT, TIMEFRAME, ENABLED)}
KEY = re.compile(r"[mv]\d{1,4}")
_PATH = re.compile(r"(?:parameters\.)?(members|validators)\[(\d+)\]\.?(.*)", re.S)


@dataclass(slots=True)
class Row:
    """One member or validator. values: what stands in its fields, by the field's full name."""

    key: str
    declared: type[Strategy] | type[Validator]
    name: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Before the names of its parameters."""
        return f"{self.key}.{PARAMETERS}" if issubclass(self.declared, Strategy) else self.key

    @property
    def title(self) -> str:
        return self.name or self.declared.label

    @property
    def own_fields(self) -> list[Field]:
        """Weight, timeframe, whether it votes."""
        return _fields(MEMBER, self.values, self.errors, self.key)

    @property
    def parameter_fields(self) -> list[Field]:
        return _fields(self.declared.params, self.values, self.errors, self.prefix)

    @property
    def switched_on(self) -> bool:
        return self.values.get(f"{self.key}.enabled", True) is not False

    @property
    def is_open(self) -> bool:
        """Whether its parameters are shown at once."""
        return any(name.startswith(f"{self.prefix}.") for name in self.errors)

    def fill(self, parameters: Mapping[str, Any]) -> None:
        """Puts stored parameter values into the fields."""
        self.values |= {f"{self.prefix}.{name}": value for name, value in parameters.items()}

    def read(self, faults: list[Fault]) -> dict[str, Any]:
        """The parameters as JSON; what cannot be read is a fault of its field."""
        return _read(self.declared.params, self.values, self.prefix, faults)


class ComposeForm:
    """What stands in the form. errors: by field name; other_errors: what belongs to no field."""

    def __init__(self, user: User, members: Iterable[Row] = (), validators: Iterable[Row] = ()) -> None:
        self.user = user
        self.values: dict[str, Any] = {"name": "", "description": "", "is_public": False}
        self.members = list(members)
        given = list(validators)
        missing = [kind for kind in KINDS.values() if kind not in [row.declared for row in given]]
        self.validators = given + [
            Row(f"v{len(given) + i}", kind, values={f"v{len(given) + i}.enabled": False})
            for i, kind in enumerate(missing)
        ]
        self._sent = self.validators  # those that the payload has, in its order
        self.errors: dict[str, str] = {}
        self.other_errors: list[str] = []

    @classmethod
    def from_row(cls, user: User, saved: UserStrategy) -> ComposeForm:
        """Filled in with what is saved."""
        entries = saved.parameters["members"]
        members = [member_row(f"m{i}", entry) for i, entry in enumerate(entries)]
        judges = []
        for i, entry in enumerate(saved.parameters["validators"]):
            judges.append(Row(f"v{i}", KINDS[entry["type"]]))
            judges[-1].fill({name: value for name, value in entry.items() if name != "type"})
        form = cls(user, members, judges)
        form.values |= {name: getattr(saved, name) for name in PLAIN}
        form.values |= {f"{PARAMETERS}.{name}": saved.parameters[name] for name in OWN if name in saved.parameters}
        return form

    @classmethod
    def from_request(cls, user: User, sent: QueryDict) -> ComposeForm:
        """Filled in with what was typed."""
        members, judges = [], []
        for key in _keys(sent, "member", MOST_MEMBERS + 1):
            declared = _member_strategy(sent.get(f"{key}.strategy"))
            if declared is not None:
                row = Row(key, declared, sent.get(f"{key}.name", "").strip())
                row.values |= declared_fields.typed(MEMBER, sent, key)
                row.values |= declared_fields.typed(declared.params, sent, row.prefix)
                members.append(row)
        for key in _keys(sent, "validator", Ensemble.validators.most):
            kind = KINDS.get(sent.get(f"{key}.type", ""))
            if kind is not None:
                judges.append(Row(key, kind, values=declared_fields.typed(kind.params, sent, key)))
        form = cls(user, members, judges)
        form.values |= {name: sent.get(name, "") for name in ("name", "description")}
        form.values |= {"is_public": sent.get("is_public") == "true"}
        form.values |= declared_fields.typed(OWN, sent, PARAMETERS)
        return form

    def payload(self) -> dict[str, Any]:
        """The arguments for `services.create` or `.update`. Raises InputError with every value that cannot be read."""
        faults: list[Fault] = []
        parameters = _read(OWN, self.values, PARAMETERS, faults)
        parameters["members"] = [
            {
                "strategy": row.declared.slug,
                "parameters": row.read(faults),
                "name": row.name,
                **_read(MEMBER, row.values, row.key, faults),
            }
            for row in self.members
        ]
        judges = [({"type": row.declared.slug, **row.read(faults)}, row) for row in self.validators]
        # One that is off and has not been touched is only on offer.
        kept = [(entry, row) for entry, row in judges if row.switched_on or not _untouched(row, entry)]
        self._sent = [row for _, row in kept]
        parameters["validators"] = [entry for entry, _ in kept]
        if faults:
            raise InputError(faults)
        return {**{name: self.values[name] for name in PLAIN}, "strategy": Ensemble.slug, PARAMETERS: parameters}

    def refuse(self, faults: Iterable[Fault]) -> None:
        """Puts each fault to the field it belongs to; the first of a field stands."""
        for fault in faults:
            words = " ".join(part for part in (fault.message, fault.hint) if part)
            found = _PATH.fullmatch(fault.path)
            if fault.path == f"{PARAMETERS}.members" and not LEAST_MEMBERS <= len(self.members) <= MOST_MEMBERS:
                words = f"An ensemble has {LEAST_MEMBERS} to {MOST_MEMBERS} members."
            rows = {"members": self.members, "validators": self._sent}
            if found and int(found[2]) < len(rows[found[1]]):
                self._refuse_row(rows[found[1]][int(found[2])], found[3], words)
            elif fault.path in self.field_names:
                self.errors.setdefault(fault.path, words)
            elif (key := fault.path.split(".")[0]) and KEY.fullmatch(key):
                self.errors.setdefault(fault.path, words)
                for row in [*self.members, *self.validators]:
                    if row.key == key:
                        row.errors.setdefault(fault.path, words)
            else:
                self.other_errors.append(words)

    def _refuse_row(self, row: Row, path: str, words: str) -> None:
        name = f"{row.key}.{path}"
        known = {f"{row.prefix}.{param}" for param in row.declared.params} | {f"{row.key}.{param}" for param in MEMBER}
        if name == f"{row.key}.name" or name in known:
            row.errors.setdefault(name, words)
            self.errors.setdefault(name, words)
        else:
            self.other_errors.append(f"{row.title}: {words}")

    def examine(self) -> dict[str, Any] | None:
        """What it would do: `sentences`, and each voter's share of the vote; None, with the errors, where it is not yet
        one. Writes nothing; a name that is missing is no error while somebody is typing."""
        try:
            typed = self.payload()[PARAMETERS]
        except InputError as error:
            self.refuse(error.faults)
            return None
        try:
            parameters = Ensemble.clean(typed)
        except InputError as error:
            self.refuse(fault for fault in error.under(PARAMETERS).faults if fault.code != "required")
            return None
        voters = [row for row, entry in zip(self.members, parameters["members"], strict=True) if entry["enabled"]]
        weights = [entry["weight"] for entry in parameters["members"] if entry["enabled"]]
        counted = shares(weights, parameters["strategy_weight_balance"])
        return {
            **sentences(parameters),
            "shares": [{"title": row.title, "pct": share * 100} for row, share in zip(voters, counted, strict=True)],
        }

    # --- what the template draws ------------------------------------------------------------------------------------

    @property
    def field_names(self) -> list[str]:
        """Every field that can carry an error, members and validators as such counted as one each."""
        return [*PLAIN, f"{PARAMETERS}.members", *(f"{PARAMETERS}.{name}" for name in OWN)]

    @property
    def field_errors(self) -> list[tuple[str, str]]:
        """Each field of the page with its error, empty where it is right."""
        names = [name for name in self.field_names if name != "is_public"]  # a box cannot be wrong
        for row in self.members:
            names += [f"{row.key}.name", *(f"{row.key}.{name}" for name in MEMBER)]
        for row in [*self.members, *self.validators]:
            names += [f"{row.prefix}.{name}" for name in row.declared.params]
        return [(name, self.errors.get(name, "")) for name in names]

    @property
    def groups(self) -> list[Group]:
        """The ensemble's own parameters under their headings."""
        return declared_fields.grouped(_fields(OWN, self.values, self.errors, PARAMETERS))

    @property
    def picks(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """(heading, [(value, label)]) of everything that may be added."""
        own = selectors.for_user(self.user).filter(strategy__in=[entry.slug for entry in choosable()])
        public = selectors.public().exclude(owner=self.user).filter(strategy__in=[entry.slug for entry in choosable()])
        found = [
            ("Catalogue", [(f"catalogue:{entry.slug}", entry.label) for entry in choosable() if entry.listed]),
            ("Saved", [(f"saved:{row.pk}", row.name) for row in own]),
        ]
        if self.user.tier.allows_custom_strategies:
            customs = selectors.custom_of(self.user).filter(is_active=True)
            found.append(("Custom", [(f"custom:{row.pk}", row.name) for row in customs]))
        found.append(("Public", [(f"saved:{row.pk}", f"{row.name}, by {row.owner.username}") for row in public[:200]]))
        return [(heading, choices) for heading, choices in found if choices]


def choosable() -> list[type[Strategy]]:
    """The strategies that may be members."""
    return [entry for entry in catalogue.all() if not issubclass(entry, PanelStrategy) and not entry.unavailable()]


def picked(user: User, pick: str, key: str) -> Row:
    """The row of a member that was just chosen in the list. Raises NotFound for what is not there."""
    kind, _, what = pick.partition(":")
    member: dict[str, Any] = {"strategy": what}
    if kind in ("saved", "custom"):
        if not (what.isascii() and what.isdecimal()) or len(what) > 19:
            raise NotFound("There is no such strategy.")
        member = {{"saved": composing.SAVED_ID, "custom": composing.CUSTOM_ID}[kind]: int(what)}
    try:
        entry = composing.snapshot(user, [member])[0]
    except InputError as error:
        raise NotFound("There is no such strategy.") from error
    declared = _member_strategy(entry["strategy"])
    if declared is None or (kind == "catalogue" and not declared.listed):
        raise NotFound("There is no such strategy.")
    return member_row(key, entry)


def member_row(key: str, entry: Mapping[str, Any]) -> Row:
    """The row of a member as it is stored."""
    row = Row(key, catalogue.get(entry["strategy"]), entry.get("name", ""))
    row.values |= {f"{key}.{name}": entry[name] for name in MEMBER if name in entry}
    row.fill(entry.get("parameters", {}))
    return row


def _member_strategy(slug: str | None) -> type[Strategy] | None:
    return next((entry for entry in choosable() if entry.slug == slug), None)


def _keys(sent: QueryDict, name: str, most: int) -> list[str]:
    return [key for key in dict.fromkeys(sent.getlist(name)) if KEY.fullmatch(key)][:most]


def _fields(
    params: Mapping[str, Param[Any]], values: Mapping[str, Any], errors: Mapping[str, str], prefix: str
) -> list[Field]:
    untouched = {name: param.json(param.default) for name, param in params.items()}
    return declared_fields.fields(params, values, errors, prefix, untouched)


def _read(
    params: Mapping[str, Param[Any]], values: Mapping[str, Any], prefix: str, faults: list[Fault]
) -> dict[str, Any]:
    cleaned, unreadable = declared_fields.read(params, values, prefix)
    faults += unreadable
    return {name: params[name].json(value) for name, value in cleaned.items()}


def _untouched(row: Row, entry: Mapping[str, Any]) -> bool:
    return all(
        entry[name] == param.json(param.default)
        for name, param in row.declared.params.items()
        if name in entry and name != "enabled"
    )
