"""The headers of a record that was sent back: which dead letter it was, and whom it is for."""

from typing import Any

from confluent_kafka import Message

ORIGIN = "headrace-origin"
"""The key of the dead letter: `<topic>/<partition>/<offset>`, with `/<use case>` when a handler had refused it."""
FOR = "headrace-for"
"""The one use case that the record is for: everybody else has used the original."""


def origin_of(message: Message) -> str | None:
    """The key of the dead letter that this record was; None for most records."""
    return _header(message, ORIGIN)


def is_for_another(message: Message, reader: str | None) -> bool:
    """Whether `reader` (a use case; None: the archive) must pass this record over."""
    headers = message.headers()
    return bool(headers) and _header(message, FOR) not in (None, reader)


def _header(message: Message, wanted: str) -> str | None:
    headers: Any = message.headers() or ()
    return next((value.decode(errors="replace") for name, value in headers if name == wanted and value), None)
