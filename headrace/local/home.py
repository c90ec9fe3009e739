"""The state folder of a working directory: one `headrace up` at a time, and the addresses of what it started."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streaming.errors import HeadraceError
from streaming.settings import LOCAL_ENV, STATE_DIR


@contextmanager
def claimed(folder: Path = STATE_DIR) -> Iterator[Path]:
    """Hold the folder; what an `up` that was killed has left there counts no more. Gives the absolute path."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "up.lock").open("a+")
    except OSError as error:
        raise HeadraceError(f"the folder {folder.absolute()} cannot be used: {error.strerror}") from None
    with file:
        _lock(file.fileno(), folder)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        retract(folder)
        try:
            yield folder.absolute()
        finally:
            retract(folder)


def _lock(descriptor: int, folder: Path) -> None:
    """Take the lock; the kernel gives it back when we end, however we end."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = (folder / "up.lock").read_text().strip() or "unknown"
        where = folder.absolute().parent
        raise HeadraceError(f"`headrace up` runs in {where} already (process {owner}): stop that one first") from None


def publish(settings: Mapping[str, str], folder: Path = STATE_DIR) -> None:
    """Write the settings that find the local servers, for commands that are started in this working directory."""
    target = folder / LOCAL_ENV.name
    fresh = target.with_suffix(".new")
    descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
    fresh.replace(target)


def retract(folder: Path = STATE_DIR) -> None:
    """Remove those settings."""
    (folder / LOCAL_ENV.name).unlink(missing_ok=True)
