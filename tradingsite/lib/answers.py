"""What the answers of many pages share: a refusal told on the next page, figures of this moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, JsonResponse

from engine.errors import InputError
from tradingsite.lib.errors import ApiError, NotFound


@contextmanager
def told(request: HttpRequest, prefix: str = "") -> Iterator[None]:
    """For what a button asked for: a refusal becomes a message, and the caller goes on behind the block.

    NotFound goes through, as there is nothing to go back to.
    """
    try:
        yield
    except NotFound:
        raise
    except InputError as error:
        messages.error(request, prefix + error.faults[0].message)
    except ApiError as refusal:
        messages.error(request, prefix + refusal.message)


def fresh(payload: Mapping[str, Any]) -> JsonResponse:
    """JSON that no browser keeps."""
    return JsonResponse(payload, headers={"Cache-Control": "no-store"})
