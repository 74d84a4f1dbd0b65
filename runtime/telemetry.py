"""Logs: one line per event, `key=value`, on standard error; the process manager stores them.

    time=2026-11-21T09:30:00.123456Z level=warning service=gateway-1 event=redis_unavailable retry_s=1

A traceback follows its line, indented. Records of libraries through `logging` have the same form.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_NOISY = ("aiokafka", "asyncio", "mail.log", "uvicorn.access", "httpx", "httpcore")
"""Libraries of which only warnings are logged, at every level."""
_LOGGED_BY_CALLERS = ("aiokafka", "asyncpg.pool")
"""Libraries that both log and raise their errors: the caller logs them, once."""

_logfmt = structlog.processors.LogfmtRenderer(
    key_order=["time", "level", "service", "event"], drop_missing=True, bool_as_flag=False
)


def configure_logs(service: str, level: str) -> None:
    """Writes log events of this process from `level` (debug, info, warning, error) up to stderr."""
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
