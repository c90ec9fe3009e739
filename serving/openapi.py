"""The OpenAPI document: each route of `/v1/{use_case}` written out for every use case, with its own request."""

import copy
import random
from collections.abc import Mapping
from typing import Any

from serving.schema import RequestSchema

_PART = "{use_case}"
_SEED = 7
Document = dict[str, Any]


def expand(document: Document, schemas: Mapping[str, RequestSchema]) -> Document:
    """Replace each path with `{use_case}` by one path for each use case."""
    full = {**document, "paths": {}, "components": copy.deepcopy(document.get("components") or {})}
    components: dict[str, Any] = full["components"].setdefault("schemas", {})
    problem = {"type": "object", "properties": {name: {"type": "string"} for name in ("type", "title", "detail")}}
    components["Problem"] = problem | {"description": "RFC 9457"}
    components["Problem"]["properties"]["status"] = {"type": "integer"}
    for path, operations in document["paths"].items():
        if _PART not in path:
            full["paths"][path] = operations
    for name, schema in schemas.items():
        body = schema.json_schema()
        components.update(body.pop("$defs", {}))
        components[f"{name}-request"] = body
        for path, operations in document["paths"].items():
            if _PART in path:
                full["paths"][path.replace(_PART, name)] = {
                    verb: _written_out(operation, path, name, schema) for verb, operation in operations.items()
                }
    return full


def _written_out(operation: Document, path: str, name: str, schema: RequestSchema) -> Document:
    """One operation for one use case."""
    own = copy.deepcopy(operation)
    own["tags"] = [name]
    own["operationId"] = f"{operation.get('operationId', path)}_{name}".replace("-", "_")
    own["parameters"] = [one for one in own.get("parameters", []) if one["name"] != "use_case"]
    if not own["parameters"]:
        del own["parameters"]
    own["responses"].pop("422", None)
    own["responses"]["default"] = {
        "description": "What went wrong",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if path.endswith(("/predict", "/predict/batch")):
        own["requestBody"] = _body(name, schema, many=path.endswith("batch"))
    return own


def _body(name: str, schema: RequestSchema, *, many: bool) -> Document:
    one: Document = {"$ref": f"#/components/schemas/{name}-request"}
    examples: Document = {"by features": {"value": schema.made_up(random.Random(_SEED))}}
    if schema.key is not None:
        examples["by key"] = {"value": {schema.key: "C000000001"}}
    if many:
        one, examples = {"type": "array", "items": one}, {"two": {"value": [e["value"] for e in examples.values()]}}
    return {"required": True, "content": {"application/json": {"schema": one, "examples": examples}}}
