"""Reads of bot templates: the ready-made ones, those that others share, and the user's own, all seen alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import User
from bots import templates_of_bots
from bots.models import BotTemplate
from bots.templates_of_bots import PREFIX, RISKS, Template
from engine.errors import InputError
from strategies import catalogue
from tradingsite.lib.errors import NotFound

READY, SHARED, OWN = "ready_made", "shared", "own"
ORIGINS = {READY: "ready-made", SHARED: "shared by others", OWN: "yours"}
_NOT_THERE = "There is no such template."
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TemplateShown:
    """A template as pages and the API show it.

    key: what its address ends with. config: a bot's request, with a name.
    """

    key: str
    origin: str
    name: str
    for_whom: str
    does: str
    loses: str
    kind: str
    risk: str
    config: dict[str, Any]
    owner: str = ""
    is_shared: bool = False
    uses: int = 0
    row: BotTemplate | None = None

    @property
    def strategy(self) -> str:
        """Its strategy's label; conditions have none of the catalogue."""
        try:
            return catalogue.get(self.config.get("strategy")).label
        except InputError:
            return "Own conditions" if self.config.get("indicators") else str(self.config.get("strategy", ""))

    @property
    def risk_words(self) -> str:
        return RISKS.get(self.risk, self.risk)

    @property
    def origin_words(self) -> str:
        return ORIGINS[self.origin]

    @property
    def kind_words(self) -> str:
        return self.kind.replace("_", " ")


def templates(user: User, *, words: str = "", kind: str = "", risk: str = "", origin: str = "") -> list[TemplateShown]:
    """Every template that the user may use: ready-made, own, shared by others, in this order. One query."""
    found = [_ready(template) for template in templates_of_bots.all()]
    rows = visible(user).select_related("owner").order_by("name", "pk")
    kept = [_kept(user, row) for row in rows]
    found += [one for one in kept if one.origin == OWN] + [one for one in kept if one.origin == SHARED]
    asked = words.lower()
    return [
        one
        for one in found
        if (not kind or one.kind == kind)
        and (not risk or one.risk == risk)
        and (not origin or one.origin == origin)
        and (not asked or asked in f"{one.name} {one.for_whom} {one.does} {one.strategy} {one.owner}".lower())
    ]


def template(user: User, key: str) -> TemplateShown:
    """One that the user may use. Raises NotFound for any other."""
    if not key.startswith(PREFIX):
        try:
            return _ready(templates_of_bots.get(key))
        except InputError:
            raise NotFound(_NOT_THERE) from None
    return _kept(user, _row(visible(user), key))


def own_template(user: User, key: str) -> BotTemplate:
    """One of the user's own. Raises NotFound for any other."""
    return _row(BotTemplate.objects.filter(owner=user), key)


def visible(user: User) -> QuerySet[BotTemplate]:
    """Kept templates that the user may use: own ones, and those that others share."""
    return BotTemplate.objects.filter(Q(owner=user) | Q(is_shared=True))


def key_of(row: BotTemplate) -> str:
    """What the address of a kept template ends with."""
    return f"{PREFIX}{row.pk}"


def kinds() -> list[tuple[str, str]]:
    """(kind, words) of the strategies that templates are made of."""
    return [(kind, kind.replace("_", " ")) for kind in sorted({declared.kind for declared in catalogue.all()})]


def _row(rows: QuerySet[BotTemplate], key: str) -> BotTemplate:
    number = key.removeprefix(PREFIX)
    wanted = int(number) if number.isdecimal() and len(number) < 20 and key.startswith(PREFIX) else 0
    row = rows.select_related("owner").filter(pk=wanted).first() if 0 < wanted <= _MAX_ID else None
    if row is None:
        raise NotFound(_NOT_THERE)
    return row


def _ready(one: Template) -> TemplateShown:
    return TemplateShown(
        key=one.slug,
        origin=READY,
        name=one.name,
        for_whom=one.for_whom,
        does=one.does,
        loses=one.loses,
        kind=one.kind,
        risk=one.risk,
        config=one.request(),
        is_shared=True,
    )


def _kept(user: User, row: BotTemplate) -> TemplateShown:
    return TemplateShown(
        key=key_of(row),
        origin=OWN if row.owner_id == user.pk else SHARED,
        name=row.name,
        for_whom=row.for_whom,
        does=row.does,
        loses=row.loses,
        kind=row.kind,
        risk=row.risk,
        config={"name": row.name, **row.config},
        owner=row.owner.username,
        is_shared=row.is_shared,
        uses=row.uses,
        row=row,
    )
