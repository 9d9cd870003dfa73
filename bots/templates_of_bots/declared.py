"""What a ready-made bot says of itself, and the register of all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.errors import Fault, InputError
from strategies import catalogue, session_settings
from strategies.params import shown

Risk = Literal["low", "medium", "high"]
RISKS: dict[str, str] = {"low": "careful", "medium": "balanced", "high": "bold"}
PREFIX = "saved-"  # keys of templates that users keep begin so


@dataclass(frozen=True, slots=True)
class Template:
    """A ready-made bot.

    for_whom: who should look at it. does: how it trades. loses: when it loses money. risk: how much a bad day can cost.
    preset, settings: the rules it trades by, settings over the preset's. config: the rest of a bot's request
    (`bots.services.bot_requests`), without a name.
    """

    slug: str
    name: str
    for_whom: str
    does: str
    loses: str
    risk: Risk
    config: Mapping[str, Any]
    preset: str = session_settings.DEFAULT_PRESET
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Kind of its strategy."""
        return catalogue.get(self.config["strategy"]).kind

    def request(self) -> dict[str, Any]:
        """The body of POST /api/bots that makes this bot."""
        rules = session_settings.as_json(session_settings.preset(self.preset)) | dict(self.settings)
        return {"name": self.name, "description": self.does, **self.config, "settings": rules}


_registry: dict[str, Template] = {}
_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def register(template: Template) -> Template:
    """Offers a template under its slug. Raises ValueError for a bad or taken slug, and for what is left unsaid."""
    if not _SLUG.fullmatch(template.slug) or template.slug.startswith(PREFIX):
        raise ValueError(f"{template.slug!r} is no slug: lower case, digits and hyphens, not beginning with {PREFIX}")
    if _registry.setdefault(template.slug, template) != template:
        raise ValueError(f"the slug {template.slug!r} is taken by {_registry[template.slug].name}")
    empty = [name for name in ("name", "for_whom", "does", "loses") if not getattr(template, name).strip()]
    if empty or template.risk not in RISKS:
        del _registry[template.slug]
        raise ValueError(f"the template {template.slug} does not say its {', '.join(empty) or 'risk'}")
    return template


def get(slug: object) -> Template:
    """The template of that slug. Raises InputError (path ``template``) that names the known ones."""
    found = _registry.get(slug) if isinstance(slug, str) else None
    if found is None:
        hint = f"One of: {', '.join(_registry)}."
        raise InputError(Fault("template", "unknown_choice", f"There is no template {shown(slug)}.", hint))
    return found


def all() -> list[Template]:
    """Every registered template, the shipped ones first."""
    return list(_registry.values())
