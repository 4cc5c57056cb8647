"""A customer's stored state, packed: everything the features need, in one small value.

Layout, little-endian, without padding: ``<III`` layout id, version, guard version; consents as a
count (u8) and ``<u4`` codes whose lowest bit says granted, and likewise the lists that the customer
is on (:func:`~nba.domain.audience.membership_code`); time zone and locale, each a length (u8)
and UTF-8; attributes ``<f4``, NaN where missing; for those whose age counts, ``<u4`` seconds when
they were set, 0 for never; then the slots of aggregates as :mod:`nba.features.cells` packs them.

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
from nba.features.cells import slot_ends
from nba.features.layout import StoredLayout

MAX_CONSENTS = 255
"""Consents and audiences one profile can hold."""

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


def layout_id_of(packed: bytes) -> int:
    """Return the id of the layout a profile is packed under.

    Raises :class:`~nba.errors.CorruptRecordError` where even that is cut.
    """
    if len(packed) < _VERSION.size:
        raise cut(packed)
    layout_id: int = _VERSION.unpack_from(packed)[0]
    return layout_id


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
        raise cut(packed) from error
    return Head(layout_id, version, guard_version, consents, time_zone, locale, end)


@dataclass(slots=True)
class Profile:
    """A profile unpacked for change.

    ``attributes (n_numbers,) float32`` and ``times (n_times,) uint32`` as laid out; ``slots`` are
    the packed aggregates.
    """

    attributes: NDArray[np.float32]
    times: NDArray[np.uint32]
    slots: bytes
    version: int = 0
    guard_version: int = 0
    consents: dict[int, bool] = field(default_factory=dict)
    time_zone: str | None = None
    locale: str | None = None


class ProfileCodec:
    """Packs and unpacks profiles of one layout."""

    def __init__(self, layout: StoredLayout) -> None:
        self.layout = layout
        self.specs = layout.specs()
        self.n_numbers, self.n_times = layout.n_numbers, layout.n_times
        self.fixed_bytes = 4 * (self.n_numbers + self.n_times)
        self._no_slots = b"".join(b"\0" if slot.limit else b"\0\0" for slot in layout.slots)

    def empty(self) -> Profile:
        """Return the profile of a customer never seen."""
        return Profile(
            np.full(self.n_numbers, np.nan, dtype=np.float32),
            np.zeros(self.n_times, dtype=np.uint32),
            self._no_slots,
        )

    def unpack(self, packed: bytes) -> Profile:
        """Unpack; :class:`CorruptRecordError` where the bytes are not of this layout or cut."""
        head = read_head(packed)
        slots_at = head.end + self.fixed_bytes
        if head.layout_id != self.layout.layout_id or slots_at > len(packed):
            raise cut(packed)
        if [slots_at, *slot_ends(packed, slots_at, self.specs).tolist()][-1] != len(packed):
            raise cut(packed)
        times_at = head.end + 4 * self.n_numbers
        return Profile(
            attributes=np.frombuffer(packed, "<f4", self.n_numbers, head.end).astype(np.float32),
            times=np.frombuffer(packed, "<u4", self.n_times, times_at).astype(np.uint32),
            slots=packed[slots_at:],
            version=head.version,
            guard_version=head.guard_version,
            consents=dict(head.consents),
            time_zone=head.time_zone,
            locale=head.locale,
        )

    def pack(self, profile: Profile) -> bytes:
        """Pack a profile."""
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
                profile.times.astype("<u4", copy=False).tobytes(),
                profile.slots,
            )
        )


def cut(packed: bytes) -> CorruptRecordError:
    """Return the error for bytes that are no profile of the layout they were read under."""
    return CorruptRecordError(f"a profile of {len(packed)} bytes is cut or of another layout")
