"""Operators' log lines: JSON, one line each, from an allow-list of fields.

A field that is not on the list is dropped, whatever it holds: a log line cannot carry what no
one thought about. Of anything but text, numbers and times only its type is written: an exception
may quote what it was given. The disclosure log is not this log.
"""

import logging
import sys
from typing import Final

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

FIELDS: Final = frozenset(
    {
        "event", "level", "timestamp", "adapter", "alert", "agency", "approval", "attempt",
        "channel", "code", "count", "endpoint", "error", "event_ref", "feed", "form", "kind",
        "mesh_id", "outcome", "port", "question", "recipient", "role", "route", "rulebook", "size",
        "slot", "staff", "subject", "witness", "workers",
    }
)  # fmt: skip


def allow_listed(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Keep the fields on the list and drop the rest. Pure."""
    return {name: value for name, value in line.items() if name in FIELDS}


def configure() -> None:
    """Send structlog lines to standard error; keep libraries' loggers to their level and name."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            allow_listed,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # A library's message or traceback may quote what it was given: keep where, drop what.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Nameless())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _Nameless(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        line = {"event": f"library:{record.name}", "level": record.levelname.lower()}
        return _dumps(line | ({"error": error} if error else {}))


def _dumps(value: object, **_options: object) -> str:
    return orjson.dumps(value, default=lambda one: type(one).__name__).decode()
