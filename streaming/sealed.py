"""The format of everything that we pickle: a JSON header and a zstd body, signed with HMAC-SHA256.

    HEADRACE 1\\n  <header as JSON>\\n  <signature, 64 hex digits>\\n  <body>

The signature covers the header, the header holds the body's SHA-256: nothing is unpickled before both are verified.
"""

import hashlib
import hmac
import platform
from importlib.metadata import version
from typing import Any

import orjson
import zstandard

from streaming.errors import Damaged

_MAGIC = b"HEADRACE 1\n"
Header = dict[str, Any]


def library_version() -> str:
    """River's version: a pickle of another major.minor is not loaded."""
    return version("river")


def same_library(version: str) -> bool:
    """Whether what this River wrote can be loaded by ours."""
    return version.split(".")[:2] == library_version().split(".")[:2]


def seal(header: Header, content: bytes, key: bytes) -> bytes:
    """Compress, describe and sign `content`."""
    body = zstandard.ZstdCompressor(level=1).compress(content)
    full = header | {
        "library": "river",
        "library_version": library_version(),
        "python": platform.python_version(),
        "size": len(content),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    head = orjson.dumps(full)
    return _MAGIC + head + b"\n" + _sign(head, key) + b"\n" + body


def read_header(sealed: bytes, key: bytes) -> Header:
    """The header of a sealed object, its signature verified; `Damaged` says what is wrong."""
    return _split(sealed, key)[0]


def unseal(sealed: bytes, key: bytes) -> tuple[Header, bytes]:
    """Header and content, signature and checksum verified; `Damaged` says what is wrong."""
    header, body = _split(sealed, key)
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), str(header["sha256"])):
        raise Damaged("its body is not the one that was written (checksum)")
    content = zstandard.ZstdDecompressor().decompress(body, max_output_size=header["size"]) if header["size"] else b""
    return header, content


def _split(sealed: bytes, key: bytes) -> tuple[Header, bytes]:
    if not sealed.startswith(_MAGIC):
        raise Damaged("it is not one of ours, or its beginning is lost")
    parts = sealed[len(_MAGIC) :].split(b"\n", 2)
    if len(parts) != 3:
        raise Damaged("it is cut short")
    head, signature, body = parts
    if not hmac.compare_digest(_sign(head, key), signature):
        raise Damaged("its signature is wrong (changed, or signed with another HEADRACE_SIGNING_KEY)")
    header: Header = orjson.loads(head)
    return header, body


def _sign(head: bytes, key: bytes) -> bytes:
    return hmac.new(key, _MAGIC + head, hashlib.sha256).hexdigest().encode()
