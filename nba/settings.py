"""How it runs: one typed settings object, read from ``NBA_`` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DAY_MS = 86_400_000


class Settings(BaseSettings):
    """Every setting, with its default; each is read from the variable ``NBA_<NAME>``.

    Where a store's URL is not set, an embedded default is started under ``data_dir``.
    """

    model_config = SettingsConfigDict(env_prefix="NBA_", frozen=True, extra="ignore")

    project_dir: Path = Field(
        default=Path(),
        description="Folder with catalog/, features/, policies/ and models/.",
    )
    data_dir: Path = Field(
        default=Path("data"),
        description="Where embedded stores, the log and models are kept between runs.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8080, ge=0, le=65_535, description="Port the API listens on.")
    api_processes: int = Field(default=1, ge=1, le=64, description="API processes on this machine.")
    access: Literal["open", "keys"] | None = Field(
        default=None,
        description="keys: whoever asks needs an API key or a token. open: everybody may do "
        "everything. Unset is open, and only where NBA_HOST is this machine alone.",
    )
    access_poll_seconds: float = Field(
        default=1.0,
        gt=0,
        description="How often API processes read the keys again: how long a new one waits, and "
        "a revoked one goes on.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="URL of an OpenID Connect issuer whose tokens are taken beside API keys.",
    )
    oidc_audience: str | None = Field(
        default=None, description="What that issuer's tokens for this service say in `aud`."
    )
    oidc_roles_claim: str = Field(
        default="roles",
        description="The claim of its tokens that lists roles; realm_access.roles is a path.",
    )
    api_key: str | None = Field(
        default=None,
        repr=False,
        description="The API key that commands send to a service that asks for one.",
    )
    redis_url: str | None = Field(
        default=None,
        description="Redis or Valkey (redis://, rediss://, unix://); embedded Valkey if unset.",
    )
    redis_timeout_seconds: float = Field(
        default=2.0, gt=0, description="A reply later than this fails the request with 503."
    )
    partitions: int = Field(
        default=16,
        ge=1,
        le=4_095,
        description="Hash slots customers are spread over; fixed for the life of the stored data.",
    )
    key_prefix: str = Field(default="nba", description="Prefix of every key in Redis.")
    control_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the control store; SQLite under data_dir if unset.",
    )
    log_url: str | None = Field(
        default=None,
        description="Folder or object-storage URL of the Delta tables; data_dir/log if unset.",
    )
    sealing_key: str | None = Field(
        default=None,
        repr=False,
        description="32 bytes in base64 that seal sensitive values and name who was erased; "
        "data_dir/sealing.key if unset and the log is a folder.",
    )
    cms_tokens: str | None = Field(
        default=None,
        repr=False,
        description="Tokens of content management systems: connector=token, commas between them.",
    )
    mlflow_tracking_uri: str | None = Field(
        default=None, description="MLflow server; a local SQLite one under data_dir if unset."
    )
    mlflow_port: int = Field(
        default=5001, ge=0, le=65_535, description="Port of the embedded MLflow server; 0 for none."
    )
    model_alias: str = Field(
        default="champion", description="Registry alias whose version of each model is live."
    )
    four_eyes: bool = Field(
        default=False,
        description="Whether whoever approves a change set must have written none of it.",
    )
    record_ttl_ms: int = Field(
        default=40 * DAY_MS,
        gt=0,
        description="How long decision records stay online; must outlast the longest horizon.",
    )
    profile_ttl_ms: int = Field(
        default=0,
        ge=0,
        description="How long a profile outlives the last change to it; 0 keeps it for ever.",
    )
    history_ttl_ms: int = Field(
        default=400 * DAY_MS,
        gt=0,
        description="How long a contact history outlives its last contact.",
    )
    poll_seconds: float = Field(
        default=0.2, gt=0, description="How often replicas and the worker look for something new."
    )
    flush_seconds: float = Field(
        default=2.0, gt=0, description="How often the worker appends to the log."
    )
    worker_index: int = Field(
        default=0,
        ge=0,
        description="Which of the workers this process is, from 0. The first one also teaches.",
    )
    worker_count: int = Field(
        default=1,
        ge=1,
        description="How many workers share the partitions; the same for all of them.",
    )
    worker_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Port on which the worker answers Prometheus, at NBA_HOST; 0 for none.",
    )
    expiry_grace_seconds: float = Field(
        default=60.0, ge=0, description="How long after its horizon a choice still waits."
    )
    max_body_bytes: int = Field(
        default=1_000_000, gt=0, description="Largest request body accepted; larger answers 413."
    )
    undeclared: Literal["drop", "refuse"] = Field(
        default="drop",
        description="What becomes of events, properties and attributes no file declares.",
    )
    max_items_in_flight: int = Field(
        default=20_000,
        ge=1,
        description="Events an API process takes in at once; more answer 429.",
    )
    max_ledger_backlog: int = Field(
        default=2_000_000,
        ge=1,
        description="Ledger entries that may wait for the worker; beyond it, events answer 429.",
    )
    clock_scale: float = Field(
        default=1.0,
        gt=0,
        description="How many seconds pass in the service for each real one; for simulations.",
    )
    clock_epoch_ms: int = Field(
        default=0,
        ge=0,
        description="Real time, in ms since the epoch, from which clock_scale counts.",
    )
    clock_offset_ms: int = Field(
        default=0, description="What the service's clock showed at clock_epoch_ms; 0 for the same."
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")

    @field_validator("worker_count")
    @classmethod
    def _shares_partitions(cls, count: int, info: ValidationInfo) -> int:
        index, partitions = info.data.get("worker_index", 0), info.data.get("partitions", count)
        if not index < count <= partitions:
            raise ValueError(
                f"more than NBA_WORKER_INDEX, {index}, and up to NBA_PARTITIONS, {partitions}, "
                "are expected"
            )
        return count
