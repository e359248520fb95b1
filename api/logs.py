"""Structured logs: one line per event, JSON for machines or text for people, always to standard error."""

import logging
import sys
from typing import Any

import structlog

_debugging = False


def debugging() -> bool:
    """Whether lines of the level `debug` are written at all: even to drop one costs something."""
    return _debugging


def configure(level: str, form: str) -> None:
    """Set up logging for this process: ours, and what libraries say through the standard library."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    global _debugging  # noqa: PLW0603  one configuration per process
    _debugging = level.lower() == "debug"
    # Without the values of variables: they are long, and nobody's business.
    tracebacks = structlog.dev.RichTracebackFormatter(show_locals=False, max_frames=20)
    console = structlog.dev.ConsoleRenderer(exception_formatter=tracebacks)
    renderer: Any = structlog.processors.JSONRenderer() if form == "json" else console
    rendering = [structlog.processors.format_exc_info, renderer] if form == "json" else [renderer]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=rendering_of(renderer))
    )
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, getattr(logging, level.upper())), force=True)


def rendering_of(renderer: Any) -> list[Any]:
    """How lines of the standard library's loggers are finished."""
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, renderer]
