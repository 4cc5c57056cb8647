"""A customer's stored state, packed: everything the features need, in one small value.

Layout, little-endian, without padding: ``<III`` layout id, version, guard version; consents as a
count (u8) and ``<u4`` codes whose lowest bit says granted; time zone and locale, each a length (u8)
and UTF-8; attributes ``<f4``, NaN where missing; recencies ``<u4`` seconds since the epoch, 0 for
never; aggregates that look back for ever ``<f8``; windows as :mod:`nba.features.tiles` packs them.

``version`` rises with every write, ``guard_version`` only when consents or the time zone change:
what was decided on an older guard version is decided again.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba.domain.consent import CONSENT_GRANTED_BIT
from nba.errors import CorruptRecordError
from nba.features.layout import StoredLayout
from nba.features.tiles import (
    CUT,
    MAX_WINDOW_BYTES,
    TILES_KEPT,
    Sums,
    Windows,
    pack_tiles,
    unpack_tiles,
)

MAX_CONSENTS = 255
"""Consents one profile can hold."""

MAX_TEXT_BYTES = 255
"""Longest time zone or locale, in UTF-8 bytes."""

_HEADER = struct.Struct("<III")
_VERSION = struct.Struct("<I")
_UINT32 = 0xFFFF_FFFF
_NO_CONSENTS: Mapping[int, bool] = {}


class Head(NamedTuple):
    """What precedes the features; ``end`` is where they begin."""

    layout_id: int
    version: int
    guard_version: int
    consents: Mapping[int, bool]
    time_zone: str | None
    locale: str | None
    end: int


def version_of(packed: bytes) -> int:
    """Return the version of a packed profile."""
    version: int = _VERSION.unpack_from(packed, 4)[0]
    return version


def pack_version(version: int) -> bytes:
    """Return a version as a packed profile holds it, at bytes 4 to 7."""
    return _VERSION.pack(version)


def read_head(packed: bytes) -> Head:
    """Read what precedes the features. Raises :class:`~nba.errors.CorruptRecordError`."""
    try:
        layout_id, version, guard_version = _HEADER.unpack_from(packed)
        at = _HEADER.size
        count = packed[at]
        at += 1
        consents = _NO_CONSENTS
        if count:
            codes = struct.unpack_from(f"<{count}I", packed, at)
            consents = {
                code & ~CONSENT_GRANTED_BIT: bool(code & CONSENT_GRANTED_BIT) for code in codes
            }
            at += 4 * count
        end = at + 1 + packed[at]
        time_zone = packed[at + 1 : end].decode() or None
        at = end
        end = at + 1 + packed[at]
        locale = packed[at + 1 : end].decode() or None
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise _cut(packed) from error
    return Head(layout_id, version, guard_version, consents, time_zone, locale, end)


@dataclass(slots=True)
class Profile:
    """A profile unpacked for change; ``attributes (n,) float32`` and ``sums`` as laid out."""

    attributes: NDArray[np.float32]
    sums: Sums
    version: int = 0
    guard_version: int = 0
    consents: dict[int, bool] = field(default_factory=dict)
    time_zone: str | None = None
    locale: str | None = None


class ProfileCodec:
    """Packs and unpacks profiles of one layout."""

    def __init__(self, layout: StoredLayout) -> None:
        self.layout = layout
        self.windows = Windows(
            np.array([window.tile_seconds for window in layout.windows], dtype=np.int64),
            np.array([window.is_count for window in layout.windows], dtype=np.bool_),
        )

    def empty(self) -> Profile:
        """Return the profile of a customer never seen."""
        layout = self.layout
        sums = Sums(
            recencies=np.zeros(len(layout.recencies), dtype=np.uint32),
            totals=np.zeros(len(layout.totals), dtype=np.float64),
            cells=np.zeros((len(layout.windows), TILES_KEPT), dtype=np.float64),
            last=np.zeros(len(layout.windows), dtype=np.int64),
        )
        return Profile(np.full(len(layout.attributes), np.nan, dtype=np.float32), sums)

    def unpack(self, packed: bytes) -> Profile:
        """Unpack; :class:`CorruptRecordError` where the bytes are not of this layout or cut."""
        head = read_head(packed)
        profile = self.empty()
        sums = profile.sums
        n_attributes, n_recencies = len(profile.attributes), len(sums.recencies)
        at, rest = head.end, len(packed) - head.end
        if head.layout_id != self.layout.layout_id or rest < (
            4 * n_attributes + 4 * n_recencies + 8 * len(sums.totals)
        ):
            raise _cut(packed)
        profile.attributes[:] = np.frombuffer(packed, "<f4", n_attributes, at)
        at += profile.attributes.nbytes
        sums.recencies[:] = np.frombuffer(packed, "<u4", n_recencies, at)
        at += sums.recencies.nbytes
        sums.totals[:] = np.frombuffer(packed, "<f8", len(sums.totals), at)
        at += sums.totals.nbytes
        end = unpack_tiles(packed, at, self.windows, sums.cells, sums.last)
        if end == CUT or end != len(packed):
            raise _cut(packed)
        profile.version, profile.guard_version = head.version, head.guard_version
        profile.consents = dict(head.consents)
        profile.time_zone, profile.locale = head.time_zone, head.locale
        return profile

    def pack(self, profile: Profile, *, now_seconds: int) -> bytes:
        """Pack, leaving out tiles that no value asked for from ``now_seconds`` on can need."""
        sums = profile.sums
        tiles = np.empty(len(sums.last) * MAX_WINDOW_BYTES, dtype=np.uint8)
        size = pack_tiles(sums.cells, sums.last, self.windows, now_seconds, tiles)
        codes = [code | granted for code, granted in sorted(profile.consents.items())]
        time_zone = (profile.time_zone or "").encode()
        locale = (profile.locale or "").encode()
        return b"".join(
            (
                _HEADER.pack(
                    self.layout.layout_id,
                    profile.version & _UINT32,
                    profile.guard_version & _UINT32,
                ),
                struct.pack(f"<B{len(codes)}I", len(codes), *codes),
                bytes((len(time_zone),)),
                time_zone,
                bytes((len(locale),)),
                locale,
                profile.attributes.astype("<f4", copy=False).tobytes(),
                sums.recencies.astype("<u4", copy=False).tobytes(),
                sums.totals.astype("<f8", copy=False).tobytes(),
                tiles[:size].tobytes(),
            )
        )


def _cut(packed: bytes) -> CorruptRecordError:
    return CorruptRecordError(f"a profile of {len(packed)} bytes is cut or of another layout")
