"""What requests carry beside their body: whole numbers, yes or no, versions that were seen."""

from __future__ import annotations

import re

from nba.errors import ConflictError, Fault, InputError
from nba.serving.endpoint import Call

_TAG = re.compile(r'"(\d{1,18})"')
_DIGITS = re.compile(r"[0-9]{1,19}")
_WORDS = {"true": True, "false": False}


def whole_number(call: Call, name: str, default: int, *, most: int) -> int:
    """Return a whole number of the query, at least 1; :class:`InputError` where it is none."""
    text = call.query.get(name, str(default))
    if _DIGITS.fullmatch(text) is None or not 1 <= int(text) <= most:
        raise InputError([Fault(f"/{name}", f"found {text[:40]!r}", f"1 to {most}")])
    return int(text)


def yes_or_no(call: Call, name: str) -> bool:
    """Return what the query says, no where it says nothing."""
    text = call.query.get(name, "false")
    if text not in _WORDS:
        raise InputError([Fault(f"/{name}", f"found {text[:40]!r}", "true or false")])
    return _WORDS[text]


def entity_tag(version: int) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that names a version, for ``If-Match`` to give back."""
    return ((b"etag", f'"{version}"'.encode()),)


def seen_version(call: Call) -> int | None:
    """Return the version that ``If-Match`` says was seen, ``None`` where it says nothing.

    ``If-None-Match: *`` says that there was none: 0. Raises :class:`InputError` where a header
    says anything else.
    """
    if (none := call.header(b"if-none-match")) is not None:
        if none.strip() != "*":
            raise InputError([Fault("If-None-Match", f"found {none[:40]!r}", "*, or no header")])
        return 0
    given = call.header(b"if-match")
    if given is None:
        return None
    found = _TAG.fullmatch(given.strip())
    if found is None:
        raise InputError([Fault("If-Match", f"found {given[:40]!r}", 'an ETag such as "3"')])
    return int(found[1])


def require_seen(call: Call, what: str, version: int) -> None:
    """Raise :class:`ConflictError` where something is at another version than was seen."""
    seen = seen_version(call)
    if seen is not None and seen != version:
        raise ConflictError(f"{what} is at revision {version}, not {seen}; read it again")
