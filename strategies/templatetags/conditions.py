"""How conditions are written on pages: parameters in words, explained trees as nested lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from strategies import conditions, ensemble, explained

register = template.Library()


@register.filter
def outline(evidence: object) -> list[explained.Entry]:
    """The lines of an explained decision; none where its evidence is no tree."""
    return explained.outline(evidence)


@register.filter
def in_words(parameters: Mapping[str, Any], slug: str) -> list[tuple[str, Any]]:
    """(name, value) of each parameter; the trees of conditions as sentences, those that are not there left out."""
    if slug == conditions.Conditions.slug:
        return list(conditions.sentences(parameters).items())
    if slug == ensemble.Ensemble.slug:
        return [
            *ensemble.sentences(parameters).items(),
            ("members", ensemble.Ensemble.members.words(parameters["members"])),
        ]
    return list(parameters.items())
