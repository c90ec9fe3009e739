"""`headrace models`: the registered versions of a use case, and which of them serving keeps to."""

import enum
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.errors import HeadraceError, WrongUsage
from streaming.settings import Settings

if TYPE_CHECKING:
    from streaming.usecase import UseCase
    from streaming.versions import Version, Versions

_SHOWN = 20


class Asked(enum.StrEnum):
    """What to do with the versions."""

    LIST = "list"
    PIN = "pin"
    UNPIN = "unpin"


def command(
    use_case: Annotated[str, typer.Argument(help="A use case.")],
    asked: Annotated[Asked, typer.Argument(help="list, pin V, or unpin.")] = Asked.LIST,
    version: Annotated[int | None, typer.Argument(help="The version to pin.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the registered versions, best first; keep serving to one of them, or let it follow the newest again."""
    from streaming.settings import load_settings
    from usecases.registry import load_use_cases, pick

    if (asked is Asked.PIN) != (version is not None):
        raise WrongUsage(
            "pin wants a version: headrace models USE_CASE pin V" if version is None else "only pin wants a version"
        )
    settings = load_settings()
    wanted = pick(load_use_cases(settings), use_case)
    if asked is Asked.LIST:
        _list(settings, wanted, as_json=as_json)
        return
    if version is not None:
        _pin(settings, wanted.name, version)
    else:
        _unpin(settings, wanted.name)
    sentence = f"serving of {wanted.name} " + (
        f"keeps to version {version}" if version else "follows the newest snapshot"
    )
    typer.echo(json.dumps({"pinned": version}) if as_json else sentence)


def _list(settings: Settings, use_case: "UseCase", *, as_json: bool) -> None:
    from streaming.scoring import metric_name
    from streaming.versions import best_first, open_versions

    metric = type(use_case).metric()
    versions = open_versions(settings.mlflow_tracking_uri, use_case.name)
    found = best_first(versions.all(), bigger_is_better=bool(metric.bigger_is_better))
    rows = [_row(versions, one) for one in found]
    if as_json:
        typer.echo(json.dumps({"use_case": use_case.name, "metric": metric_name(metric), "models": rows}))
        return
    if not found:
        typer.echo(f"no version of {use_case.name} is registered yet")
    shown = [one for at, one in enumerate(found) if at < _SHOWN or one.aliases]
    for line in _table(shown, metric_name(metric)):
        typer.echo(line)
    if shown:
        typer.echo(f"{rows[0]['version_url']} shows the first" + _rest(len(found) - len(shown)))


def _row(versions: "Versions", one: "Version") -> dict[str, Any]:
    facts = asdict(one) | {"registered": _moment(one), **versions.links(one)}
    return {"version": facts.pop("number"), **{name: value for name, value in facts.items() if name != "registered_s"}}


def _table(versions: list["Version"], metric: str) -> list[str]:
    """One line a version, under a line of names."""
    head = ["version", "aliases", "candidate", f"rolling {metric}", "learned", "registered"]
    rows = [
        [
            str(one.number),
            ", ".join(one.aliases),
            one.candidate,
            "-" if one.rolling is None else f"{one.rolling:.4f}",
            f"{one.learned:,}",
            _moment(one),
        ]
        for one in versions
    ]
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def _rest(count: int) -> str:
    return f"; {count} more with --json" if count else ""


def _moment(one: "Version") -> str:
    return datetime.fromtimestamp(one.registered_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pin(settings: Settings, use_case: str, number: int) -> None:
    """Copy the version's snapshot to where serving finds it without MLflow; then say that it is wanted."""
    from streaming import control
    from streaming.audit import audit_record, person
    from streaming.pins import pin_record, put_pinned
    from streaming.signing import signing_key
    from streaming.store import Store
    from streaming.versions import open_versions

    versions = open_versions(settings.mlflow_tracking_uri, use_case)
    found = versions.find(number)
    if found is None:
        raise HeadraceError(
            f"there is no version {number} of {use_case}; `headrace models {use_case}` lists those there are"
        )
    store, data, key = Store(settings.store), versions.snapshot(number), signing_key(settings)
    snapshot = put_pinned(store, use_case, number, data, key, snapshot=found.snapshot)
    audit = audit_record("pinned", use_case, person(), to=number, snapshot=snapshot)
    control.want(settings.kafka, *pin_record(use_case, number, snapshot), audit=audit)


def _unpin(settings: Settings, use_case: str) -> None:
    from streaming import control
    from streaming.audit import audit_record, person
    from streaming.pins import pin_key

    control.want(settings.kafka, pin_key(use_case), None, audit=audit_record("unpinned", use_case, person()))
