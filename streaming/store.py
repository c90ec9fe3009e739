"""The object store: a local folder or S3, with put-if-absent."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

from streaming.errors import HeadraceError, Unavailable

if TYPE_CHECKING:  # obstore has these for type checkers alone
    from obstore.store import ClientConfig, RetryConfig

# What does not work within seconds is the caller's to try again: minutes in here would hold up an orderly end.
_CLIENT: "ClientConfig" = {"allow_http": True, "connect_timeout": "5s", "timeout": "60s"}
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}


class Store:
    """Objects by name below one root; errors say which object and why."""

    def __init__(self, url: str) -> None:
        """Open `file:///folder` (made if missing) or `s3://bucket/prefix` (credentials from AWS_*)."""
        self.url = url.rstrip("/")
        self._store: ObjectStore
        try:
            if url.startswith("file://"):
                root = Path(url.removeprefix("file://"))
                root.mkdir(parents=True, exist_ok=True)
                self._store = LocalStore(root)
            elif url.startswith("s3://"):
                self._store = S3Store.from_url(url, client_options=_CLIENT, retry_config=_RETRIES)
            else:
                raise HeadraceError(f"HEADRACE_STORE must be file:///folder or s3://bucket/prefix, got {url!r}")
        except OSError as error:
            raise HeadraceError(f"the store {url} cannot be opened: {error.strerror or error}") from None
        except (BaseError, ValueError) as error:
            raise HeadraceError(f"the store {url} cannot be opened: {_first_line(error)}") from None

    def get(self, name: str) -> bytes | None:
        """The object's bytes, or None when there is none."""
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise self._unavailable("read", name, error) from None

    def put_new(self, name: str, content: bytes | Path) -> bool:
        """Write an object that must not exist yet; False when it does."""
        try:
            obstore.put(self._store, name, content, mode="create", use_multipart=False)
        except (AlreadyExistsError, FileExistsError):
            return False
        except (BaseError, OSError) as error:
            raise self._unavailable("written", name, error) from None
        return True

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens when there is none."""
        try:
            obstore.delete(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise self._unavailable("deleted", name, error) from None

    def names(self, prefix: str) -> list[str]:
        """The names of the objects below a folder, sorted, without the folder."""
        try:
            found = [entry["path"] for batch in obstore.list(self._store, prefix) for entry in batch]
        except (NotFoundError, FileNotFoundError):
            return []
        except (BaseError, OSError) as error:
            raise self._unavailable("listed", prefix, error) from None
        return sorted(path.removeprefix(prefix).lstrip("/") for path in found)

    def _unavailable(self, what: str, name: str, error: Exception) -> Unavailable:
        return Unavailable(f"{self.url}/{name} cannot be {what}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
