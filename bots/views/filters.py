"""What a list of trades, orders or positions shows, as it stands in the page's address."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone

from accounts.models import User
from bots import words
from bots.models import Bot, Side, TradingSession

MOST_CHOICES = 200
LABELS = {
    "from": "From",
    "to": "To",
    "bot": "Bot",
    "session": "Session",
    "symbol": "Symbol",
    "side": "Side",
    "reason": "Reason",
}
# filter in the address → argument of the selector
_ARGUMENTS = {"bot": "bot_id", "session": "session_id", "symbol": "symbol", "side": "side", "reason": "reason"}


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is in force: its words, and the address of the list without it."""

    text: str
    url: str


class RecordFilter:
    """Filters, sort and kept parameters of one list; values that nothing knows are left out.

    names: the filters this list has, of `LABELS`; `from` and `to` are days in the user's time zone, both included.
    sorts: name in the address → column; the first one, falling, is the default. sides: how BUY and SELL are called.
    keep: further parameters that stay in the addresses.
    """

    def __init__(
        self,
        user: User,
        query: Mapping[str, str],
        *,
        names: Sequence[str],
        sorts: Mapping[str, str],
        sides: Sequence[tuple[str, str]] = tuple(Side.choices),
        keep: Mapping[str, str] | None = None,
    ) -> None:
        self.user, self.names, self.sides = user, names, sides
        self._sorts, self._keep = sorts, dict(keep or {})
        self.default_sort = f"-{next(iter(sorts))}"
        sort = query.get("sort", "")
        self.sort = sort if sort.removeprefix("-") in sorts else self.default_sort
        self.values = {name: value for name in names if (value := self._known(name, query.get(name, "").strip()))}

    def _known(self, name: str, value: str) -> str:
        if name in ("from", "to"):
            return value if _day(value) else ""
        if name == "bot":
            return value if value in dict(self.bots) else ""
        if name == "session":
            return value if value in dict(self.sessions) else ""
        if name == "side":
            return value if value in Side.values else ""
        if name == "reason":
            return value if value in words.REASONS else ""
        return value.upper()[:24]

    @cached_property
    def bots(self) -> list[tuple[str, str]]:
        """The user's bots by name."""
        found = Bot.objects.filter(owner=self.user).values_list("pk", "name")[:MOST_CHOICES]
        return [(str(pk), name) for pk, name in found]

    @cached_property
    def sessions(self) -> list[tuple[str, str]]:
        """The user's newest sessions."""
        found = TradingSession.objects.filter(owner=self.user)[:MOST_CHOICES]
        return [(str(session.pk), f"{session} · {session.pk}") for session in found]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(code, text.capitalize()) for code, text in words.REASONS.items()]

    @property
    def is_set(self) -> bool:
        return bool(self.values)

    @property
    def column(self) -> str:
        """The sort as a column, with "-" before it where it falls."""
        sign = "-" if self.sort.startswith("-") else ""
        return sign + self._sorts[self.sort.removeprefix("-")]

    @property
    def selection(self) -> dict[str, Any]:
        """The filters as arguments of a selector: bot_id, session_id, symbol, side, reason, since, until."""
        found: dict[str, Any] = {}
        for name, value in self.values.items():
            if name in _ARGUMENTS:
                found[_ARGUMENTS[name]] = int(value) if name in ("bot", "session") else value
        if first := _day(self.values.get("from", "")):
            found["since"] = midnight(first)
        if last := _day(self.values.get("to", "")):
            found["until"] = midnight(last + datetime.timedelta(days=1))
        return found

    @property
    def query(self) -> str:
        """The address's query: filters, sort where it is not the default, what is kept."""
        return self._query(self.values)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What a form of the filters sends along unseen."""
        return [*self._keep.items(), *([("sort", self.sort)] if self.sort != self.default_sort else [])]

    @property
    def chips(self) -> list[Chip]:
        """Each filter in force, with the address that drops it."""
        return [
            Chip(f"{LABELS[name]}: {self._words(name, value)}", f"?{self._query(_without(self.values, name))}")
            for name, value in self.values.items()
        ]

    @property
    def all_url(self) -> str:
        """The address without any filter."""
        return f"?{self._query({})}"

    def url(self, **keep: str) -> str:
        """The address with the same filters and other kept parameters; the sort begins anew."""
        return f"?{urlencode([*self.values.items(), *keep.items()])}"

    def _query(self, values: Mapping[str, str]) -> str:
        return urlencode([*values.items(), *self.kept])

    def _words(self, name: str, value: str) -> str:
        choices = {"bot": self.bots, "session": self.sessions, "side": self.sides, "reason": self.reasons}.get(name, ())
        return dict(choices).get(value, value)


def midnight(day: datetime.date) -> datetime.datetime:
    """When that day begins in the person's time zone."""
    return datetime.datetime.combine(day, datetime.time(), timezone.get_current_timezone())


def _day(text: str) -> datetime.date | None:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return day if datetime.date(1970, 1, 2) <= day <= datetime.date(9000, 1, 1) else None


def _without(values: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}
