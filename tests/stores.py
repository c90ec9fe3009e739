"""Where state and archive may live: a folder, SeaweedFS, MinIO. `from tests.stores import ...` brings the fixtures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.local.s3 import LocalS3
from tests.minio import LocalMinIO, program
from tests.s3 import s3
from tests.support import unique

__all__ = ["Place", "make_place", "minio", "s3"]


@dataclass(frozen=True)
class Place:
    """A store of one's own, and what clients need in their environment to reach it."""

    url: str
    environment: Mapping[str, str]


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMinIO]:
    """A server that lives as long as the test run."""
    with LocalMinIO(program(), tmp_path_factory.mktemp("minio")) as server:
        yield server


def make_place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    """A new place of this kind: `folder`, `seaweedfs` or `minio`."""
    if kind == "folder":
        return Place(folder.as_uri(), {})
    server: LocalS3 | LocalMinIO = request.getfixturevalue({"seaweedfs": "s3", "minio": "minio"}[kind])
    key = {"HEADRACE_SIGNING_KEY": "signs what is kept on S3"}
    return Place(server.url(unique("store")), server.environment | key)
