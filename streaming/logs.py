"""Log lines: one per change of state, none per event; for people on a terminal, JSON anywhere else by setting."""

import logging
import sys
from typing import Any, Literal, TypeAlias

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Form: TypeAlias = Literal["text", "json"]


def set_up_logs(form: Form = "text", **context: str) -> None:
    """Write log lines to stderr, those of libraries too; `context` stands in each of them as JSON."""

    def in_context(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
        return {**context, **fields}

    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *([in_context] if form == "json" else []),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _json() if form == "json" else _text()
    structlog.configure(
        processors=[*common, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _adopt(common, last)


def are_json() -> bool:
    """Whether lines for a collector are written, so that nothing else may stand between them."""
    return any(isinstance(one, structlog.processors.JSONRenderer) for one in structlog.get_config()["processors"])


def _text() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)]


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]


def _dumps(fields: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


_NOT_SAID = (
    "Exception in ASGI application",  # said by us
    "Invalid HTTP request received.",  # this and the next: a line for each, and strangers may send as many as they like
    "Unsupported upgrade request.",
    "No supported WebSocket library detected.",
)


class _Adopted(logging.StreamHandler[Any]):
    """Where the lines of libraries go."""


def _adopt(common: list[Processor], last: list[Processor]) -> None:
    """Warnings of libraries leave in the same form."""
    handler = _Adopted(sys.stderr)
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=common, processors=[meta, *last]))
    handler.addFilter(lambda record: not record.getMessage().startswith(_NOT_SAID))
    handler.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.handlers = [*(other for other in root.handlers if not isinstance(other, _Adopted)), handler]
