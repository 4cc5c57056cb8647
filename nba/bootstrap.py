"""The composition root: the only place that picks a technology, reads the clock and rolls dice.

Everything else is given what it needs.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING

from nba.errors import DefinitionError, Fault, UnavailableError

# Every command comes by here, and few need a store: technologies are loaded where they are opened.
if TYPE_CHECKING:
    from nba.access import Gate
    from nba.access.service import KeyService
    from nba.access.store import KeyStore
    from nba.catalog.store import ControlStore
    from nba.decision.compiling import Compiler
    from nba.decision.plans import PlanRepository
    from nba.domain.clock import Clock
    from nba.features.redis import RedisProfileStore
    from nba.features.rollout_redis import RedisRolloutStore
    from nba.ledger.budgets_redis import RedisBudgets
    from nba.ledger.log import DecisionLog
    from nba.ledger.redis import RedisLedger
    from nba.ledger.sealing import Sealer
    from nba.ledger.shared_redis import RedisShared
    from nba.models.mlflow import MlflowRegistry
    from nba.settings import Settings
    from nba.storage import Connection, Keys

CONTROL_FILE = "control.db"
"""Where, in the data folder, the embedded control store lies."""

MLFLOW_FILE = "mlflow.db"
"""Where, in the data folder, the embedded MLflow keeps runs and registry."""

SEALING_KEY_FILE = "sealing.key"
"""Where, in the data folder, the key of sensitive values is kept; losing it loses them."""

LIVE = "live"
"""The dataset of the log that the service itself writes."""

_COLLECT_AFTER = 100_000
_RANDOM_DRAW_BYTES = 16
_RANDOM_BLOCK_BYTES = 256 * _RANDOM_DRAW_BYTES


def collect_rarely() -> None:
    """Look for cyclic garbage less often, and not among what is there now.

    Events come as many small objects and leave none in cycles: looking for them every 700 objects
    took a third of the time of taking events in.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


def load_settings(**changes: object) -> Settings:
    """Read settings from the environment; ``changes`` override it.

    Raises :class:`~nba.errors.DefinitionError` naming every variable with a wrong value.
    """
    from pydantic import ValidationError

    from nba.settings import Settings

    given = {name: value for name, value in changes.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # validated by pydantic
    except ValidationError as error:
        raise DefinitionError(
            Fault(
                f"NBA_{str(detail['loc'][0]).upper()}", f"found {detail['input']!r}", detail["msg"]
            )
            for detail in error.errors(include_url=False)
        ) from error


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a child process reads these same settings."""
    given = settings.model_dump(mode="json", exclude_none=True)
    return {**os.environ, **{f"NBA_{name.upper()}": str(value) for name, value in given.items()}}


def system_clock() -> int:
    """Return now, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def clock_of(settings: Settings) -> Clock:
    """Return the clock of the service: the system's, or a faster one for simulations."""
    if settings.clock_scale == 1.0 and not settings.clock_offset_ms:
        return system_clock
    epoch_ms = settings.clock_epoch_ms
    start_ms = settings.clock_offset_ms or epoch_ms
    scale = settings.clock_scale
    return lambda: start_ms + int((system_clock() - epoch_ms) * scale)


class RandomBits:
    """Bits of chance from the operating system, fetched a block at a time."""

    def __init__(self) -> None:
        self._block = b""
        self._used = 0

    def __call__(self, count: int) -> int:
        """Return that many bits, at most 128."""
        if self._used >= len(self._block):
            self._block, self._used = os.urandom(_RANDOM_BLOCK_BYTES), 0
        drawn = self._block[self._used : self._used + _RANDOM_DRAW_BYTES]
        self._used += _RANDOM_DRAW_BYTES
        return int.from_bytes(drawn, "little") >> (8 * _RANDOM_DRAW_BYTES - count)


def control_url(settings: Settings) -> str:
    """Return the control store's URL, the embedded default's if none is set."""
    if settings.control_url is not None:
        return settings.control_url
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(settings.data_dir / CONTROL_FILE).resolve()}"


