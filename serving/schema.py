"""What a use case takes as a request: the validator of bodies, the fields of a form, a made-up sample."""

import datetime as dt
import random
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict, get_type_hints

from serving.problem import Problem
from streaming.codec import bare_type, sentence
from streaming.errors import BadRecord
from streaming.usecase import UseCase

_STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
_ID = "id"
_WIDE = 100_000
_ID_TEXT = "a name for this prediction, by which its label can be sent later"


class RequestSchema:
    """The request of one use case: its features, the key instead of them or beside some, and an optional id."""

    def __init__(self, use_case: UseCase, **beside: Any) -> None:
        """Build the validator once: it is the costly part. `beside` are fields of a route of its own, by name."""
        kind = type(use_case)
        declared = kind.request
        hints = get_type_hints(declared, include_extras=True) if declared else {}
        self.name, self._features = use_case.name, use_case.features
        self.required: frozenset[str] = frozenset(getattr(declared, "__required_keys__", hints))
        """The features that must be given, or known of the key."""
        self.order = tuple(name for name in hints if name in self.required)
        """The same in the order of their declaration."""
        self.key: str | None = kind.topics[-1].key if kind.profile is not None else None
        """The field that names the key, where features can be looked up."""
        self.shard_key: str | None = kind.topics[-1].key if kind.sharded else None
        """The field by which the shard is found."""
        fields: dict[str, Any] = {name: bare_type(hint) for name, hint in hints.items()}
        key = self.key or self.shard_key
        if key is not None and key not in fields:
            fields[key] = bare_type(get_type_hints(kind.topics[-1].schema, include_extras=True)[key])
        fields.setdefault(_ID, Annotated[str, Field(min_length=1, max_length=200, description=_ID_TEXT)])
        fields |= beside
        body = _typed_dict(f"{kind.__name__}Request", fields, declared.__doc__ if declared else None)
        self._body: TypeAdapter[dict[str, Any]] = TypeAdapter(body)
        self._rows: TypeAdapter[list[dict[str, Any]]] = TypeAdapter(list[body])  # type: ignore[valid-type]  # made here
        self._one, self._many = self._body.validator.validate_json, self._rows.validator.validate_json
        self._own = tuple(hints)

    def parse(self, body: bytes) -> dict[str, Any]:
        """One request's body; a `Problem` says which field is wrong, what came, what is wanted."""
        try:
            request: dict[str, Any] = self._one(body)
        except ValidationError as error:
            raise wrong_body(error) from None
        return request

    def parse_rows(self, body: bytes) -> list[dict[str, Any]]:
        """A list of them."""
        try:
            rows: list[dict[str, Any]] = self._many(body)
        except ValidationError as error:
            raise wrong_body(error) from None
        return rows

    def accepts(self, body: Mapping[str, Any]) -> bool:
        """Whether this would be a whole request without a look-up."""
        try:
            request = self._body.validate_python(dict(body))
        except ValidationError:
            return False
        return self.required <= request.keys() and self._answerable(request)

    def json_schema(self) -> dict[str, Any]:
        """The body for OpenAPI."""
        schema = self._body.json_schema(ref_template="#/components/schemas/{model}")
        if self.key is not None:
            schema["properties"][self.key].setdefault("description", "what is not given is looked up by this key")
        return schema

    def fields(self) -> list[dict[str, Any]]:
        """The features with their types, values and ranges, for a form."""
        properties = self._body.json_schema()["properties"]
        return [field_facts(name, properties[name], required=name in self.required) for name in self._own]

    def made_up(self, dice: random.Random) -> dict[str, Any]:
        """A valid body out of the declaration alone: what is required, and more where that is not enough."""
        properties = self._body.json_schema()["properties"]
        shard = (self.shard_key,) if self.shard_key else ()
        bodies = [
            {name: _value(properties[name], dice) for name in dict.fromkeys((*names, *shard))}
            for names in (self.order, self._own)
        ]
        return next((body for body in bodies if self._answerable(self.parse(orjson.dumps(body)))), bodies[0])

    def _answerable(self, request: dict[str, Any]) -> bool:
        """Whether the features come of this alone; what else they may raise is no matter of the request."""
        try:
            self._features(request, {})
        except Exception as error:  # noqa: BLE001  # a use case's own code
            return not isinstance(error, BadRecord)
        return True


def field_facts(name: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    """One field of a form, from its JSON schema.

    >>> field_facts("gb", {"type": "number", "minimum": 0, "description": "data, GB"}, required=True)
    {'name': 'gb', 'type': 'number', 'required': True, 'minimum': 0, 'description': 'data, GB'}
    """
    kind = schema.get("format") or schema.get("type") or "any"
    facts: dict[str, Any] = {"name": name, "type": "choice" if "enum" in schema else kind, "required": required}
    if "enum" in schema:
        facts["values"] = schema["enum"]
    kept = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength", "maxLength", "pattern")
    return facts | {word: schema[word] for word in (*kept, "description") if word in schema}


def wrong_body(error: ValidationError) -> Problem:
    """400 for what is not JSON, 422 for what is not a request."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return Problem(400, "The body is not JSON", f"the body is not JSON: {first['ctx']['error']}")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return Problem(422, "The request is not valid", f"{where} is not a field of this request")
    return Problem(422, "The request is not valid", sentence(error).replace("the record", "the body", 1))


def _typed_dict(name: str, fields: dict[str, Any], doc: str | None) -> Any:
    """A `TypedDict` made here, none of its fields required."""
    make: Any = TypedDict
    made = make(name, fields, total=False)
    made.__pydantic_config__ = _STRICT
    made.__doc__ = doc
    return made


def _value(schema: Mapping[str, Any], dice: random.Random) -> Any:
    """A value that the JSON schema of a field allows."""
    if "enum" in schema or "const" in schema:
        return dice.choice(schema.get("enum") or [schema["const"]])
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
    if high - low > _WIDE:  # bounds against nonsense are no range to draw from
        low = max(low, min(0, high - 100))
        high = low + 100
    now = dt.datetime.now(dt.UTC)
    by_type: dict[str, Any] = {
        "number": round(low + (high - low) * dice.uniform(0.05, 0.95), 2),
        "integer": min(max(dice.randint(int(low), int(high)), int(low) + 1), int(high)),
        "boolean": dice.random() < 0.5,
        "date": now.date().isoformat(),
        "date-time": now.isoformat(timespec="seconds"),
        "string": "x" * max(1, schema.get("minLength", 1)),
    }
    return by_type.get(schema.get("format", "")) or by_type.get(schema.get("type", ""))
