"""Who changed what, and when: records of the topic `headrace.audit`, each with an id as its key.

The topic is compacted: what is told twice, after a crash, is there once.
"""

import getpass
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson


def audit_record(
    what: str,
    use_case: str,
    by: str,
    *,
    id: str | None = None,
    **facts: Any,  # the field's own word
) -> tuple[str, bytes]:
    """Key and value of one entry: `what` was done now, to which use case, `by` whom, and the facts of it."""
    key = id or f"{use_case}/{uuid.uuid4()}"
    value = {"id": key, "time": datetime.now(UTC), "what": what, "use_case": use_case, "by": by, **facts}
    return key, orjson.dumps(value, default=str)


def person() -> str:
    """Who runs this command, as the machine knows them."""
    try:
        return f"{getpass.getuser()} by headrace"
    except (OSError, KeyError):
        return "headrace"
