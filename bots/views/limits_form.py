"""The form of the limits over all of a user's bots: what was typed, what it means, what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from accounts.models import RiskEnvelope
from accounts.services import risk
from engine.errors import InputError

MONEY = (
    ("gross_cap", "Gross exposure", "Most money in positions, longs and shorts added up."),
    ("net_cap", "Net exposure", "Most money by which longs exceed shorts, or shorts exceed longs."),
    ("symbol_cap", "One symbol", "Most money in one symbol, over all bots."),
)
_ROW = re.compile(r"group-([0-9]{1,4})-(name|symbols|cap)", re.ASCII)


@dataclass(slots=True)
class Field:
    """One control as it was typed."""

    name: str
    value: str
    label: str = ""
    help: str = ""
    error: str = ""

    @property
    def id(self) -> str:
        return f"f-{self.name}"


@dataclass(slots=True)
class Group:
    """One row of the groups."""

    index: int
    name: Field
    symbols: Field
    cap: Field

    @property
    def fields(self) -> tuple[Field, Field, Field]:
        return self.name, self.symbols, self.cap


@dataclass(slots=True)
class LimitsForm:
    """money and sessions are controls; groups are rows of three; faults that belong to no control stand in `errors`."""

    money: list[Field]
    sessions: Field
    groups: list[Group]
    errors: list[str] = field(default_factory=list)
    password_error: str = ""  # why the password is asked for, where it is

    @classmethod
    def of(cls, envelope: RiskEnvelope) -> LimitsForm:
        """The form as it is before anybody types."""
        texts = {name: _plain(getattr(envelope, name)) for name, _, _ in MONEY}
        texts["max_sessions"] = _plain(envelope.max_sessions)
        for index, (name, group) in enumerate(envelope.named_groups):
            texts[f"group-{index}-name"] = name
            texts[f"group-{index}-symbols"] = ", ".join(group["symbols"])
            texts[f"group-{index}-cap"] = _plain(Decimal(group["cap"]))
        return cls.sent(texts)

    @classmethod
    def sent(cls, texts: Mapping[str, str]) -> LimitsForm:
        """The form as it was typed; rows of groups in the order of their numbers, empty rows left out."""
        rows = sorted({int(found[1]) for name in texts if (found := _ROW.fullmatch(name))})
        groups = [
            Group(index, *(_field(texts, f"group-{index}-{part}") for part in ("name", "symbols", "cap")))
            for index in rows
            if any(texts.get(f"group-{index}-{part}", "").strip() for part in ("name", "symbols", "cap"))
        ]
        return cls(
            [_field(texts, name, label, help) for name, label, help in MONEY],
            _field(texts, "max_sessions", "Active sessions", "At most this many at once; your tier may allow fewer."),
            groups,
        )

    @property
    def fields(self) -> list[Field]:
        """Every control."""
        return [*self.money, self.sessions, *(each for group in self.groups for each in group.fields)]

    @property
    def next_index(self) -> int:
        """The number of a row that is added."""
        return max((group.index for group in self.groups), default=-1) + 1

    @property
    def is_wrong(self) -> bool:
        return bool(self.errors or self.password_error) or any(each.error for each in self.fields)

    def check(self) -> dict[str, Any] | None:
        """The limits as `accounts.services.risk.set_envelope` takes them; None, with errors, where one is wrong."""
        values: dict[str, Any] = {each.name: _amount(each) for each in self.money}
        values["max_sessions"] = _whole(self.sessions)
        values["groups"] = groups = {}
        for group in self.groups:
            name = group.name.value
            if not name:
                group.name.error = "A group needs a name."
            elif name in groups:
                group.name.error = "Another group has this name."
            symbols = [text for text in re.split(r"[\s,;]+", group.symbols.value) if text]
            groups[name] = {"symbols": symbols, "cap": _amount(group.cap)}
        try:
            risk.clean_envelope(values)
        except InputError as refusal:
            self._place(refusal)
        return None if self.is_wrong else values

    def ask_password(self, why: str) -> None:
        """Show the control for it, with these words."""
        self.password_error = why

    def _place(self, refusal: InputError) -> None:
        """Each fault at its control; the first one there stays."""
        for fault in refusal.faults:
            found = self._control(fault.path)
            text = f"{fault.message} {fault.hint}".strip()
            if found is None:
                self.errors.append(text)
            elif not found.error:
                found.error = text

    def _control(self, path: str) -> Field | None:
        for each in (*self.money, self.sessions):
            if each.name == path:
                return each
        for group in self.groups:
            rest = path.removeprefix(f"groups.{group.name.value:.60}")
            if rest != path and rest[:1] in ("", "."):
                return group.cap if rest == ".cap" else group.symbols if rest.startswith(".symbols") else group.name
        return None


def _field(texts: Mapping[str, str], name: str, label: str = "", help: str = "") -> Field:
    return Field(name, texts.get(name, "").strip(), label, help)


def _plain(value: Decimal | int | None) -> str:
    return "" if value is None else f"{Decimal(value).normalize():f}"


def _amount(control: Field) -> Decimal | None:
    """Money as it was typed, with or without thousands separators; an empty control is no limit."""
    text = control.value.replace(",", "").replace("\u202f", "").replace(" ", "")
    if not text:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        control.error = "Must be a number, such as 25000."
        return None


def _whole(control: Field) -> int | None:
    if not control.value:
        return None
    if control.value.isascii() and control.value.isdecimal() and len(control.value) < 9:
        return int(control.value)
    control.error = "Must be a whole number, such as 3."
    return None
