"""A real S3 server for tests: `from tests.s3 import s3` brings the fixture into a module."""

from collections.abc import Iterator

import pytest

from headrace.local.s3 import LocalS3


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """A server that lives as long as the test run: take a prefix of your own, `s3.url(unique("store"))`."""
    with LocalS3(tmp_path_factory.mktemp("s3")) as server:
        yield server
