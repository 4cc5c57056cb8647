"""Plans by version: the live one, and any earlier one for replay."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import msgspec

from nba.catalog.store import ControlStore
from nba.decision.compiling import Compiler, compile_here
from nba.decision.learned import LearnedStates
from nba.decision.plan import Plan
from nba.errors import CorruptRecordError, NotFoundError
from nba.features import StoredLayout

_KEPT_PLANS = 4


class PlanPointer(msgspec.Struct, frozen=True, array_like=True):
    """What every replica follows: the plan's digest and the bandit snapshot to run it with.

    ``snapshot`` 0 is the bandit that has seen nothing. ``publication`` is the number of the
    publication that made the plan live, 0 where nothing did; nobody points back at an earlier one.
    """

    digest: str
    snapshot: int = 0
    publication: int = 0

    @property
    def version(self) -> str:
        """The version answers carry."""
        return f"{self.digest}.{self.snapshot}"

    def to_bytes(self) -> bytes:
        """Pack."""
        return msgspec.msgpack.encode(self)


def read_pointer(packed: bytes) -> PlanPointer:
    """Unpack a pointer; :class:`CorruptRecordError` where it is not one."""
    try:
        return msgspec.msgpack.decode(packed, type=PlanPointer)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError(f"cannot read the plan pointer: {error}") from error


def parse_version(version: str) -> PlanPointer:
    """Return the pointer a plan version stands for.

    >>> parse_version("3f2a9c81d2.417").snapshot
    417
    """
    digest, _, snapshot = version.partition(".")
    if not digest or not snapshot.isdigit():
        raise NotFoundError(f"{version!r} is no plan version")
    return PlanPointer(digest, int(snapshot))


class PlanRepository:
    """Compiles plans from the control store and keeps the latest few; safe to use from threads."""

    def __init__(self, control: ControlStore, compiler: Compiler = compile_here) -> None:
        self._control = control
        self._compile = compiler
        self._bases: OrderedDict[str, Plan] = OrderedDict()
        self._lock = Lock()
        self._compiling = Lock()
        self._states = LearnedStates(control)
        self._opening = Lock()

    def get(self, pointer: PlanPointer) -> Plan:
        """Return a plan, compiled; :class:`NotFoundError` where the store has no such version."""
        base = self._base(pointer.digest)
        if pointer.snapshot == 0:
            return base
        snapshot = self._control.snapshot(pointer.snapshot)
        if snapshot is None:
            raise NotFoundError(f"bandit snapshot {pointer.snapshot} is not kept any more")
        with self._opening:
            learned, _ = self._states.open(snapshot)
        return base.with_learner(learned, pointer.snapshot)

    def compiled(self, artifact: bytes, digest: str) -> Plan:
        """Return the plan of an artifact that is not in the store yet, compiled and kept."""
        with self._compiling:
            return self._kept(digest) or self._keep(artifact, digest)

    def layouts(self) -> list[StoredLayout]:
        """Return every layout of profiles there ever was, as of now."""
        return [
            StoredLayout.from_builtins(msgspec.msgpack.decode(data))
            for data in self._control.layouts().values()
        ]

    def _base(self, digest: str) -> Plan:
        kept = self._kept(digest)
        if kept is not None:
            return kept
        with self._compiling:  # so that whoever comes second waits instead of doing it again
            return self._kept(digest) or self._compiled(digest)

    def _kept(self, digest: str) -> Plan | None:
        with self._lock:
            if digest in self._bases:
                self._bases.move_to_end(digest)
            return self._bases.get(digest)

    def _compiled(self, digest: str) -> Plan:
        artifact = self._control.plan(digest)
        if artifact is None:
            raise NotFoundError(f"plan {digest} is not in the control store")
        return self._keep(artifact, digest)

    def _keep(self, artifact: bytes, digest: str) -> Plan:
        plan = self._compile(artifact, digest, self.layouts())
        with self._lock:
            self._bases[digest] = plan
            while len(self._bases) > _KEPT_PLANS:
                self._bases.popitem(last=False)
        return plan
