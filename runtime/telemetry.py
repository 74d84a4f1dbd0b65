"""Logs: one line per event, `key=value`, on standard error; whoever runs the process keeps them.

    time=2026-11-21T09:30:00.123456Z level=warning service=gateway-1 event="Redis is gone" retry_s=1

A traceback follows its line, indented. What libraries say through `logging` goes the same way.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_NOISY = ("aiokafka", "asyncio", "mail.log", "uvicorn.access", "httpx", "httpcore")
_LOGGED_BY_CALLERS = ("aiokafka", "asyncpg.pool")
"""Libraries that log, with tracebacks, what they raise as well: a server that is away is told once, by us."""
"""Libraries of which only warnings are of interest, whatever the level."""

_logfmt = structlog.processors.LogfmtRenderer(
    key_order=["time", "level", "service", "event"], drop_missing=True, bool_as_flag=False
)


def configure_logs(service: str, level: str) -> None:
    """Sends everything this process logs, from `level` (debug, info, warning, error) up, to stderr."""
    lowest = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _named(service),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    logging.basicConfig(level=lowest, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(lowest, logging.WARNING))
    if lowest > logging.DEBUG:
        for name in _LOGGED_BY_CALLERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _named(service: str) -> Processor:
    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add_service


def _render(logger: WrappedLogger, method: str, event: EventDict) -> str:
    traceback = event.pop("exception", None)
    line = _logfmt(logger, method, event)
    if not traceback:
        return line
    return "\n    ".join([line, *str(traceback).splitlines()])
