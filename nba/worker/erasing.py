"""Erasing a customer from everything the API does not reach, and proving it by searching."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from nba.domain.clock import Clock
from nba.domain.ids import DecisionId
from nba.ledger.erasure import ErasureState, Searched
from nba.ledger.log import DecisionLog
from nba.ledger.store import LedgerEntry, LedgerStore

MIN_SEARCHED_BYTES = 8
"""A shorter id is not looked for in the bytes of files: it would be found by chance."""

_CHUNK_BYTES = 1 << 20

_logger = logging.getLogger(__name__)

OpenLogs = Callable[[], Sequence[DecisionLog]]
"""Opens the log of every dataset there is, the worker's own first."""


class Eraser:
    """Erases from the logs and from what is left online, then searches all of it.

    Parameters
    ----------
    ledger
        Where erasures are asked for, and the proof is kept.
    open_logs
        Opens the logs to erase from.
    folders
        Files and folders that must not hold a customer and are searched byte by byte.
    clock
        When it was done.

    """

    def __init__(
        self,
        ledger: LedgerStore,
        open_logs: OpenLogs,
        *,
        clock: Clock,
        folders: Sequence[Path] = (),
    ) -> None:
        self._ledger = ledger
        self._open_logs = open_logs
        self._folders = folders
        self._clock = clock

    async def erase(self, entry: LedgerEntry) -> None:
        """Do what an entry asks for; doing it again after a crash changes nothing.

        What was decided in the moment before the customer was erased online goes too.
        """
        customer_id = entry.body.decode()
        store = self._ledger.erasures
        logs = await asyncio.to_thread(self._open_logs)
        erased = [await asyncio.to_thread(log.erase, customer_id) for log in logs]
        ids = sorted({name for names in erased for name in names})
        await store.forget([DecisionId(name) for name in ids])
        searched = await store.search(customer_id, ids, entry.position)
        for log in logs:
            searched += await asyncio.to_thread(log.search, customer_id, ids)
        searched += await asyncio.to_thread(self._search_files, customer_id, ids)
        pseudonym = logs[0].sealer.pseudonym(customer_id)
        now_ms = self._clock()
        state = await store.state(pseudonym) or ErasureState(now_ms, 0)
        proof = msgspec.structs.replace(
            state,
            decisions=max(state.decisions, len(ids)),
            searched=tuple(searched),
            searched_at_ms=now_ms,
            finished_at_ms=None,
        )
        for place in proof.searched:
            if place.found:
                _logger.error("erasing %s: %d left in %s", pseudonym, place.found, place.place)
        await store.note(pseudonym, proof)
        await store.drop(entry.partition, entry.position, pseudonym)

    async def finish(self) -> int:
        """Go one step further in clearing the store's files; return how many erasures are done."""
        store = self._ledger.erasures
        cleared = await store.clear()
        for pseudonym in cleared:
            state = await store.state(pseudonym)
            if state is not None:
                now_ms = self._clock()
                await store.note(pseudonym, msgspec.structs.replace(state, finished_at_ms=now_ms))
        return len(cleared)

    def _search_files(self, customer_id: str, decision_ids: Sequence[str]) -> list[Searched]:
        names = [name.encode() for name in (customer_id, *decision_ids)]
        needles = [name for name in names if len(name) >= MIN_SEARCHED_BYTES]
        found = []
        for folder in self._folders:
            files = list(files_in(folder))
            if needles and files:
                hits = sum(holds_any(file, needles) for file in files)
                found.append(Searched(f"files of {folder.name}", len(files), hits))
        return found


def files_in(folder: Path) -> Iterator[Path]:
    """Iterate over a file, or over the files in a folder."""
    if folder.is_file():
        yield folder
    elif folder.is_dir():
        yield from (path for path in folder.rglob("*") if path.is_file())


def holds_any(file: Path, needles: Sequence[bytes]) -> bool:
    """Say whether the bytes of a file hold any of some; a file gone meanwhile holds nothing."""
    overlap = max(map(len, needles)) - 1
    try:
        with file.open("rb") as opened:
            tail = b""
            while chunk := opened.read(_CHUNK_BYTES):
                window = tail + chunk
                if any(needle in window for needle in needles):
                    return True
                tail = window[-overlap:] if overlap else b""
    except FileNotFoundError:
        return False
    return False
