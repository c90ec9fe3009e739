"""How answers are written: JSON with labels of any kind as keys, and null for what is not finite."""

from typing import Any

import orjson
from fastapi import Response

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def reply(content: Any, status: int = 200) -> Response:
    """The answer to a client."""
    return Response(orjson.dumps(content, default=str, option=_OPTIONS), status, media_type="application/json")