def tracking_uri(settings: Settings) -> str:
    """Return MLflow's tracking URI, the embedded default's if none is set."""
    if settings.mlflow_tracking_uri is not None:
        return settings.mlflow_tracking_uri
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(settings.data_dir / MLFLOW_FILE).resolve()}"


def artifact_root(settings: Settings) -> Path:
    """Return where the embedded MLflow keeps models and plots."""
    return (settings.data_dir / "mlartifacts").resolve()


def open_control(settings: Settings) -> ControlStore:
    """Open the control store, its tables brought up to date."""
    from nba.catalog.sql import SqlControlStore

    return SqlControlStore.create(control_url(settings))


@contextmanager
def open_keys(settings: Settings) -> Iterator[KeyService]:
    """Open the service that makes, rotates and revokes API keys."""
    from nba.access.sql import SqlKeyStore
    from nba.catalog.database import Database

    database = Database.create(control_url(settings))
    try:
        yield key_service(SqlKeyStore(database), clock_of(settings))
    finally:
        database.close()


def key_service(keys: KeyStore, clock: Clock) -> KeyService:
    """Return the service that makes, rotates and revokes keys of a store."""
    from nba.access.service import KeyService

    return KeyService(keys, clock, os.urandom)


def open_gate(settings: Settings, keys: KeyStore, clock: Clock) -> Gate:
    """Return the gate that requests pass.

    Raises :class:`~nba.errors.DefinitionError` where it is not clear, or not safe, who is let in.
    """
    from nba.access import KeyGate, OpenGate
    from nba.access.ring import KeyRing
    from nba.access.rules import require_access

    require_access(settings)
    if settings.access != "keys":
        return OpenGate()
    ring = KeyRing(keys, clock, poll_seconds=settings.access_poll_seconds)
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return KeyGate(ring)
    from nba.access.http import fetch  # its client is slow to load, and few need it
    from nba.access.oidc import OidcVerifier

    oidc = OidcVerifier(
        settings.oidc_issuer,
        settings.oidc_audience,
        roles_claim=settings.oidc_roles_claim,
        fetch=fetch,
        clock=clock,
    )
    return KeyGate(ring, oidc)


def open_log(settings: Settings, dataset: str = LIVE) -> DecisionLog:
    """Open a dataset of the log."""
    # Its libraries are heavy; an API process loads them only for a customer's timeline.
    from nba.ledger.delta import DeltaLog

    root = _log_root(settings)
    # What many machines share is not sealed with a key that one of them made for itself.
    shared = "://" in root and settings.sealing_key is None
    return DeltaLog(f"{root}/{dataset}", sealer=None if shared else open_sealer(settings))


def open_archives(settings: Settings) -> list[DecisionLog]:
    """Open every dataset but the service's own, as far as the log is a folder."""
    return [open_log(settings, name) for name in datasets(settings) if name != LIVE]


def datasets(settings: Settings) -> list[str]:
    """Return the names of the log's datasets, sorted; none where the log is not a folder."""
    root = Path(_log_root(settings))
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def _log_root(settings: Settings) -> str:
    return (settings.log_url or str((settings.data_dir / "log").resolve())).rstrip("/")


def embedded_files(settings: Settings) -> list[Path]:
    """Return the files and folders of the embedded control store and MLflow."""
    found = []
    if settings.control_url is None:
        found.append(settings.data_dir / CONTROL_FILE)
    if settings.mlflow_tracking_uri is None:
        found += [settings.data_dir / MLFLOW_FILE, artifact_root(settings)]
    return found


def open_sealer(settings: Settings) -> Sealer:
    """Open what seals sensitive values; the first to ask makes the embedded default's key.

    Raises :class:`~nba.errors.DefinitionError` where the key is none.
    """
    from nba.ledger.sealing import KEY_BYTES, Sealer

    place, text = "NBA_SEALING_KEY", settings.sealing_key
    if text is None:
        path = (settings.data_dir / SEALING_KEY_FILE).resolve()
        place, text = str(path), _kept_key(path)
    try:
        return Sealer(b64decode(text, validate=True), os.urandom)
    except ValueError as error:
        found = f"found a text of {len(text)} characters"
        raise DefinitionError([Fault(place, found, f"{KEY_BYTES} bytes in base64")]) from error


