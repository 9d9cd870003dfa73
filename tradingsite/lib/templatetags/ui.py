"""The components of the pages, each once. docs/ui.md shows how a page uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.http import HttpRequest, QueryDict
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

THEMES = ("light", "dark")
PALETTES = ("safe",)

# state → (word, kind of pill, icon): a state is told by word and icon, the colour only helps
STATES: dict[str, tuple[str, str, str]] = {
    "QUEUED": ("Waiting", "", "clock"),
    "RUNNING": ("Running", "info", "clock"),
    "WAITING": ("Waiting", "", "clock"),
    "SENT": ("Sent", "good", "check"),
    "DONE": ("Finished", "good", "check"),
    "FAILED": ("Failed", "bad", "error"),
    "REFUSED": ("Refused", "bad", "error"),
    "CANCELED": ("Canceled", "warn", "close"),
}


@register.simple_tag(takes_context=True)
def theme_attributes(context: template.Context) -> SafeString:
    """The attributes of <html> for the remembered theme and palette; rendered here, so no page flashes.

    What this browser was told last (a cookie) stands over the choice in the user's settings.
    """
    request: HttpRequest | None = context.get("request")
    cookies = request.COOKIES if request else {}
    theme = cookies.get("theme") or getattr(getattr(request, "user", None), "theme", "")
    palette = cookies.get("palette")
    return format_html(
        "{}{}",
        format_html(' data-theme="{}"', theme) if theme in THEMES else "",
        format_html(' data-palette="{}"', palette) if palette in PALETTES else "",
    )


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """One icon of the sprite. Without `label` it is decoration and hidden from screen readers."""
    sprite = f"{static('img/icons.svg')}#{name}"
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="{}"></use></svg>', label, sprite)
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"></use></svg>', sprite)


@register.simple_tag(takes_context=True)
def current(context: template.Context, section: str) -> SafeString | str:
    """`aria-current="page"` when the page belongs to this section of the rail: a namespace, or the name of one page."""
    request: HttpRequest | None = context.get("request")
    match = request.resolver_match if request else None
    return SafeString(' aria-current="page"') if match and section in (match.namespace, match.view_name) else ""


@register.inclusion_tag("components/stat.html")
def stat(label: str, value: object, note: object = "", help: str = "") -> dict[str, object]:
    """A stat tile: label, value, and beside it a quiet note (the benchmark's value, a convention)."""
    return {"label": label, "value": value, "note": note, "help": help}


@register.inclusion_tag("components/status_pill.html")
def status_pill(state: str) -> dict[str, str]:
    """A state as word, icon and colour."""
    word, kind, icon_name = STATES.get(str(state).upper(), (str(state).replace("_", " ").capitalize(), "", "info"))
    return {"word": word, "kind": kind, "icon_name": icon_name}


@register.inclusion_tag("components/empty_state.html")
def empty_state(
    title: str,
    text: str,
    url: str = "",
    action: str = "",
    icon_name: str = "backtests",
    example_url: str = "",
    example: str = "",
) -> dict[str, str]:
    """What this page is for, one action, and an example to look at."""
    return {
        "title": title,
        "text": text,
        "url": url,
        "action": action,
        "icon_name": icon_name,
        "example_url": example_url,
        "example": example,
    }


@register.inclusion_tag("components/error_state.html")
def error_state(
    title: str, happened: str, kept: str = "", todo: str = "", request_id: str = "", url: str = "", action: str = ""
) -> dict[str, str]:
    """What happened, what was kept, what to do, and the request id for a report."""
    return {
        "title": title,
        "happened": happened,
        "kept": kept,
        "todo": todo,
        "request_id": request_id,
        "url": url,
        "action": action,
    }


@register.inclusion_tag("components/skeleton.html")
def skeleton(lines: int = 3) -> dict[str, range]:
    """Grey lines in the place of what is being loaded."""
    return {"lines": range(lines)}


def singular(plural: str) -> str:
    """One of them: ``bots`` → ``bot``, ``strategies`` → ``strategy``; ``series`` stays."""
    if plural == "series":
        return plural
    return plural[:-3] + "y" if plural.endswith("ies") else plural.removesuffix("s")


@register.inclusion_tag("components/pager.html", takes_context=True)
def pager(context: template.Context, page: Any, what: str = "rows", param: str = "page") -> dict[str, object]:
    """The pages of a Django `Page`; every other part of the address stays as it is."""
    request: HttpRequest | None = context.get("request")

    def url(number: int) -> str:
        query = request.GET.copy() if request else QueryDict(mutable=True)
        query[param] = str(number)
        return f"?{query.urlencode()}"

    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return {
        "page": page,
        "what": singular(what) if page.paginator.count == 1 else what,
        "numbers": [(number, url(number) if isinstance(number, int) else "") for number in numbers],
        "previous_url": url(page.previous_page_number()) if page.has_previous() else "",
        "next_url": url(page.next_page_number()) if page.has_next() else "",
    }


@register.inclusion_tag("components/sort_header.html", takes_context=True)
def sort_header(
    context: template.Context,
    name: str,
    label: str,
    sort: str = "",
    number: bool = False,
    param: str = "sort",
    page_param: str = "page",
) -> dict[str, object]:
    """A column head that sorts: `sort` is the sort in force (``name`` ascending, ``-name`` descending)."""
    descending_first = number  # with figures, the largest first is what one looks for
    orders = [f"-{name}", name] if descending_first else [name, f"-{name}"]
    direction = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
    follow = orders[1] if sort == orders[0] else orders[0]
    request: HttpRequest | None = context.get("request")
    query = request.GET.copy() if request else QueryDict(mutable=True)
    query[param] = follow
    query.pop(page_param, None)
    return {
        "label": label,
        "number": number,
        "direction": direction,
        "url": f"?{query.urlencode()}",
    }


@register.inclusion_tag("components/table_menu.html")
def table_menu(table: str) -> dict[str, str]:
    """Column picker and density of the `<table data-table="…">` of that name, remembered by the browser."""
    return {"table": table}


@register.inclusion_tag("components/chart_card.html")
def chart_card(
    id: str,
    title: str,
    summary: str = "",
    size: str = "medium",
    note: str = "",
    ranges: bool = False,
    modes: Iterable[tuple[str, str]] = (),
    mode: str = "",
    switches: Iterable[tuple[str, str, bool]] = (),
    attribution: bool = False,
) -> dict[str, object]:
    """A chart in its card: its height is kept free before it is drawn (`size` small, medium, large), tools on the
    right, and `summary`, the same content in words for who cannot see it.

    modes: (key, label) of which one is in force, at first `mode`, or the first one. switches: (key, label, on at
    first) for parts of the chart that can be turned on and off.
    """
    return {
        "id": id,
        "title": title,
        "summary": summary,
        "size": size,
        "note": note,
        "ranges": ("1M", "6M", "1Y", "5Y", "All") if ranges else (),
        "modes": modes,
        "mode": mode or next((key for key, _label in modes), ""),
        "switches": switches,
        "attribution": attribution,
    }


@register.inclusion_tag("components/progress_card.html")
def progress_card(
    id: str, title: str, done: int = 0, total: int = 0, elapsed_s: float | None = None
) -> dict[str, object]:
    """Progress of a long piece of work: bar, done of total, rate, time left; the page adds its cancel form below."""
    return {"id": id, "title": title, "done": done, "total": total, "elapsed_s": elapsed_s}


def field_id(path: str) -> str:
    """The id of the control for an input path: ``settings.stop_loss_pct`` → ``f-settings-stop_loss_pct``."""
    return "f-" + re.sub(r"[^A-Za-z0-9_]+", "-", path).strip("-")


register.filter("field_id", field_id)

NUMERIC = ("int", "float", "ratio", "pct", "money")
# Edited on pages of their own.
STRUCTURED = frozenset(("conditions", "members", "validators", "groups", "views", "bounds"))
SLIDER_STEPS = range(4, 1001)  # fewer steps need no slider, more cannot be hit with one


@register.inclusion_tag("components/param_field.html")
def param_field(
    declaration: Mapping[str, Any], value: object = None, error: str = "", prefix: str = ""
) -> dict[str, object]:
    """A form field made from a parameter's declaration: label, unit, control within its bounds, help, inline error.

    declaration: what `strategies.params.Param.declaration()` gives.
    value: what to show; the default where it is None. prefix: put before the name (``settings`` → ``settings.x``).
    """
    name = f"{prefix}.{declaration['name']}" if prefix else str(declaration["name"])
    kind = str(declaration.get("type", "text"))
    shown = declaration.get("default") if value is None else value
    numeric = kind in NUMERIC
    low, high = declaration.get("min"), declaration.get("max")
    step = declaration.get("step") or (1 if kind == "int" else "any")
    slider = numeric and None not in (low, high) and step != "any" and not declaration.get("optional")
    slider = slider and round((high - low) / step) in SLIDER_STEPS
    choices = declaration.get("choices") or ()
    structured = kind in STRUCTURED
    return {
        "id": field_id(name),
        "name": name,
        "kind": "structured" if structured else "number" if numeric else kind,
        "words": _summed_up(shown) if structured else "",
        "label": declaration.get("label") or str(declaration["name"]).replace("_", " ").capitalize(),
        "unit": declaration.get("unit") or "",
        "help": declaration.get("help") or "",
        "bounds": _bounds(low, high) if numeric else "",
        "min": low,
        "max": high,
        "step": step,
        "value": _as_json(shown) if structured else _shown(shown),
        "checked": shown in (True, "true", "on", "1"),
        "picked": shown if isinstance(shown, list | tuple) else (),
        "choices": choices,
        "optional": bool(declaration.get("optional")),
        "slider": slider,
        "error": error,
    }


def _as_json(value: object) -> str:
    """A structured value as the text that its parameter reads back; text is what was sent, and stays."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _summed_up(value: object) -> str:
    """What a structured value holds, in a few words: it is edited on a page of its own."""
    if value in (None, "", [], ()):
        return "none"
    try:
        held = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return "unreadable"
    if not isinstance(held, list | tuple):
        return "as saved"
    called = ("name", "strategy", "type", "symbol")
    words = [next(filter(None, map(entry.get, called)), None) for entry in held if isinstance(entry, dict)]
    return ", ".join(str(word).replace("_", " ") for word in words if word)


def _shown(value: object) -> str:
    """A value as its control shows it: 5.0 as 5, nothing as an empty control."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:,.10g} to {high:,.10g}"
    return f"at least {low:,.10g}" if low is not None else f"at most {high:,.10g}" if high is not None else ""
