"""Read a profile packed under an older layout: attributes by name, aggregates by what they compute.

What the older layout did not have, or had with another type, starts missing or empty.
"""

from __future__ import annotations

import numpy as np

from nba.features.cells import CUT, slot_ends
from nba.features.definitions import FeatureType
from nba.features.layout import StoredAttribute, StoredLayout
from nba.features.profile import Profile, ProfileCodec, cut


def migrate(profile: Profile, old: StoredLayout, target: ProfileCodec) -> Profile:
    """Return the profile under another layout; versions, consents and the rest stay."""
    moved = target.empty()
    _move_attributes(profile, old, moved, target.layout)
    moved.slots = _moved_slots(profile, old, target)
    moved.version, moved.guard_version = profile.version, profile.guard_version
    moved.consents = profile.consents
    moved.time_zone, moved.locale = profile.time_zone, profile.locale
    return moved


def _move_attributes(
    profile: Profile, old: StoredLayout, moved: Profile, new: StoredLayout
) -> None:
    before: dict[str, tuple[StoredAttribute, int, int]] = {}
    at = time = 0
    for attribute in old.attributes:
        before[attribute.name] = (attribute, at, time if attribute.is_timed else -1)
        at += attribute.width
        time += attribute.is_timed
    at = time = 0
    for attribute in new.attributes:
        found = before.get(attribute.name)
        if found is not None and found[0].type == attribute.type:
            was, was_at, was_time = found
            numbers = profile.attributes[was_at : was_at + was.width]
            moved.attributes[at : at + attribute.width] = _translated(numbers, was, attribute)
            if attribute.is_timed and was_time >= 0:
                moved.times[time] = profile.times[was_time]
        at += attribute.width
        time += attribute.is_timed


def _moved_slots(profile: Profile, old: StoredLayout, target: ProfileCodec) -> bytes:
    ends = [0, *slot_ends(profile.slots, 0, old.specs()).tolist()]
    if ends[-1] != len(profile.slots) or CUT in ends:
        raise cut(profile.slots)
    kept = {
        slot.key: profile.slots[begin:end]
        for slot, begin, end in zip(old.slots, ends, ends[1:], strict=False)
    }
    return b"".join(
        kept.get(slot.key, b"\0" if slot.limit else b"\0\0") for slot in target.layout.slots
    )


def _translated(
    numbers: np.ndarray[tuple[int], np.dtype[np.float32]],
    old: StoredAttribute,
    new: StoredAttribute,
) -> list[float]:
    match new.type:
        case FeatureType.SET:
            held = dict(zip(old.values, numbers.tolist(), strict=True))
            none_said = all(np.isnan(number) for number in held.values())
            return [held.get(word, np.nan if none_said else 0.0) for word in new.values]
        case FeatureType.ENUM if not np.isnan(numbers[0]):
            word = old.values[int(numbers[0])]
            return [float(new.values.index(word)) if word in new.values else np.nan]
    return [float(numbers[0])]
