"""Settings from the environment, `.env` and the local stack's addresses, read once where a command is wired."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, Json, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from streaming import failpoints
from streaming.errors import HeadraceError
from streaming.logs import Form

STATE_DIR = Path(".headrace")
LOCAL_ENV = STATE_DIR / "local.env"
SIGNING_KEY_FILE = STATE_DIR / "signing.key"


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


def _address(wanted: str, *schemes: str) -> AfterValidator:
    """Refuses an address that begins with none of the schemes, in the words of `wanted`."""

    def check(value: str | None) -> str | None:
        if value is not None and not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must be {wanted}")
        return value

    return AfterValidator(check)


def _local_store() -> str:
    return (Path.cwd() / STATE_DIR / "store").as_uri()


class Kafka(BaseModel, extra="forbid"):
    """How to reach Kafka, and how topics are made when they are missing."""

    bootstrap_servers: str = "127.0.0.1:9092"
    config: Json[dict[str, Any]] | dict[str, Any] = Field(default_factory=dict)
    """librdkafka keys as JSON, for TLS, SASL and tuning; they win over ours."""
    partitions: int = Field(default=3, ge=1)
    replication: int = -1
    """Replicas of the topics that we make; -1 leaves it to the broker."""


class Monitor(BaseModel, extra="forbid"):
    """Where trainer and archive answer /metrics, /livez and /readyz; the API answers them on its own port."""

    host: str = "127.0.0.1"
    port: Annotated[int | None, BeforeValidator(_empty_is_none)] = Field(default=None, ge=0, le=65_535)
    """Not set: nowhere; 0: a free port, which the log tells."""


class Champion(BaseModel, extra="forbid"):
    """When another candidate becomes champion (trainer/choice.py says how)."""

    alpha: float = Field(default=0.03, gt=0, lt=1)
    """The chance of taking an equal challenger at one test: smaller waits longer for evidence."""
    blocks: int = Field(default=50, ge=10)
    """The newest blocks of answers that a test looks at; a block is a twentieth of the rolling window."""


class Forecast(BaseModel, extra="forbid"):
    """Of the use case `forecast`."""

    lags: int = Field(default=10, ge=2, le=500)
    """The last values that a forecast is made from."""


class FairPrice(BaseModel, extra="forbid"):
    """Of the use case `fair-price`: shares of the fair price."""

    buy_below: float = Field(default=0.10, gt=0, lt=1)
    """BUY when the market price is at least so far under the fair price,"""
    sell_above: float = Field(default=0.15, gt=0)
    """SELL when it is at least so far over it."""


class Settings(BaseSettings):
    """Every setting has the prefix HEADRACE_; `__` steps into a group: HEADRACE_KAFKA__BOOTSTRAP_SERVERS."""

    model_config = SettingsConfigDict(
        env_prefix="HEADRACE_", env_nested_delimiter="__", env_file=(LOCAL_ENV, ".env"), extra="ignore"
    )

    kafka: Kafka = Field(default_factory=Kafka)
    store: Annotated[str, _address("file:///folder or s3://bucket/prefix", "file", "s3")] = Field(
        default_factory=_local_store
    )
    """Where checkpoints, models and the archive live: file:///path or s3://bucket/prefix."""
    redis_url: Annotated[
        str | None,
        BeforeValidator(_empty_is_none),
        _address("redis://host:port/number, rediss:// or unix://", "redis", "rediss", "unix"),
    ] = None
    api_keys: Annotated[Path | None, BeforeValidator(_empty_is_none)] = None
    signing_key: Annotated[SecretStr | None, BeforeValidator(_empty_is_none)] = None
    instance: Annotated[str | None, BeforeValidator(_empty_is_none)] = None
    """A stable name of this copy: it takes its own place back at once after a restart."""
    logs: Form = "text"
    """text for people, json for a collector (docs/observability.md tells the fields)."""
    use_cases: str = ""
    """Use cases outside the project: paths of .py files or module names, separated by commas."""
    monitor: Monitor = Field(default_factory=Monitor)
    champion: Champion = Field(default_factory=Champion)
    forecast: Forecast = Field(default_factory=Forecast)
    fair_price: FairPrice = Field(default_factory=FairPrice)
    poll: str = ""
    """TOML files of the polls that `headrace up` runs beside the simulators, separated by commas."""
    merge_wait_s: float = Field(default=0.1, ge=0)
    """How long a record waits for partitions that are at their end."""
    read_ahead: int = Field(default=5_000, ge=100)
    """Records kept per partition while others are behind."""
    checkpoint_every_s: float = Field(default=5.0, gt=0)
    checkpoint_deadline_s: float = Field(default=120.0, gt=0)
    """A checkpoint's child that takes longer is ended and counted as a failure."""
    archive_rows: int = Field(default=100_000, ge=1)
    """The archive commits when so many rows of a topic wait,"""
    archive_every_s: float = Field(default=5.0, gt=0)
    """or when the first of them has waited for so long."""
    archive_compact_every_s: float = Field(default=600.0, gt=0)
    """How often small files of the archive are put together."""
    archive_vacuum_every_s: float = Field(default=86_400.0, gt=0)
    """How often files that no longer belong to the archive are deleted,"""
    archive_keep_h: int = Field(default=168, ge=1)
    """once they have been out of it for so many hours; readers of an older version need them."""
    mlflow_tracking_uri: Annotated[
        str | None,
        BeforeValidator(_empty_is_none),
        _address("a server's address, such as http://127.0.0.1:5000", "http", "https"),
    ] = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    """MLflow's own name, without the prefix; not set: no curves, no registered versions."""
    register_after: int = Field(default=500, ge=0)
    """Examples learned before the first version is registered, unless that would take `register_max_age_s`."""
    register_every_s: float = Field(default=60.0, ge=0)
    """Between two registered versions at least so long;"""
    register_max_age_s: float = Field(default=600.0, gt=0)
    """a version older than this is followed by another, even one that is no better."""