def _kept_key(path: Path) -> str:
    from nba.ledger.sealing import KEY_BYTES

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = mkstemp(dir=path.parent, prefix=path.name)  # readable by its owner only
        with os.fdopen(descriptor, "wb") as file:
            file.write(b64encode(os.urandom(KEY_BYTES)))
        # A link appears complete or not at all, and never in the place of another process's.
        with suppress(FileExistsError):
            os.link(draft, path)
        Path(draft).unlink()
    return path.read_text(encoding="ascii").strip()


def open_registry(settings: Settings) -> MlflowRegistry:
    """Open the model registry."""
    from nba.models.mlflow import MlflowRegistry

    return MlflowRegistry(tracking_uri(settings))


def valkey_folder(settings: Settings) -> Path:
    """Return where the embedded store keeps its data."""
    return (settings.data_dir / "valkey").resolve()


def with_running_store(settings: Settings) -> Settings:
    """Return settings with the URL of the store; the one ``nba up`` has started if none is set.

    Raises :class:`~nba.errors.UnavailableError` where there is none.
    """
    if settings.redis_url is not None:
        return settings
    from nba.storage.valkey import running_url

    url = running_url(valkey_folder(settings))
    if url is None:
        raise UnavailableError(
            f"no store runs on {settings.data_dir}: start `nba up`, or set NBA_REDIS_URL"
        )
    return settings.model_copy(update={"redis_url": url})


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What a process of the service works with."""

    settings: Settings
    clock: Clock
    random_bits: Callable[[int], int]
    connection: Connection
    keys: Keys
    ledger: RedisLedger
    budgets: RedisBudgets
    shared: RedisShared
    profiles: RedisProfileStore
    rollouts: RedisRolloutStore
    control: ControlStore
    api_keys: KeyStore
    repository: PlanRepository


@asynccontextmanager
async def open_runtime(
    settings: Settings, compiler: Compiler | None = None
) -> AsyncIterator[Runtime]:
    """Open the stores of one process and close them again; plans are compiled in it by default."""
    from nba.access.sql import SqlKeyStore
    from nba.catalog.database import Database
    from nba.catalog.sql import SqlControlStore
    from nba.decision.compiling import compile_here
    from nba.decision.plans import PlanRepository
    from nba.features.redis import RedisProfileStore
    from nba.features.rollout_redis import RedisRolloutStore
    from nba.ledger.budgets_redis import RedisBudgets
    from nba.ledger.redis import RedisLedger
    from nba.ledger.shared_redis import RedisShared
    from nba.storage import Connection, Keys

    if settings.redis_url is None:
        raise ValueError("NBA_REDIS_URL is not set; `nba up` starts an embedded server")
    clock = clock_of(settings)
    connection = Connection(settings.redis_url, timeout_seconds=settings.redis_timeout_seconds)
    await connection.connect()
    keys = Keys(partitions=settings.partitions, prefix=settings.key_prefix)
    database = Database.create(control_url(settings))
    control = SqlControlStore(database)
    try:
        yield Runtime(
            settings=settings,
            clock=clock,
            random_bits=RandomBits(),
            connection=connection,
            keys=keys,
            ledger=RedisLedger(
                connection,
                keys,
                record_ttl_ms=settings.record_ttl_ms,
                history_ttl_ms=settings.history_ttl_ms,
            ),
            budgets=RedisBudgets(connection, keys),
            shared=RedisShared(connection, keys),
            profiles=RedisProfileStore(
                connection,
                keys,
                clock,
                history_ttl_ms=settings.history_ttl_ms,
                profile_ttl_ms=settings.profile_ttl_ms,
            ),
            rollouts=RedisRolloutStore(connection, keys),
            control=control,
            api_keys=SqlKeyStore(database),
            repository=PlanRepository(control, compiler or compile_here),
        )
    finally:
        await connection.close()
        control.close()


def configure_logging(settings: Settings) -> None:
    """Log to standard error, one line an event."""
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    for library in ("alembic", "httpx"):
        logging.getLogger(library).setLevel(logging.WARNING)
