"""MinIO on this machine: the S3 server that most who run their own have, built by Go."""

import os
import shutil
import time
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from headrace.local.ports import LOOPBACK, free_port
from headrace.local.processes import Child
from headrace.local.server import LocalServer

BUCKET = "headrace"
BUILT = "MINIO_BUILT"
"""Names the file that gets the exit code of a build that still runs."""
_KEYS = {"MINIO_ROOT_USER": "headrace", "MINIO_ROOT_PASSWORD": "a-secret-for-tests"}
_BUILD_S = 1_200.0


class LocalMinIO(LocalServer):
    """A server with its data below `home`."""

    name = "MinIO"
    start_s = 60.0

    def __init__(self, program: Path, home: Path) -> None:
        self.port = free_port()
        self._data = home.absolute() / "minio" / "data"
        command: list[str | Path] = [program, "server", "--address", f"{LOOPBACK}:{self.port}", "--quiet", self._data]
        log = home.absolute() / "logs" / "minio.log"
        self.child = Child(
            "minio", command, log=log, environment=_KEYS | {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
        )

    @property
    def environment(self) -> dict[str, str]:
        """What S3 clients read."""
        return {
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{self.port}",
            "AWS_ACCESS_KEY_ID": _KEYS["MINIO_ROOT_USER"],
            "AWS_SECRET_ACCESS_KEY": _KEYS["MINIO_ROOT_PASSWORD"],
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def url(self, prefix: str) -> str:
        """The address of a place in its bucket."""
        return f"s3://{BUCKET}/{prefix}"

    def prepare(self) -> None:
        """A folder is a bucket."""
        (self._data / BUCKET).mkdir(parents=True, exist_ok=True)

    def reachable(self) -> bool:
        store = S3Store(
            BUCKET,
            endpoint=f"http://{LOOPBACK}:{self.port}",
            access_key_id=_KEYS["MINIO_ROOT_USER"],
            secret_access_key=_KEYS["MINIO_ROOT_PASSWORD"],
            region="us-east-1",
            client_options={"allow_http": True, "timeout": "2s"},
            retry_config={"max_retries": 0},
        )
        try:
            obstore.list_with_delimiter(store)
        except (BaseError, OSError):
            return False
        return True


def program() -> Path:
    """Where it is; the test is skipped where it is not, and fails where a build was to bring it."""
    built = os.environ.get(BUILT)
    if built is not None:
        _wait_for(Path(built))
    gobin = Path(os.environ.get("GOPATH") or Path.home() / "go") / "bin"
    found = shutil.which("minio") or shutil.which("minio", path=gobin)
    if found is None:
        say = pytest.skip if built is None else pytest.fail
        say("there is no MinIO on the PATH or in Go's folder: `go install github.com/minio/minio@latest` builds one")
    return Path(found)


def _wait_for(built: Path) -> None:
    deadline = time.monotonic() + _BUILD_S
    while not built.read_text().strip():
        if time.monotonic() > deadline:
            pytest.fail(f"MinIO was not built within {_BUILD_S:.0f} s")
        time.sleep(0.5)
