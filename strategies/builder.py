"""What the builder page is drawn from: the indicators as they are declared, templates, and where it sends what."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from accounts.models import User
from strategies import indicators
from strategies.models import TREES, CustomStrategy
from strategies.services import custom
from strategies.starters import STARTERS

SHORT_NAME = 4  # letters of a name that people write in capitals: RSI, MACD
_PARAM_KEYS = ("name", "type", "default", "min", "max", "step", "choices", "label", "help", "unit")


def page_data(user: User, row: CustomStrategy | None, *, read_only: bool) -> dict[str, Any]:
    """JSON-ready. row: the strategy that is changed or looked at; None for a new one."""
    return {
        "indicators": [_indicator(declared) for declared in indicators.all()],
        "starters": [starter.as_dict() for starter in STARTERS],
        "strategy": None if row is None else _strategy(row),
        "read_only": read_only,
        "may_save": not read_only and user.tier.allows_custom_strategies,
        "draft_key": f"{user.pk}:{row.pk if row else 'new'}",
        "urls": {
            "validate": reverse("strategies-api:custom-validate"),
            "test": reverse("strategies-api:custom-test"),
            "save": reverse("strategies-api:custom-detail", args=[row.pk]) if row else reverse("strategies-api:custom"),
            "detail": reverse("strategies:custom-detail", args=[0]),
        },
    }


def _indicator(declared: indicators.Indicator) -> dict[str, Any]:
    name = declared.name
    return {
        "name": name,
        "label": declared.label,
        "short": name.upper() if len(name) <= SHORT_NAME else declared.label,
        "outputs": [{"name": output, "label": _words(output)} for output in declared.outputs],
        "params": [{key: param.declaration()[key] for key in _PARAM_KEYS} for param in declared.params.values()],
    }


def _strategy(row: CustomStrategy) -> dict[str, Any]:
    return {
        "name": row.name,
        "description": row.description,
        "updated_at": row.updated_at.isoformat(),
        **{f"{name}_conditions": getattr(row, f"{name}_conditions") for name in TREES},
        "sentences": custom.sentences(row.parameters),
    }


def _words(output: str) -> str:
    """``plus_di`` as people read it."""
    return output.replace("_", " ").capitalize() if len(output) > 2 else f"%{output.upper()}"
