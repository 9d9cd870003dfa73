"""How conditions are written on pages: parameters in words, explained trees as nested lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from strategies import catalogue, conditions, ensemble, explained

register = template.Library()


@register.filter
def outline(evidence: object) -> list[explained.Entry]:
    """The lines of an explained decision; none where its evidence is no tree."""
    return explained.outline(evidence)


@register.filter
def in_words(parameters: Mapping[str, Any], slug: str) -> list[tuple[str, Any]]:
    """(label, value) of each parameter as its declaration says them; the trees of conditions as sentences, those that
    are not there left out. What this release does not declare stays as it is."""
    if slug == conditions.Conditions.slug:
        return [(name.capitalize(), words) for name, words in conditions.sentences(parameters).items()]
    if slug == ensemble.Ensemble.slug:
        said = {**ensemble.sentences(parameters), "members": ensemble.Ensemble.members.words(parameters["members"])}
        return [(name.capitalize(), words) for name, words in said.items()]
    known = catalogue.registered()
    params = known[slug].params if slug in known else {}
    return [
        (params[name].label, params[name].words(value)) if name in params else (name, value)
        for name, value in parameters.items()
    ]
