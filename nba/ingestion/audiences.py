"""Lists of customers into their profiles, and out of them again.

Only who is not yet where the file wants them is written, so an upload that was broken off is run
again, and one that was not costs a read. Where a file is to replace what was on a list, those it
does not name are taken off afterwards: found by going through all profiles, since nothing else
says who is on a list.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nba.domain.alias import read_forward
from nba.domain.audience import Audiences, membership_code
from nba.domain.customer import ProfileUpdate
from nba.domain.ids import CustomerId
from nba.errors import DefinitionError, Fault, InputError, OverloadedError
from nba.features import FeatureSet, ItemStatus, ProfileService, ProfileStore
from nba.features.items import id_faults
from nba.features.profile import read_head
from nba.features.store import Wanted
from nba.ingestion.files import Source, open_source
from nba.ingestion.rows import SOURCE

Told = Callable[[str, float], None]
"""Called with the stage now at work and the share of it already done, 0 to 1."""

MAX_SHOWN = 1_000
"""Faults of one file that are kept to be shown; all are counted."""

_AT_ONCE = 1_000
_HASH_BYTES = 8
_MAX_RETRIES = 20


class Customers(Protocol):
    """Knows the id of everybody who has a profile."""

    def customers(self) -> AsyncIterator[list[CustomerId]]:
        """Iterate over them, some at a time."""
        ...


@dataclass(slots=True)
class AudienceReport:
    """What became of an upload: rows that name somebody, and how many were put on and taken off."""

    audience: str
    file: str = ""
    rows: int = 0
    added: int = 0
    removed: int = 0
    rejected: int = 0
    faults: list[Fault] = field(default_factory=list)


class AudienceLists:
    """Reads and changes who is on which list.

    Parameters
    ----------
    profiles
        Applies what changes.
    store
        Where profiles are read.
    customers
        Who has one.
    features
        The live feature set, whose catalog declares the lists.

    """

    def __init__(
        self,
        profiles: ProfileService,
        store: ProfileStore,
        customers: Customers,
        features: FeatureSet,
    ) -> None:
        self._profiles = profiles
        self._store = store
        self._customers = customers
        self._audiences: Audiences = features.audiences

    async def counts(self) -> dict[str, int]:
        """Return how many customers are on each declared list, those below it left aside."""
        counted = dict.fromkeys(self._audiences.codes, 0)
        async for _, consents in self._heads():
            for name in self._audiences.on(consents):
                counted[name] += 1
        return counted

    async def upload(
        self, name: str, path: Path, told: Told, *, column: str = "customer_id", replace: bool
    ) -> AudienceReport:
        """Put everybody a file names on a list; with ``replace`` take everybody else off.

        Where a row cannot be read nobody is taken off: it might have named them. Raises
        :class:`~nba.errors.InputError` where there is no such list, or a file that is to replace it
        names nobody; :class:`~nba.errors.DefinitionError` where the file cannot be read at all.
        """
        present = self._audiences.names.get(name)
        if present is None:
            found = f"audience {name!r} is not declared"
            raise InputError([Fault("NAME", found, self._audiences.hint(name))])
        report = AudienceReport(present, path.name)
        named = array("Q")
        source = await asyncio.to_thread(open_source, path)
        try:
            rows = _customers(source, path, column, report)
            while batch := list(islice(rows, _AT_ONCE)):
                told("reading", source.done())
                named.extend(map(_hash, batch))
                await self._put_on(present, batch, report)
        finally:
            source.close()
        if replace and not report.rejected:
            if not named:
                expected = "`nba audience remove` takes everybody off"
                raise InputError([Fault(path.name, "the file names nobody", expected)])
            told("taking off the others", 0.0)
            await self._take_off(present, report, keep=np.unique(np.array(named)))
        told("done", 1.0)
        return report

    async def remove(self, name: str, told: Told) -> AudienceReport:
        """Take everybody off a list, whether or not it is still declared."""
        report = AudienceReport(self._audiences.names.get(name, name))
        told("taking off", 0.0)
        await self._take_off(report.audience, report, keep=np.zeros(0, np.uint64))
        told("done", 1.0)
        return report

    async def _put_on(self, name: str, batch: Sequence[CustomerId], report: AudienceReport) -> None:
        own = membership_code(name)
        wanted = list(dict.fromkeys(batch))
        states = await self._store.read_many([Wanted(customer_id) for customer_id in wanted])
        missing = [
            customer_id
            for customer_id, state in zip(wanted, states, strict=True)
            if state.profile is None
            or read_forward(state.profile) is not None
            or own not in read_head(state.profile).consents
        ]
        report.added += await self._change(name, missing, report, joins=True)

    async def _take_off(
        self, name: str, report: AudienceReport, *, keep: NDArray[np.uint64]
    ) -> None:
        codes = self._audiences.codes.get(name) or (membership_code(name),)
        leaving: list[CustomerId] = []
        async for customer_id, consents in self._heads():
            if any(code in consents for code in codes) and not await self._is_kept(
                customer_id, keep
            ):
                leaving.append(customer_id)
                if len(leaving) == _AT_ONCE:
                    report.removed += await self._change(name, leaving, report, joins=False)
                    leaving.clear()
        report.removed += await self._change(name, leaving, report, joins=False)

    async def _is_kept(self, customer_id: CustomerId, keep: NDArray[np.uint64]) -> bool:
        """Say whether a file named a customer, under whichever of their ids."""
        if not len(keep):
            return False
        if _contains(keep, customer_id):
            return True
        family = await self._profiles.aliases.family(customer_id)
        return any(_contains(keep, member) for member in family)

    async def _change(
        self, name: str, customers: Iterable[CustomerId], report: AudienceReport, *, joins: bool
    ) -> int:
        updates = [
            ProfileUpdate(customer_id=customer_id, audiences={name: joins}, source=SOURCE)
            for customer_id in customers
        ]
        if not updates:
            return 0
        results = await self._patiently(updates)
        for update, result in zip(updates, results, strict=True):
            if result.status is ItemStatus.REJECTED:
                report.rejected += 1
                for fault in result.faults:
                    found = f"customer {update.customer_id!r}: {fault.found}"
                    _keep(report, Fault(report.file or name, found, fault.expected))
        return sum(result.status is ItemStatus.RECORDED for result in results)

    async def _patiently(self, updates: Sequence[ProfileUpdate]) -> list[Any]:
        for _ in range(_MAX_RETRIES):
            try:
                return await self._profiles.ingest(updates)
            except OverloadedError as error:
                await asyncio.sleep(error.retry_after_seconds)
        return await self._profiles.ingest(updates)

    async def _heads(self) -> AsyncIterator[tuple[CustomerId, Collection[int]]]:
        """Iterate over everybody with a profile and what is coded in it."""
        async for customers in self._customers.customers():
            states = await self._store.read_many([Wanted(one) for one in customers])
            for customer_id, state in zip(customers, states, strict=True):
                if state.profile is not None and read_forward(state.profile) is None:
                    yield customer_id, read_head(state.profile).consents


def _customers(
    source: Source, path: Path, column: str, report: AudienceReport
) -> Iterator[CustomerId]:
    """Iterate over the customers a file names; rows that name none are told in the report."""
    position: int | None = None
    if source.names is not None:
        if column not in source.names:
            there = f"the columns are: {', '.join(source.names)}"
            fault = Fault(f"{path.name}:1", f"there is no column {column!r}", there)
            raise DefinitionError([fault])
        position = source.names.index(column)
    for line in source:
        faults = line.faults
        cell: Any = None
        if not faults:
            cell = line.content.get(column) if position is None else line.content[position]
            if isinstance(cell, int) and not isinstance(cell, bool):
                cell = str(cell)
            if isinstance(cell, str) and cell:
                faults = tuple(id_faults(column, cell))
            else:
                faults = (Fault(f"/{column}", "it names no customer", "an id is expected"),)
        report.rows += 1
        if not faults:
            yield CustomerId(cell)
            continue
        report.rejected += 1
        for fault in faults:
            found = f"{fault.place[1:]}: {fault.found}" if fault.place else fault.found
            _keep(report, Fault(f"{path.name}:{line.number}", found, fault.expected))


def _keep(report: AudienceReport, fault: Fault) -> None:
    if len(report.faults) < MAX_SHOWN:
        report.faults.append(fault)


def _hash(customer_id: str) -> int:
    return int.from_bytes(blake2b(customer_id.encode(), digest_size=_HASH_BYTES).digest(), "little")


def _contains(hashes: NDArray[np.uint64], customer_id: str) -> bool:
    wanted = np.uint64(_hash(customer_id))
    position = int(np.searchsorted(hashes, wanted))
    return position < len(hashes) and bool(hashes[position] == wanted)
