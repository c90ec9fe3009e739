"""How the answers of an HTTP JSON API become events: a TOML file, read once."""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError, field_validator

from streaming.codec import Codec, sentence
from streaming.errors import BadRecord, HeadraceError, WrongUsage
from streaming.topics import Topic
from streaming.usecase import Event

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_SECRET = re.compile(r"\$\{(\w+)\}")


class Constant(BaseModel, extra="forbid"):
    """The same in every event."""

    constant: str | int | float | bool


class Sheet(BaseModel, extra="forbid"):
    """The file."""

    name: str = Field(default="", pattern=r"^[\w.-]*$")
    """Where polling goes on is kept under this name; the file's own when left out."""
    topic: str
    url: str = Field(pattern=r"^https?://")
    """With `{…}` for a name of `each`, or for where to go on: `{after}`, `{after_date}`, `{after_s}`, `{after_ms}`."""
    each: dict[str, list[str]] = Field(default_factory=dict)
    """One request for each value, such as `symbol = ["A", "B"]`."""
    headers: dict[str, str] = Field(default_factory=dict)
    rows: str = ""
    """The path of the list in the answer; empty: the answer itself. An object is a list of `[key, value]`."""
    fields: dict[str, int | str | Constant] = Field(min_length=1)
    """The event's fields: a path in the row, a text with `{…}` for paths and names of `each`, or a constant."""
    start: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """Nothing older is taken."""
    every_s: float = Field(default=60.0, gt=0)
    """How often to ask when there is nothing new."""
    settled_after_s: float = Field(default=0.0, ge=0)
    """A row younger than this may still change: it is taken later."""
    timeout_s: float = Field(default=10.0, gt=0)

    @field_validator("start")
    @classmethod
    def _aware(cls, start: datetime) -> datetime:
        return start if start.tzinfo else start.replace(tzinfo=UTC)


class Endpoint(NamedTuple):
    """One row of requests: where to ask, and what it was asked for."""

    name: str
    """Names it on the records that it gave."""
    names: Mapping[str, str]
    """The values of `each`."""


class Row(NamedTuple):
    """A row as it goes to Kafka."""

    time_us: int
    key: str
    value: bytes


class Poll:
    """A mapping with its topic's codec."""

    def __init__(self, sheet: Sheet, topic: Topic) -> None:
        """What the environment has to give (`${NAME}`) is looked up here."""
        self.sheet, self.topic = sheet, topic
        self.url = _with_secrets(sheet.url)
        self.headers = {name: _with_secrets(value) for name, value in sheet.headers.items()}
        self._codec = Codec(topic)

    def endpoints(self) -> list[Endpoint]:
        """One for each combination of the values of `each`."""
        each = self.sheet.each
        names = [dict(zip(each, values, strict=True)) for values in product(*each.values())]
        return [Endpoint("/".join((self.sheet.name, *one.values())), one) for one in names]

    def address(self, endpoint: Endpoint, after: datetime) -> str:
        """The URL that asks for what came after a moment."""
        places = {
            "after": after.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "after_date": after.astimezone(UTC).date().isoformat(),
            "after_s": str(int(after.timestamp())),
            "after_ms": str(round(after.timestamp() * 1000)),
        }
        return _PLACEHOLDER.sub(lambda found: quote({**places, **endpoint.names}[found[1]], safe=""), self.url)

    def rows(self, answer: Any) -> list[Any]:
        """The rows of an answer; `BadRecord` when there is no list where they should be."""
        found = look_up(answer, self.sheet.rows) if self.sheet.rows else answer
        if isinstance(found, dict):
            return [list(item) for item in found.items()]
        if not isinstance(found, list):
            where = f" at {self.sheet.rows}" if self.sheet.rows else ""
            raise BadRecord(f"wanted a list of rows{where}, got {str(found)[:80]!r}")
        return found

    def row(self, row: Any, endpoint: Endpoint) -> Row:
        """A row as an event of the topic; `BadRecord` says which field is wrong."""
        fields = {name: self._field(source, row, endpoint) for name, source in self.sheet.fields.items()}
        event: Event = self._codec.check(fields)
        return Row(self._codec.time_us(event), self._codec.key(event), self._codec.encode(event))

    def _field(self, source: int | str | Constant, row: Any, endpoint: Endpoint) -> Any:
        if isinstance(source, Constant):
            return source.constant
        if isinstance(source, int):
            return look_up(row, str(source))
        if "{" not in source:
            return look_up(row, source)
        names = endpoint.names
        return _PLACEHOLDER.sub(lambda found: str(names.get(found[1]) or look_up(row, found[1])), source)


def look_up(value: Any, path: str) -> Any:
    """What lies at a path of names and numbers.

    >>> look_up({"prices": [{"usd": 3}, {"usd": 4}]}, "prices.1.usd")
    4
    """
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise BadRecord(f"there is no {path} in {str(value)[:80]}") from None
    return value


def load(path: Path, topics: Mapping[str, Topic]) -> Poll:
    """Read a mapping; a mistake is one sentence with the file."""
    try:
        sheet = Sheet.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise HeadraceError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise HeadraceError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise HeadraceError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise HeadraceError(f"{path}: {_mistake(error)}") from None
    if sheet.topic not in topics:
        raise WrongUsage(f"{path}: unknown topic {sheet.topic!r}; there are {', '.join(sorted(topics))}")
    sheet.name = sheet.name or path.stem
    topic = topics[sheet.topic]
    try:
        _check(sheet, topic)
        return Poll(sheet, topic)
    except BadRecord as error:
        raise HeadraceError(f"{path}: {error}") from None


def _mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "extra_forbidden":
        return f"{first['loc'][-1]} is no part of a poll; there are {', '.join(Sheet.model_fields)}"
    return sentence(error)


def _check(sheet: Sheet, topic: Topic) -> None:
    """Refuse what could only fail at the first answer."""
    known = {"after", "after_date", "after_s", "after_ms", *sheet.each}
    for name in _PLACEHOLDER.findall(_SECRET.sub("", sheet.url)):
        if name not in known:
            raise BadRecord(f"url: {{{name}}} is not known; there are {', '.join(sorted(known))}")
    for name, values in sheet.each.items():
        if not values:
            raise BadRecord(f"each.{name} is empty: wanted at least one value to ask for")
    wanted: Any = topic.schema
    for name in sheet.fields:
        if name not in wanted.__annotations__:
            raise BadRecord(f"fields.{name} is not a field of {topic.name}")
    for name in wanted.__annotations__:
        if name in wanted.__required_keys__ and name not in sheet.fields:
            raise BadRecord(f"fields.{name} is missing: {topic.name} wants it")


def _with_secrets(text: str) -> str:
    """`${NAME}` is the variable of the environment: keys do not belong into files."""

    def found(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise BadRecord(f"${{{match[1]}}} is not set in the environment") from None

    return _SECRET.sub(found, text)
