"""A signed snapshot as MLflow stores it: a folder with the code that loads it, a signature and an example."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from streaming.sealed import library_version
from streaming.usecase import UseCase
from streaming.versions import SNAPSHOT_FILE

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec

_CODE = Path(__file__).with_name("pyfunc_model.py")
# Numbers are left to the request's own validator: MLflow would refuse 2 where it is told of floats, the API does not.
_TYPES = {"boolean": "boolean", "string": "string"}


def pack(
    folder: Path, snapshot: bytes, use_case: UseCase, example: Mapping[str, Any] | None, model: "LoggedModel"
) -> Path:
    """Write the model below `folder`; `model` is what MLflow already knows of it. The snapshot is not loaded here."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model

    file, packed = folder / SNAPSHOT_FILE, folder / "model"
    file.write_bytes(snapshot)
    request = type(use_case).request
    row = None if request is None or example is None else whole(request, example)
    mlflow.pyfunc.save_model(
        packed,
        python_model=str(_CODE),
        artifacts={"snapshot": str(file)},
        model_config={"use_case": use_case.name},
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            run_id=model.source_run_id,
            model_id=model.model_id,
        ),
        signature=None if request is None else signature(request),
        input_example=None if row is None else pd.DataFrame([row]),
        # This project is on no package index, so it is not named here: that name could be anybody's there.
        pip_requirements=[f"river=={library_version()}", f"mlflow=={version('mlflow')}"],
    )
    return packed


def whole(request: type, example: Mapping[str, Any]) -> dict[str, Any] | None:
    """The example as the request's own fields, whole numbers as what the field says; None when it does not fit."""
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(request)
    try:
        return adapter.dump_python(adapter.validate_python(dict(example), strict=False), mode="json")  # type: ignore[no-any-return]
    except ValidationError:
        return None


def signature(request: type) -> "ModelSignature":
    """The request's fields as MLflow shows and checks them; which probabilities come out depends on the labels."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    described = TypeAdapter(request).json_schema()
    needed = set(described.get("required", ()))
    columns = [_column(described, name, field, name in needed) for name, field in described["properties"].items()]
    return ModelSignature(Schema([*columns]), Schema([ColSpec(AnyType(), "prediction")]))  # type: ignore[no-untyped-call]


def _column(described: dict[str, Any], name: str, field: dict[str, Any], required: bool) -> "ColSpec":
    from mlflow.types.schema import AnyType, ColSpec, DataType

    if "$ref" in field:
        field = described["$defs"][field["$ref"].rpartition("/")[2]]
    kind = _TYPES.get(field.get("type", ""))
    if kind is None:
        return ColSpec(AnyType(), name, required=required)  # type: ignore[no-untyped-call]
    return ColSpec(DataType[kind], name, required=required)
