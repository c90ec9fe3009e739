"""The key that signs checkpoints and models."""

import os
import secrets
from collections.abc import Iterable

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streaming import metrics
from streaming.errors import HeadraceError
from streaming.settings import SIGNING_KEY_FILE, Settings


class _Made(Collector):
    """When the key's file was made, in processes that have signed or verified with it."""

    time_s: float | None = None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return [] if self.time_s is None else [metrics.SIGNING_KEY_TIME.family({(): self.time_s})]


_made = _Made()
REGISTRY.register(_made)


def signing_key(settings: Settings) -> bytes:
    """HEADRACE_SIGNING_KEY; a store that is a local folder gets a key of its own, made once, readable by its owner."""
    if settings.signing_key is not None:
        return settings.signing_key.get_secret_value().encode()
    if not settings.store.startswith("file://"):
        raise HeadraceError(f"HEADRACE_SIGNING_KEY is not set, and {settings.store} is not a local folder: set the key")
    try:
        key = _local_key()
        _made.time_s = SIGNING_KEY_FILE.stat().st_mtime
        return key  # noqa: TRY300
    except OSError as error:
        raise HeadraceError(f"the signing key {SIGNING_KEY_FILE} cannot be made or read: {error.strerror}") from None


def verifying_key(settings: Settings) -> bytes:
    """The same for a reader, which never makes a key: nothing was signed with a new one."""
    if settings.signing_key is not None:
        return settings.signing_key.get_secret_value().encode()
    try:
        return _read()
    except OSError:
        where = SIGNING_KEY_FILE.absolute()
        raise HeadraceError(f"HEADRACE_SIGNING_KEY is not set, and there is no {where}: set the key") from None


def _local_key() -> bytes:
    SIGNING_KEY_FILE.parent.mkdir(parents=True, exist_ok=True)
    if not SIGNING_KEY_FILE.exists():
        # A name of its own: in two containers over one folder both processes may have the same number.
        fresh = SIGNING_KEY_FILE.with_name(f"{SIGNING_KEY_FILE.name}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(descriptor)  # after a power failure: the whole key or none
            os.link(fresh, SIGNING_KEY_FILE)  # and never over another process's key
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return _read()


def _read() -> bytes:
    """The key in the file, which its owner alone may read."""
    mode = SIGNING_KEY_FILE.stat().st_mode & 0o777
    if mode & 0o077:
        raise HeadraceError(
            f"the signing key {SIGNING_KEY_FILE} must be its owner's alone (mode 600), got {mode:o}: "
            f"`chmod 600 {SIGNING_KEY_FILE}` if nobody else has read it, else set HEADRACE_SIGNING_KEY to a new key"
        )
    key = SIGNING_KEY_FILE.read_text().strip().encode()
    if not key:
        raise HeadraceError(f"the signing key {SIGNING_KEY_FILE} is empty: delete the file, and another one is made")
    return key
