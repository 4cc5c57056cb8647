"""Handing a compiled plan from one process to another, in pieces.

To unpickle is to hold the interpreter, and a request that comes meanwhile waits. So the plan goes
over as many small pickles that refer to one another, with a pause after each, and its arrays as
bytes that need no unpickling. Both processes are ours and of one version; nothing else is read.
"""

from __future__ import annotations

import gc
import io
import pickle
import struct
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from nba.decision.plan import PlacementPlan, Plan
from nba.errors import CorruptRecordError

SLICE_SECONDS = 0.0002
"""How long pieces are unpickled at a time."""

PAUSE_SECONDS = 0.001
"""How long others may have the interpreter after that."""

_CHUNK = 25
_PROTOCOL = 5
_COUNT = struct.Struct("<Q")


def write_plan(plan: Plan, file: BinaryIO) -> None:
    """Write a plan for :func:`read_plan`."""
    arrays: list[pickle.PickleBuffer] = []
    packed = io.BytesIO()
    pickler = pickle.Pickler(packed, _PROTOCOL, buffer_callback=arrays.append)
    n_pieces = 0
    for piece in _pieces(plan):
        pickler.dump(piece)  # what an earlier piece holds is only named
        n_pieces += 1
    raws = [array.raw() for array in arrays]
    _write_counts(file, [n_pieces, packed.tell(), *(raw.nbytes for raw in raws)])
    file.write(packed.getbuffer())
    file.writelines(raws)
    file.flush()


def read_plan(file: BinaryIO) -> Plan:
    """Read a plan, piece by piece.

    Raises :class:`EOFError` where the other process ended before all was there, and
    :class:`~nba.errors.CorruptRecordError` where what it wrote is no plan.
    """
    n_pieces, length, *sizes = _read_counts(file)
    packed = io.BytesIO(_exactly(file, length))
    arrays = [_exactly(file, size) for size in sizes]
    unpickler = pickle.Unpickler(packed, buffers=arrays)  # noqa: S301  # our own child wrote it
    piece: object = None
    pause_at = time.perf_counter() + SLICE_SECONDS
    for _ in range(n_pieces):
        piece = unpickler.load()
        if time.perf_counter() > pause_at:
            gc.freeze()  # or the collector would walk the pieces, again and again
            time.sleep(PAUSE_SECONDS)
            pause_at = time.perf_counter() + SLICE_SECONDS
    if not isinstance(piece, Plan):
        raise CorruptRecordError(f"a compiler handed over {type(piece).__name__}, expected a plan")
    return piece


def _pieces(plan: Plan) -> Iterator[object]:
    """Return small parts of a plan, and at last the plan, which names them all."""
    catalog = plan.source.catalog
    for many in (catalog.actions, catalog.contents, plan.source.policies):
        yield from _chunks(many)
    yield plan.source
    for slot in plan.placements.values():
        yield from _parts(slot)
        yield slot
    yield plan


def _parts(slot: PlacementPlan) -> Iterator[object]:
    for stack in slot.stacks:
        for value in vars(stack).values():
            if isinstance(value, list | tuple):
                for item in value:
                    yield from _arguments(item)
                yield from _chunks(value)
            yield value
    for name in slot.contents.__dataclass_fields__:
        value = getattr(slot.contents, name)
        if isinstance(value, list | tuple):
            yield from _chunks(value)
        yield value
    for name in slot.__dataclass_fields__:
        value = getattr(slot, name)
        if isinstance(value, list | tuple):
            yield from _chunks(value)
        yield value


def _arguments(item: object) -> Iterator[object]:
    """Return what a function is given, each with what is in it."""
    if not isinstance(item, partial):
        return
    for argument in item.args:
        if isinstance(argument, list | tuple):
            yield from argument
        yield argument


def _chunks(many: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(many)
    while chunk := tuple(islice(rest, _CHUNK)):
        yield chunk


def _write_counts(file: BinaryIO, counts: Sequence[int]) -> None:
    file.writelines(_COUNT.pack(count) for count in (len(counts), *counts))


def _read_counts(file: BinaryIO) -> list[int]:
    (n,) = _COUNT.unpack(_exactly(file, _COUNT.size))
    packed = _exactly(file, n * _COUNT.size)
    return [count for (count,) in _COUNT.iter_unpack(packed)]


def _exactly(file: BinaryIO, size: int) -> bytearray:
    """Read so many bytes, into memory that an array may write to."""
    found = bytearray(size)
    view, at = memoryview(found), 0
    while at < size:
        got = file.readinto(view[at:])  # type: ignore[attr-defined]  # BinaryIO lacks it
        if not got:
            raise EOFError(f"{at} of {size} bytes came")
        at += got
    return found
