"""Apply a profile update to an unpacked profile: all of it, or none where anything is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nba.domain.audience import NO_AUDIENCES, Audiences, membership_code
from nba.domain.consent import consent_code
from nba.domain.customer import Consent, ProfileUpdate
from nba.errors import Fault, InputError
from nba.features.pointers import pointer
from nba.features.profile import MAX_CONSENTS, Profile
from nba.features.values import BadValueError, ValueSpec, shown

_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,6}")


class AttributeSlot(NamedTuple):
    """Where an attribute is kept: its first number, its spec, and the place of its time or -1."""

    first: int
    spec: ValueSpec
    time: int = -1

    @property
    def numbers(self) -> slice:
        """Its numbers among all."""
        return slice(self.first, self.first + self.spec.width)


def apply_update(
    profile: Profile,
    update: ProfileUpdate,
    attributes: Mapping[str, AttributeSlot],
    *,
    at_seconds: int,
    audiences: Audiences = NO_AUDIENCES,
) -> tuple[str, ...]:
    """Change a profile in place and return the names of attributes that are not declared.

    An empty time zone or locale clears it. ``attributes`` gives each declared attribute's place,
    ``audiences`` the lists there are; one that is no more can still be left. Raises
    :class:`~nba.errors.InputError` with every fault; the profile is then half changed and must be
    thrown away.
    """
    faults: list[Fault] = []
    guard = (dict(profile.consents), profile.time_zone)
    dropped = _apply_attributes(profile, update.attributes, attributes, at_seconds, faults)
    _apply_consents(profile, update.consents)
    _apply_audiences(profile, update.audiences, audiences, faults)
    if len(profile.consents) > MAX_CONSENTS:
        found = f"{len(profile.consents)} consents and audiences"
        faults.append(Fault("/consents", found, f"at most {MAX_CONSENTS} for one customer"))
    if update.time_zone is not None:
        profile.time_zone = _checked_zone(update.time_zone, faults) or None
    if update.locale is not None:
        profile.locale = _checked_locale(update.locale, faults) or None
    if faults:
        raise InputError(faults)
    profile.version += 1
    if guard != (profile.consents, profile.time_zone):
        profile.guard_version += 1
    return dropped


def _apply_attributes(
    profile: Profile,
    given: Mapping[str, Any],
    declared: Mapping[str, AttributeSlot],
    at_seconds: int,
    faults: list[Fault],
) -> tuple[str, ...]:
    dropped: list[str] = []
    for name, value in given.items():
        found = declared.get(name)
        if found is None:
            dropped.append(name)
            continue
        try:
            profile.attributes[found.numbers] = found.spec.encode_all(value)
        except BadValueError as error:
            place = pointer("attributes", name)
            faults.append(error.fault(place, sensitive=found.spec.sensitive))
            continue
        if found.time >= 0:
            profile.times[found.time] = at_seconds
    return tuple(dropped)


def _apply_consents(profile: Profile, given: Mapping[str, Mapping[str, Consent]]) -> None:
    for channel, purposes in given.items():
        for purpose, consent in purposes.items():
            code = consent_code(channel, purpose)
            if consent is Consent.UNKNOWN:
                profile.consents.pop(code, None)
            else:
                profile.consents[code] = consent is Consent.GRANTED


def _apply_audiences(
    profile: Profile, given: Mapping[str, bool], audiences: Audiences, faults: list[Fault]
) -> None:
    for name, joins in given.items():
        present = audiences.names.get(name)
        codes = (membership_code(name),) if present is None else audiences.codes[present]
        if present is None and (joins or codes[0] not in profile.consents):
            found = f"audience {shown(name)} is not declared"
            faults.append(Fault(pointer("audiences", name), found, audiences.hint(name)))
            continue
        for code in codes:
            profile.consents.pop(code, None)
        if joins:
            profile.consents[codes[0]] = True


def _checked_zone(name: str, faults: list[Fault]) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            expected = "an IANA time zone such as Europe/Paris is expected"
            faults.append(Fault("/time_zone", f"found {shown(name)}", expected))
    return name


def _checked_locale(name: str, faults: list[Fault]) -> str:
    if name and not _LOCALE.fullmatch(name):
        expected = "a language tag such as fr-CA is expected"
        faults.append(Fault("/locale", f"found {shown(name)}", expected))
    return name
