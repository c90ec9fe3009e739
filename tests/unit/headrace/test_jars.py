import hashlib

import pytest

from headrace.local import jars
from headrace.local.jars import Jar, cached_jars, kafka_jars, read_list
from streaming.errors import HeadraceError


class FakeMaven:
    """Hands out files; counts how often each was asked for."""

    def __init__(self, folder, contents):
        self.folder, self.contents, self.asked = folder, contents, []

    def create_dependency(self, coordinate):
        self.coordinate = coordinate
        return self

    @property
    def artifact(self):
        return FakeArtifact(self, self.coordinate)


class FakeArtifact:
    def __init__(self, maven, coordinate):
        self.maven, self.coordinate = maven, coordinate

    def resolve(self):
        self.maven.asked.append(self.coordinate)
        content = self.maven.contents[self.coordinate]
        if isinstance(content, Exception):
            raise content
        path = self.maven.folder / self.coordinate.replace(":", "-")
        path.write_bytes(content)
        return path


GOOD = {"a:one:1": b"one", "a:two:2": b"two"}


@pytest.fixture
def maven(tmp_path, monkeypatch):
    """Two jars that Maven hands out as they were published."""
    listed = [Jar(name, hashlib.sha256(content).hexdigest()) for name, content in GOOD.items()]
    fake = FakeMaven(tmp_path, dict(GOOD))
    monkeypatch.setattr(jars, "read_list", lambda: listed)
    monkeypatch.setattr(jars, "_maven", lambda repository: fake)
    return fake


def test_the_list_holds_one_version_of_each_jar_and_no_preview_of_log4j():
    names = [":".join(jar.coordinate.split(":")[:2]) for jar in read_list()]
    assert len(names) == len(set(names)) == 46
    logging = {
        jar.coordinate.split(":")[1]: jar.coordinate.split(":")[2] for jar in read_list() if "log4j" in jar.coordinate
    }
    assert logging == dict.fromkeys(["log4j-api", "log4j-core", "log4j-slf4j-impl"], jars.LOG4J)


def test_kafkas_own_jars_are_all_of_the_same_version():
    versions = {jar.coordinate.split(":")[2] for jar in read_list() if jar.coordinate.startswith("org.apache.kafka:")}
    assert versions == {jars.VERSION}


def test_jars_are_fetched_once(maven, tmp_path):
    folder = kafka_jars(tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"one-1.jar": b"one", "two-2.jar": b"two"}
    assert kafka_jars(tmp_path / "cache") == folder
    assert sorted(maven.asked) == ["a:one:1", "a:two:2"]


def test_a_fetch_that_was_cut_short_goes_on_and_is_never_used(maven, tmp_path):
    maven.contents["a:two:2"] = OSError(111, "Connection refused")
    with pytest.raises(HeadraceError, match=r"^Apache Kafka 4.1.0 cannot be fetched: Connection refused$"):
        kafka_jars(tmp_path / "cache")
    assert cached_jars(tmp_path / "cache") is None
    maven.contents["a:two:2"] = b"two"
    assert kafka_jars(tmp_path / "cache") == cached_jars(tmp_path / "cache")
    assert maven.asked.count("a:one:1") == 1


def test_a_jar_with_other_bytes_is_refused(maven, tmp_path):
    maven.contents["a:two:2"] = b"something else"
    with pytest.raises(HeadraceError, match=r"two-2.jar is not the file that was published"):
        kafka_jars(tmp_path / "cache")
    assert cached_jars(tmp_path / "cache") is None
