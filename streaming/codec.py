"""Between the bytes of a record and an event: decode, encode, key and event time."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from math import isfinite
from typing import Any, NotRequired, Required, get_args, get_origin

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import get_type_hints

from streaming.errors import BadRecord
from streaming.topics import Topic
from streaming.usecase import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY_US = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
# Strict: a number sent as text is a wrong type, not a number. NaN would poison every model that hears it.
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


class Codec:
    """Decodes and encodes the events of one topic; `BadRecord` says which field is wrong, what came, what is wanted."""

    def __init__(self, topic: Topic) -> None:
        """Build the validator once: it is the costly part."""
        if not hasattr(topic.schema, "__pydantic_config__"):
            topic.schema.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]  # where pydantic looks for it
        self.topic = topic
        self._adapter: TypeAdapter[Event] = TypeAdapter(topic.schema)
        self._validate_json = self._adapter.validator.validate_json

    def decode(self, value: bytes | None) -> Event:
        """Validate a record's JSON value."""
        if value is None:
            raise BadRecord("the record has no value")
        try:
            event: Event = self._validate_json(value)
        except ValidationError as error:
            raise BadRecord(sentence(error)) from None
        return event

    def check(self, fields: dict[str, Any]) -> Event:
        """Validate fields that come from a table or a form, where numbers and dates may be text."""
        try:
            return self._adapter.validate_python(fields, strict=False)
        except ValidationError as error:
            raise BadRecord(sentence(error)) from None

    def typed(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a row that does not fit, each typed by the schema where it fits alone, else left as it is."""
        found = dict(fields)
        for name in fields.keys() & self._field_adapters.keys():
            with suppress(ValidationError):
                value = self._field_adapters[name].validate_python(fields[name], strict=False)
                if not isinstance(value, float) or isfinite(value):  # JSON has no others
                    found[name] = value
        return found

    @cached_property
    def _field_adapters(self) -> dict[str, TypeAdapter[Any]]:
        hints = get_type_hints(self.topic.schema, include_extras=True)
        return {name: TypeAdapter(bare_type(hint)) for name, hint in hints.items()}

    def encode(self, event: Event) -> bytes:
        """Write an event as JSON: the same event gives the same bytes."""
        return orjson.dumps(event, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)

    def rewrite(self, event: Event) -> bytes:
        """The record that decodes to this very event, whatever the types of its fields."""
        return self._adapter.dump_json(event, warnings="none")

    def key(self, event: Event) -> str:
        """The event's key as text."""
        return str(event[self.topic.key])

    def time_us(self, event: Event) -> int:
        """The event time in microseconds since 1970 (UTC)."""
        return to_us(event[self.topic.time])


def bare_type(hint: Any) -> Any:
    """The type without `Required` or `NotRequired` around it."""
    return get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint


def to_us(moment: datetime | date | float) -> int:
    """Microseconds since 1970 of a datetime (UTC when naive), a date (midnight UTC) or seconds.

    >>> to_us(date(1970, 1, 2)), to_us(1.5), to_us(datetime(1970, 1, 1, 0, 0, 1))
    (86400000000, 1500000, 1000000)
    """
    if type(moment) is int:
        return moment * 1_000_000
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if isinstance(moment, date):
        return (moment.toordinal() - _EPOCH_DAY) * _DAY_US
    return round(moment * 1_000_000)


def to_text(time_us: int) -> str:
    """Event time as ISO 8601 text; years that a calendar lacks as plain microseconds.

    >>> to_text(86_400_000_000)
    '1970-01-02T00:00:00Z'
    """
    try:
        return (_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return f"{time_us}us"


def sentence(error: ValidationError) -> str:
    """The first mistake: which field, what is wanted, what came."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{field} is missing"
    if first["type"] == "json_invalid":
        return f"not JSON: {first['ctx']['error']}"
    got = repr(first["input"])
    got = got if len(got) <= 80 else got[:77] + "..."
    return f"{field or 'the record'} must {demand(first['msg'])}, got {got}"


def demand(message: str) -> str:
    """What a message of pydantic asks for, as the words after "must".

    >>> demand("Input should be a valid number"), demand("String should have at least 1 character")
    ('be a valid number', 'have at least 1 character')
    >>> demand("Value error, 7 days at least")
    'be 7 days at least'
    """
    _, should, wanted = message.partition(" should ")
    return wanted if should else f"be {message.removeprefix('Value error, ')}"
