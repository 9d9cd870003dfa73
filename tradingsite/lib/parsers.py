"""Reading request bodies: nothing poisoned, ambiguous or bottomless gets past this module.

`parse_json` is also for JSON that arrives otherwise (a form field, an uploaded file). Codes: ``too_large`` (413) and
those of `strict_json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser

from engine.errors import InputError
from tradingsite.lib import strict_json
from tradingsite.lib.errors import TooLarge
from tradingsite.lib.strict_json import MAX_DEPTH, MAX_FAULTS, bad_text
from tradingsite.lib.text import bad_character, printable


def parse_json(raw: bytes | str, *, max_bytes: int | None = None, max_depth: int = MAX_DEPTH) -> Any:
    """JSON text as Python values, or a refusal that names the place of each fault (at most ten).

    Raises TooLarge before anything is decoded when `raw` has more than `max_bytes` (default: the setting
    DATA_UPLOAD_MAX_MEMORY_SIZE), else InputError.
    """
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if max_bytes is None else max_bytes
    if len(raw) > limit:
        raise TooLarge(f"The body has more than {limit} bytes, which is all that this route takes.")
    return strict_json.loads(raw, max_depth=max_depth)


def check_texts(values: Mapping[str, Any]) -> None:
    """The text rule for form fields and query parameters: InputError with the name of each field that breaks it."""
    faults = []
    pairs = values.lists() if isinstance(values, QueryDict) else ((name, [value]) for name, value in values.items())
    for name, texts in pairs:
        if bad := bad_character(name):
            faults.append(bad_text(printable(name), bad))
        faults += [bad_text(name, bad) for text in texts if isinstance(text, str) and (bad := bad_character(text))]
    if faults:
        raise InputError(faults[:MAX_FAULTS])


class StrictJSONParser(BaseParser):
    """The API's JSON. A view may set `max_body_bytes` lower than the site's limit, and `max_json_depth` to its own."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        view = (parser_context or {}).get("view")
        limit = getattr(view, "max_body_bytes", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        depth = getattr(view, "max_json_depth", MAX_DEPTH)
        return parse_json(stream.read(limit + 1), max_bytes=limit, max_depth=depth)


class StrictMultiPartParser(MultiPartParser):
    """Forms with files; the fields under the text rule. What is in the files is for the view to judge."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles:
        form = super().parse(stream, media_type, parser_context)
        check_texts(form.data)
        return form
