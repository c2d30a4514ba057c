"""Log lines as JSON or text, each with the ids of the request that it is about. Audio is never logged."""

from __future__ import annotations

import logging
from typing import Any

from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry import failures, tracing

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
TEXT_FIELDS = (
    "method",
    "route",
    "status",
    "code",
    "close_code",
    "windows",
    "heard_s",
    "duration_s",
    "repeated",
    "request_id",
)
JSON_FIELDS = "{asctime}{levelname}{name}{message}"


class TraceFilter(logging.Filter):
    """Adds `request_id`, `trace_id` and `span_id` to lines that are written while a request is answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every line pass."""
        if trace := tracing.current.get():
            record.request_id = trace.request_id
            record.trace_id = trace.trace_id
            record.span_id = trace.span_id
        return True


class TextFormatter(logging.Formatter):
    """One line a record with the fields that people look for; none of them is free text of a client."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message, then `name=value` for each field that the record has."""
        fields = ((name, getattr(record, name, None)) for name in TEXT_FIELDS)
        return " ".join([super().formatMessage(record), *(f"{name}={value}" for name, value in fields if value)])


def config(settings: Settings) -> dict[str, Any]:
    """For `logging.config.dictConfig`: everything goes to standard error, gunicorn's own lines too."""
    json_lines = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "format": JSON_FIELDS,
        "style": "{",
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        "datefmt": "%Y-%m-%dT%H:%M:%S%z",
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"trace": {"()": TraceFilter}, "once": {"()": failures.OncePerCause}},
        "formatters": {"json": json_lines, "text": {"()": TextFormatter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": settings.log_format, "filters": ["trace"]}
        },
        "root": {"level": settings.log_level, "handlers": ["stderr"]},
        "loggers": {
            failures.NAME: {"filters": ["once"]},
            "gunicorn.error": {"level": settings.log_level, "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }
