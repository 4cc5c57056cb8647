"""Pointing replicas at what was published: at once by whoever published, and never back.

The control store decides what is live, and the pointer in the ledger tells replicas. A publication
is pointed at in two steps that need not be one: whoever published points as soon as it has, and
where it ended before that the worker does, as it looks for publications all the time. The pointer
carries the publication's number, and is only ever replaced as it was read: a snapshot of the bandit
that the worker publishes meanwhile, for the plan it still teaches, does not point replicas back.
"""

from __future__ import annotations

import asyncio
from hashlib import blake2b

import msgspec

from nba.catalog.publications import Publication
from nba.catalog.store import ControlStore
from nba.decision.artifact import PlanSource, unpack_plan
from nba.decision.plans import PlanPointer, read_pointer
from nba.errors import CorruptRecordError, NotFoundError
from nba.ledger.store import LedgerStore


class Pointing:
    """Points replicas at plans."""

    def __init__(self, ledger: LedgerStore, control: ControlStore) -> None:
        self._ledger = ledger
        self._control = control

    async def at_current(self) -> PlanPointer | None:
        """Point at what the control store says is live, unless replicas are pointed at it.

        The plan comes with the latest snapshot of what was learned for its models, or with the
        bandit that has seen nothing. Returns where replicas are pointed now, ``None`` where nothing
        was published.

        Raises :class:`~nba.errors.CorruptRecordError` where the plan cannot be read; the last one
        stays live.
        """
        while True:
            # The pointer first: what it names was published before, so `latest` is no earlier one.
            before = await self._ledger.plan()
            latest = await self._latest()
            if latest is None:
                return None
            live = _read(before)
            if (live.publication, live.digest) == (latest.id, latest.version):
                return live
            pointer = await asyncio.to_thread(self._pointer, latest)
            if await self._ledger.set_plan(pointer.to_bytes(), expected=before):
                return pointer

    async def at(self, pointer: PlanPointer) -> bool:
        """Point at a plan and snapshot; ``False`` where a later publication was pointed at."""
        while True:
            before = await self._ledger.plan()
            live = _read(before)
            if live.publication > pointer.publication:
                latest = await self._latest()
                # A number the control store does not know was given by another one before it.
                if latest is not None and latest.id >= live.publication:
                    return False
            if await self._ledger.set_plan(pointer.to_bytes(), expected=before):
                return True

    async def _latest(self) -> Publication | None:
        return next(iter(await asyncio.to_thread(self._control.publications, 1)), None)

    def _pointer(self, publication: Publication) -> PlanPointer:
        artifact = self._control.plan(publication.version)
        if artifact is None:
            raise NotFoundError(f"plan {publication.version} is not in the control store")
        snapshot = self._control.latest_snapshot(state_key(unpack_plan(artifact)))
        sequence = 0 if snapshot is None else snapshot.sequence
        return PlanPointer(publication.version, sequence, publication.id)


def state_key(source: PlanSource) -> str:
    """Return what a learned state belongs to: the models it corrects and its own inputs."""
    parts = (sorted(source.model_versions.items()), msgspec.to_builtins(source.bandit))
    return blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()


def _read(packed: bytes | None) -> PlanPointer:
    """Return a pointer; one at nothing where there is none, or none that can be read."""
    try:
        return PlanPointer("") if packed is None else read_pointer(packed)
    except CorruptRecordError:
        return PlanPointer("")
