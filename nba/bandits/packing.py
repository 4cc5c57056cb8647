"""A value model's state as bytes: its parameters, and arrays as little-endian float64."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError

_NUMBER = np.dtype("<f8")
_CHECKSUM_BYTES = 4


class _Array(msgspec.Struct, forbid_unknown_fields=True):
    shape: tuple[int, ...]
    data: bytes


class _State(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    format: int
    parameters: dict[str, Any]
    arrays: dict[str, _Array]


class _Members(msgspec.Struct, forbid_unknown_fields=True):
    seed: int
    updates: int
    members: list[bytes]


def pack_members(seed: int, updates: int, members: list[bytes]) -> bytes:
    """Return an ensemble's bytes, its members' states given."""
    return _sealed(msgspec.msgpack.encode(_Members(seed, updates, members)))


def unpack_members(data: bytes) -> tuple[int, int, list[bytes]]:
    """Return an ensemble's seed, updates and members' states.

    Raises :class:`CorruptRecordError` where the bytes are no ensemble.
    """
    try:
        found = msgspec.msgpack.decode(_opened(data, "bagged"), type=_Members)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError(f"the bagged state cannot be read: {error}") from error
    return found.seed, found.updates, found.members


def pack_state(
    kind: str,
    version: int,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, NDArray[np.float64]],
) -> bytes:
    """Return bytes that :func:`unpack_state` reads back, equal for equal states."""
    stored = {
        name: _Array(array.shape, array.astype(_NUMBER).tobytes()) for name, array in arrays.items()
    }
    return _sealed(msgspec.msgpack.encode(_State(kind, version, dict(parameters), stored)))


def unpack_state(
    data: bytes, kind: str, version: int
) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    """Return parameters and arrays as they were packed.

    Raises :class:`CorruptRecordError` where the bytes are no state of that kind and version.
    """
    try:
        state = msgspec.msgpack.decode(_opened(data, kind), type=_State)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError(f"the {kind} state cannot be read: {error}") from error
    if (state.kind, state.format) != (kind, version):
        raise CorruptRecordError(
            f"found a state of kind {state.kind!r} in format {state.format}; {kind!r} in format "
            f"{version} is expected; learn it anew from the log"
        )
    return state.parameters, {name: _read(kind, name, one) for name, one in state.arrays.items()}


def fill(
    kind: str, found: Mapping[str, NDArray[np.float64]], wanted: Mapping[str, NDArray[np.float64]]
) -> None:
    """Copy every array that was found into the one of that name.

    Raises :class:`CorruptRecordError` where names or shapes differ.
    """
    if found.keys() != wanted.keys():
        raise CorruptRecordError(f"the {kind} state holds {sorted(found)}, not {sorted(wanted)}")
    for name, array in wanted.items():
        if found[name].shape != array.shape:
            raise CorruptRecordError(
                f"{name} of the {kind} state has shape {found[name].shape}, not {array.shape}"
            )
        array[...] = found[name]


def _sealed(content: bytes) -> bytes:
    """Return content behind its checksum: a number that lost a bit looks like any other."""
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") + content


def _opened(data: bytes, kind: str) -> bytes:
    """Return the content; raises :class:`CorruptRecordError` where it is not what was sealed."""
    checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if len(data) < _CHECKSUM_BYTES or int.from_bytes(checksum, "little") != zlib.crc32(content):
        raise CorruptRecordError(
            f"the {kind} state cannot be read: its checksum is another, so the bytes are cut, "
            "damaged or of another version; learn it anew from the log"
        )
    return content


def _read(kind: str, name: str, stored: _Array) -> NDArray[np.float64]:
    size = int(np.prod(stored.shape)) * _NUMBER.itemsize
    if min(stored.shape, default=0) < 0 or len(stored.data) != size:
        raise CorruptRecordError(
            f"{name} of the {kind} state has {len(stored.data)} bytes where shape {stored.shape} "
            f"needs {size}"
        )
    return np.frombuffer(stored.data, dtype=_NUMBER).astype(np.float64).reshape(stored.shape)
