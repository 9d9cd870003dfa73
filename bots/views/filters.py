"""What a list of trades, orders or positions shows, as it stands in the page's address."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from django.db.models import Q
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
_COLUMNS = {
    "bot": "session__bot_id",
    "session": "session_id",
    "symbol": "symbol",
    "side": "side",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is in force: its words, and the address of the list without it."""

    text: str
    url: str


class RecordFilter:
    """Filters, sort and kept parameters of one list; values that nothing knows are left out.

    names: the filters this list has, of `LABELS`. sorts: name in the address → column, the first one descending is the
    default. moment: the column that `from` and `to` (days in the user's time zone, both included) look at. reason: the
    column that `reason` looks at. keep: further parameters that stay in the addresses.
    """

    def __init__(
        self,
        user: User,
        query: Mapping[str, str],
        *,
        names: Sequence[str],
        sorts: Mapping[str, str],
        moment: str,
        reason: str = "reason",
        keep: Mapping[str, str] | None = None,
    ) -> None:
        self.user, self.names, self._moment, self._reason = user, names, moment, reason
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
        found = TradingSession.objects.filter(owner=self.user).select_related("custom_strategy")[:MOST_CHOICES]
        return [(str(session.pk), f"{session} · {session.pk}") for session in found]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(code, text.capitalize()) for code, text in words.REASONS.items()]

    @property
    def sides(self) -> list[tuple[str, str]]:
        return list(Side.choices)

    @property
    def is_set(self) -> bool:
        return bool(self.values)

    @property
    def ordering(self) -> tuple[str, str]:
        """For order_by; rows that are equal in it come newest first."""
        sign = "-" if self.sort.startswith("-") else ""
        return sign + self._sorts[self.sort.removeprefix("-")], "-id"

    @property
    def where(self) -> Q:
        """The filters as a condition."""
        found = Q(**{_COLUMNS[name]: value for name, value in self.values.items() if name in _COLUMNS})
        if "reason" in self.values:
            found &= Q(**{self._reason: self.values["reason"]})
        if first := _day(self.values.get("from", "")):
            found &= Q(**{f"{self._moment}__gte": midnight(first)})
        if last := _day(self.values.get("to", "")):
            found &= Q(**{f"{self._moment}__lt": midnight(last + datetime.timedelta(days=1))})
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

    def _query(self, values: Mapping[str, str]) -> str:
        return urlencode([*values.items(), *self.kept])

    def _words(self, name: str, value: str) -> str:
        choices = {"bot": lambda: self.bots, "session": lambda: self.sessions}.get(
            name, lambda: self.reasons + self.sides
        )
        return dict(choices()).get(value, value)


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
