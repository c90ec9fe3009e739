"""`headrace deadletters`: records that nobody could use; look at them, and send them back when they are mended."""

import enum
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streaming.errors import HeadraceError, WrongUsage

if TYPE_CHECKING:
    from streaming.deadletters import Letter
    from streaming.resend import Outcome
    from streaming.settings import Settings
    from streaming.topics import Topic

_SHOWN = 20
_WIDTH = 72


class Asked(enum.StrEnum):
    """What to do with the letters."""

    LIST = "list"
    REPLAY = "replay"


def command(  # for typer an option is a parameter
    topic: Annotated[str, typer.Argument(help="A topic whose records became dead letters.")],
    asked: Annotated[Asked, typer.Argument(help="list, or replay: send them back.")] = Asked.LIST,
    *,
    limit: Annotated[
        int | None, typer.Option(help="Show so many, the newest; 20 if left out, all with --json.", min=1)
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="Only this letter; may be given again.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Send these: lines as `list --json` prints them, their records mended; - is stdin."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Send even what was sent back before: the learner was rebuilt since.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object: a line for each letter, or the counts.")
    ] = False,
) -> None:
    """List the dead letters of a topic with reason, place and record; send them back, each once, when they fit."""
    from streaming import deadletters
    from streaming.kafka import ensure_topics
    from streaming.settings import load_settings
    from streaming.topics import topic_named
    from usecases.registry import load_use_cases, topics_of

    settings = load_settings()
    known = topic_named(topic, topics_of(load_use_cases(settings)))
    _check(asked, key, file, again=again)
    mended = _mended(file) if file else {}
    ensure_topics(settings.kafka, [topic])
    deadletters.ensure(settings.kafka, [known])
    if asked is Asked.LIST:
        _list(deadletters.read_letters(settings.kafka, known), limit, as_json=as_json)
        return
    wanted = list(mended) if file else key
    outcome, gone = _replay(settings, known, wanted, mended, again=again)
    if key and gone:
        raise HeadraceError(f"there is no dead letter {gone[0]}; `headrace deadletters {topic}` lists those there are")
    _tell(topic, outcome, gone, as_json=as_json)


def _check(asked: Asked, key: list[str] | None, file: Path | None, *, again: bool) -> None:
    """Refuse options that do not go together."""
    if asked is Asked.LIST and (key or file or again):
        raise WrongUsage("--key, --file and --again go with replay")
    if key and file:
        raise WrongUsage("give --key or --file, not both: the file names its letters")


def _list(letters: list["Letter"], limit: int | None, *, as_json: bool) -> None:
    newest = sorted(letters, key=lambda letter: letter.written_ms, reverse=True)
    if as_json:
        for letter in newest[:limit]:
            typer.echo(json.dumps(_facts(letter)))
        return
    shown = newest[: limit or _SHOWN]
    for letter in shown:
        typer.echo(f"{letter.key}  {_moment(letter)}")
        typer.echo(f"  {letter.reason}")
        typer.echo(f"  {_short(letter)}")
    rest = len(letters) - len(shown)
    typer.echo(f"{_count(len(letters), 'dead letter')}" + (f"; {rest} older with --limit or --json" if rest else ""))


def _facts(letter: "Letter") -> dict[str, Any]:
    return {
        "key": letter.key,
        "reason": letter.reason,
        "use_case": letter.use_case,
        "written": _moment(letter),
        "record": letter.record,
    }


def _replay(
    settings: "Settings", topic: "Topic", wanted: list[str] | None, mended: dict[str, Any], *, again: bool
) -> tuple["Outcome", list[str]]:
    """What became of the wanted letters (None: all), and those that are not there."""
    from rich.console import Console

    from streaming.deadletters import read_letters
    from streaming.resend import Outcome, send_back
    from streaming.turn import turn

    with (
        turn(settings.kafka, f"{topic.name}.dead", f"sends the dead letters of {topic.name} back"),
        Console(stderr=True).status(f"sending dead letters back to {topic.name}"),
    ):
        letters = {letter.key: letter for letter in read_letters(settings.kafka, topic)}
        chosen = [letter for key, letter in letters.items() if wanted is None or key in wanted]
        gone = [key for key in wanted or () if key not in letters]
        if gone and not mended:
            return Outcome(), gone
        return send_back(settings.kafka, topic, chosen, mended, again=again), gone


def _tell(topic: str, outcome: "Outcome", gone: list[str], *, as_json: bool) -> None:
    """Say what was done; letters that stay are a failure."""
    if as_json:
        facts = {"sent": len(outcome.sent), "before": len(outcome.before), "gone": len(gone)}
        typer.echo(json.dumps(facts | {"refused": outcome.refused}))
    else:
        typer.echo(f"{_count(len(outcome.sent), 'record')} sent back to {topic}")
        if outcome.before:
            typer.echo(f"{_count(len(outcome.before), 'letter')} closed: sent back before")
        if gone:
            typer.echo(f"{_count(len(gone), 'letter')} no longer there: sent back before, or never written")
        for key, reason in outcome.refused.items():
            typer.echo(f"{key} stays: {reason}")
    if outcome.refused:
        key, reason = next(iter(outcome.refused.items()))
        others = f" ({len(outcome.refused) - 1} more stay as well)" if len(outcome.refused) > 1 else ""
        raise HeadraceError(f"{key} was not sent back: {reason}{others}")


def _mended(file: Path) -> dict[str, Any]:
    """Record by key of the letter; a line that says neither is a sentence that names it."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise HeadraceError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except json.JSONDecodeError as error:
            raise HeadraceError(f"{file}:{number}: not JSON ({error.msg})") from None
        if not isinstance(said, dict) or not isinstance(said.get("key"), str) or "record" not in said:
            raise HeadraceError(
                f'{file}:{number} must be an object with "key" and "record", as `list --json` prints it'
            )
        if said["key"] in found:
            raise HeadraceError(f"{file}:{number}: {said['key']} is there twice")
        found[said["key"]] = said["record"]
    return found


def _short(letter: "Letter") -> str:
    """The record on one line of a terminal."""
    text = " ".join(letter.value.decode(errors="replace").split()) or "(no value)"
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _moment(letter: "Letter") -> str:
    return datetime.fromtimestamp(letter.written_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
