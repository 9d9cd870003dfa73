"""Log lines: one JSON object a line for machines, or coloured text for a person; secrets are masked in both.

No Django here: it is read while the settings are being made.
"""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

MASK = "•••"

# Names of fields whose values never reach a log, whatever they hold.
_SECRET_NAME = re.compile(
    r"pass(word|wd)?$|secret|token|authori[sz]ation|api_?key|cookie|credential|private|^dsn$", re.I
)
# The same inside running text: bearer tokens, JWTs, the password in a URL, and name=value pairs.
_SECRET_TEXT = [
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w\-.~+/]{8,}=*"), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), MASK),
    (re.compile(r"(://[^\s:/@]*):[^\s@/]+@"), rf"\1:{MASK}@"),
    (re.compile(r"\d{6,}:[\w-]{30,}"), MASK),  # a Telegram bot's token, which stands in addresses
    (
        re.compile(
            r"(?i)\b(\w*(?:password|passwd|secret|token|api_?key|cookie)\w*[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}]+"
        ),
        rf"\1{MASK}",
    ),
]


def redact(text: str) -> str:
    """`text` with everything that looks like a secret masked."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: MASK if _SECRET_NAME.search(str(key)) else _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_redacted(inner) for inner in value]
    return value


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: masks secret fields by name and secret-looking text everywhere, tracebacks included."""
    for key, value in event.items():
        if not key.startswith("_"):  # the formatter's own bookkeeping
            event[key] = MASK if _SECRET_NAME.search(key) else _redacted(value)
    return event


def is_no_probe(record: logging.LogRecord) -> bool:
    """False for Django's line about a 503 of /health: the probe itself tells, and it asks every few seconds."""
    return not getattr(getattr(record, "request", None), "path_info", "").startswith("/health")


def _without_color(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("color_message", None)  # uvicorn's second copy of its message, for terminals
    return event


def logging_config(style: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: everything to standard error, through one formatter.

    `style` is "json" or "console", `level` a level name. Raises ValueError for any other style.
    """
    if style not in {"json", "console"}:
        raise ValueError(f"LOG_FORMAT is json or console, not {style!r}")
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _without_color,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last = structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "lines": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, mask_secrets, last],
            }
        },
        "filters": {"no_probe": {"()": "django.utils.log.CallbackFilter", "callback": is_no_probe}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            # Django and uvicorn install handlers of their own unless told otherwise: every line would appear twice.
            "django": {"handlers": [], "propagate": True},
            "django.request": {"filters": ["no_probe"]},
            "django.server": {"handlers": [], "propagate": True},
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "propagate": False},
            "celery": {"handlers": [], "propagate": True},
            # Its line for each request has the whole address, and Telegram's has a token in it.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            # A line for each tick and each task says nothing; the task's own lines do.
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
        },
    }
