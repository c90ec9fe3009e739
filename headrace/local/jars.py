"""The broker's jars: listed with their hashes, fetched once into the user's cache folder.

`python -m headrace.local.jars` writes the list again after `VERSION` or `LOG4J` has changed.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import ssl
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from streaming.errors import HeadraceError

VERSION = "4.1.0"
LOG4J = "2.24.3"
"""The version that Kafka's own distribution uses."""
LIST = Path(__file__).with_name("kafka_jars.txt")
_PROBLEMS = (OSError, RuntimeError)  # what jgo and requests raise when a file cannot be had


class Jar(NamedTuple):
    """One jar: `group:artifact:version`, and the SHA-256 of its bytes."""

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        """The name that Maven gives it."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def cache_folder() -> Path:
    """Where the jars are kept, once for all working directories."""
    import platformdirs

    return platformdirs.user_cache_path("headrace")


def cached_jars(cache: Path | None = None) -> Path | None:
    """The folder with all jars, or None when they were not fetched yet."""
    folder = (cache or cache_folder()) / f"kafka-{VERSION}"
    return folder if folder.is_dir() else None


def kafka_jars(cache: Path | None = None) -> Path:
    """The folder with all jars; fetches them when they are missing, and resumes a fetch that was cut short."""
    cache = cache or cache_folder()
    if found := cached_jars(cache):
        return found
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache / f"kafka-{VERSION}.lock"):
            return cached_jars(cache) or _fetch_all(cache)
    except _PROBLEMS as error:
        raise HeadraceError(f"Apache Kafka {VERSION} cannot be fetched: {_reason(error)}") from None


def read_list() -> list[Jar]:
    """The jars that belong to this version."""
    return [Jar(*line.split()) for line in LIST.read_text().splitlines()]


def _fetch_all(cache: Path) -> Path:
    """Fetch into a folder beside the final one and rename it last: what has the final name is complete."""
    part, final = cache / f"kafka-{VERSION}.part", cache / f"kafka-{VERSION}"
    part.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as scratch:
        missing = [jar for jar in read_list() if not _is_whole(part / jar.filename, jar)]
        context = _maven(Path(scratch))
        with _trusting_the_system(), ThreadPoolExecutor(4) as pool:
            fetched = pool.map(lambda jar: _fetch(context, jar, part), missing)
            for _ in _shown(fetched, len(missing)):
                pass
    part.rename(final)
    return final


def _fetch(context: Any, jar: Jar, folder: Path) -> None:
    target = folder / jar.filename
    target.unlink(missing_ok=True)
    path = Path(context.create_dependency(jar.coordinate).artifact.resolve())
    if not _is_whole(path, jar):
        raise HeadraceError(f"{jar.filename} is not the file that was published: its SHA-256 should be {jar.sha256}")
    shutil.move(path, target)


def _shown(done: Iterable[None], count: int) -> Iterable[None]:
    """A progress bar on a terminal, one line elsewhere."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    text = f"Fetching Apache Kafka {VERSION} (43 MB, once)"
    if not console.is_terminal:
        sys.stderr.write(text + "\n")
        return done
    return track(done, text, count, console=console, transient=True)


def _is_whole(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _maven(repository: Path) -> Any:
    """jgo's Maven client with its own repository folder; it says nothing, we report what it raises."""
    from jgo.maven import MavenContext, PythonResolver

    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    return MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=60)


@contextmanager
def _trusting_the_system() -> Iterator[None]:
    """Let requests trust what this machine trusts: a proxy may bring its own certificate."""
    paths = ssl.get_default_verify_paths()
    if "REQUESTS_CA_BUNDLE" in os.environ or not paths.cafile:
        yield
        return
    os.environ["REQUESTS_CA_BUNDLE"] = paths.cafile
    try:
        yield
    finally:
        del os.environ["REQUESTS_CA_BUNDLE"]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let only one process fetch; the others wait, then find the jars."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _reason(error: BaseException) -> str:
    """The innermost cause in one line: the outer ones only wrap it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return str(text).split("\n")[0]


def write_list() -> None:
    """Resolve the jars as Maven would and write their coordinates and hashes."""
    with tempfile.TemporaryDirectory() as scratch, _trusting_the_system():
        context = _maven(Path(scratch))
        # "!" keeps jgo from reading each artefact as a bill of materials: with it, kafka-clients came out as 3.8.0.
        roots = f"org.apache.kafka:kafka_2.13:{VERSION}!", f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}!"
        inputs, further = context.resolver.resolve([context.create_dependency(root) for root in roots])
        lines = sorted(
            f"{a.groupId}:{a.artifactId}:{a.version} {_sha256(Path(a.resolve()))}"
            for a in (dependency.artifact for dependency in [*inputs, *further])
        )
    LIST.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_list()
    sys.exit(os.EX_OK)