def load_settings() -> Settings:
    """Read the settings; a wrong one is a sentence that names it."""
    for name in unknown_names():
        sys.stderr.write(f"headrace: {name} is not a setting; `headrace config` lists them all\n")
    _lend_keys()
    try:
        return Settings()
    except ValidationError as error:
        raise HeadraceError(_sentence(error)) from None
    except (ValueError, OSError) as error:  # JSON in a variable that is none, `.env` in other letters or not readable
        raise HeadraceError(f"a setting cannot be read: {error}") from None


def _lend_keys() -> None:
    """Let the clients of S3 find the local server: they read AWS_* from the environment alone, which wins."""
    for file in (".env", LOCAL_ENV):
        for name, value in dotenv_values(file).items():
            if name.startswith("AWS_") and value:
                os.environ.setdefault(name, value)


def unknown_names() -> list[str]:
    """Names in the environment that look like settings of ours and are none."""
    known = {_name(field) for field in Settings.model_fields} | {failpoints.SETTING}
    return sorted(name for name in os.environ if name.startswith("HEADRACE_") and name.split("__")[0] not in known)


def _name(field: str) -> str:
    """A setting's name in the environment."""
    return str(Settings.model_fields[field].validation_alias or f"HEADRACE_{field.upper()}")


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field, *inner = (part for part in first["loc"] if isinstance(part, str) and part.isidentifier())
    name = "__".join([_name(field) if field in Settings.model_fields else field, *inner]).upper()
    secret, said = name.endswith(("SIGNING_KEY", "CONFIG")), first["msg"].removeprefix("Value error, ")
    return f"{name}: {said[0].lower()}{said[1:]}" + ("" if secret else f", got {_mask_url(str(first['input']))!r}")


_SECRET = ("password", "secret", "key", "token", "credential", "sasl.jaas")


def masked(settings: Settings) -> dict[str, Any]:
    """The settings by their environment names, with secrets masked."""
    shown: dict[str, Any] = {}
    for name, value in settings.model_dump(mode="json").items():
        if isinstance(getattr(settings, name), BaseModel):
            for part, inner in value.items():
                shown[f"{_name(name)}__{part.upper()}"] = _mask_config(inner) if isinstance(inner, dict) else inner
        else:
            shown[_name(name)] = _mask_url(value) if isinstance(value, str) else value
    return shown


def _mask_config(config: dict[str, Any]) -> dict[str, Any]:
    return {name: "********" if any(word in name for word in _SECRET) else value for name, value in config.items()}


def _mask_url(value: str) -> str:
    return re.sub(r"(://[^/@]*:)[^/@]+@", r"\1********@", value)
