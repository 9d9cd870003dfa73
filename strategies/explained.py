"""An explained tree as people read it: a nested list, each line with what it came to. Plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from strategies import conditions

_GROUPS = {"and": "All of these", "or": "Any of these", "not": "None of these"}
_NAMES = {"buy": "Buy", "sell": "Sell", "short": "Sell short", "cover": "Cover"}
_VERDICTS = {True: "true", False: "false", None: "not known yet"}


class Entry(TypedDict):
    """One line: what was asked, what it came to (in a word, and as true, false or None), and the lines below it."""

    text: str
    verdict: str
    true: bool | None
    children: list[Entry]


def outline(evidence: object) -> list[Entry]:
    """One entry for each explained tree of `Conditions.evidence`, by its name; none for other evidence."""
    if not isinstance(evidence, Mapping):
        return []
    given = {label: evidence.get(name) for name, label in _NAMES.items()}
    return [_tree(label, tree) for label, tree in given.items() if isinstance(tree, Mapping) and "is" in tree]


def _tree(label: str, tree: Mapping[str, Any]) -> Entry:
    entry = _entry(tree)
    # "All of these" as the only line below the label would say nothing.
    plain = tree["type"] == "and" and "for_bars" not in tree
    children = entry["children"] if plain else [entry]
    return Entry(text=label, verdict=entry["verdict"], true=entry["true"], children=children)


def _entry(node: Mapping[str, Any]) -> Entry:
    if node["type"] == "compare":
        text, children = conditions.sentence(dict(node)), []
    else:
        text, children = _GROUPS[node["type"]], [_entry(child) for child in node["children"]]
        if "for_bars" in node:
            text += f", held for {node['for_bars']:,} bars"
    return Entry(text=text, verdict=_VERDICTS[node["is"]], true=node["is"], children=children)
