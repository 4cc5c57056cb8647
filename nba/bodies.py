"""Bodies in JSON: typed by msgspec, with a JSON pointer (RFC 6901) to what is wrong."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from nba.domain.ids import MAX_ID_LENGTH
from nba.errors import Fault, InputError

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

T = TypeVar("T")

_PATH = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_ANY_KEY = "..."
_MOST_KEYS = 200
_ADVICE = {
    "missing required field": "add it",
    "unknown field": "remove it or correct its name",
    "out of range": "a number that a double holds",
}


def pointer_to(place: str, name: str) -> str:
    """Return the pointer to a member of what ``place`` points to.

    >>> pointer_to("/properties", "price/unit")
    '/properties/price~1unit'
    """
    return f"{place}/{name.replace('~', '~0').replace('/', '~1')}"


def fault_of(error: msgspec.ValidationError, body: bytes, kind: type[object]) -> Fault:
    """Return the fault a validation error of a JSON body is, with a pointer to it.

    msgspec names fields and positions but not the key of a mapping; where one is in between, the
    body is searched for it.
    """
    message = str(error)
    match = _PATH.search(message)
    steps = [name or index for name, index in _STEP.findall(match.group(1))] if match else []
    text = message[: match.start()] if match else message
    if _ANY_KEY in steps:
        pointer = _find(body, steps, kind)
    else:
        pointer = "".join(pointer_to("", step) for step in steps)
    expected, separator, found = text.partition(", got ")
    if separator:
        return Fault(pointer, f"found {found}", _lowered(expected))
    if text.startswith("Expected "):
        return Fault(pointer, "it does not fit", _lowered(text))
    advice = next((advice for sign, advice in _ADVICE.items() if sign in text), "correct it")
    return Fault(pointer, _lowered(text), advice)


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def _find(body: bytes, steps: list[str], kind: type[object]) -> str:
    """Follow steps through a body; where any key may be meant, keep one entry at a time."""
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError):
        return "".join(pointer_to("", step) for step in steps[: steps.index(_ANY_KEY)])
    place, node = "", whole
    for step in steps:
        key: str | int = int(step) if isinstance(node, list) else step
        if step == _ANY_KEY:
            entries = list(node.items())[:_MOST_KEYS]
            wrong = (name for name, item in entries if _is_wrong(whole, node, name, item, kind))
            found = next(wrong, None)
            if found is None:
                return place
            key = found
        place = pointer_to(place, str(key))
        node = node[key]
    return place


def _is_wrong(body: Any, node: dict[str, Any], name: str, item: Any, kind: type[object]) -> bool:
    node.clear()
    node[name] = item
    if isinstance(item, float) and not math.isfinite(item):
        return True
    try:
        msgspec.convert(body, kind)
    except msgspec.ValidationError:
        return True
    return False


_decoders: dict[type, msgspec.json.Decoder[object]] = {}


def parse(body: bytes, kind: type[T]) -> T:
    """Parse a JSON body; :class:`InputError` with a JSON pointer where it is wrong."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(body)  # type: ignore[return-value]  # the decoder is of this kind
    except msgspec.ValidationError as error:
        raise InputError([fault_of(error, body, kind)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError([Fault("", f"not JSON: {error}", "send valid JSON")]) from error


def parse_value(value: object, kind: type[T]) -> T:
    """Type a decoded value; :class:`InputError` with a JSON pointer within it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError([fault_of(error, msgspec.json.encode(value), kind)]) from error


class RepeatedKeys(dict[str, Any]):
    """An object of a JSON body with names given more than once; the last of each counts."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.names = tuple(name for name, count in counts.items() if count > 1)


def decode(body: bytes) -> tuple[Any, bool]:
    """Decode a JSON body that may hold what strict JSON cannot; a bad item shall stop no other.

    ``NaN`` and infinities become floats, and an object with a repeated name becomes
    :class:`RepeatedKeys`, for :func:`loose_parts` to find. Says also whether the body is known to
    be strict. Raises :class:`InputError` where it is not JSON even so.
    """
    try:
        value = msgspec.json.decode(body)
        # What is written back byte for byte had no name twice: cheaper than looking at every pair.
        if msgspec.json.encode(value) == msgspec.json.format(body, indent=-1):
            return value, True
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(body, object_pairs_hook=_object), False
    except (ValueError, RecursionError) as error:
        raise InputError([Fault("", f"not JSON: {error}", "send valid JSON")]) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else RepeatedKeys(pairs)


def loose_parts(value: Any) -> list[Fault]:
    """Return a fault for each name given twice in an object, and each text UTF-8 cannot hold.

    Numbers JSON does not have are left for whoever knows what they are.
    """
    found: list[Fault] = []
    left = [(value, "")]
    while left:
        node, place = left.pop()
        if isinstance(node, RepeatedKeys):
            found += [
                Fault(pointer_to(place, name), "it is given twice", "give it once")
                for name in node.names
            ]
        if isinstance(node, dict):
            found += [fault for name in node for fault in _text_faults(name, place)]
            left += [(item, pointer_to(place, name)) for name, item in node.items()]
        elif isinstance(node, str):
            found += _text_faults(node, place)
        elif isinstance(node, list):
            left += [(item, f"{place}/{index}") for index, item in enumerate(node)]
    return found


def _text_faults(text: str, place: str) -> list[Fault]:
    try:
        text.encode()
    except UnicodeEncodeError:
        return [Fault(place, f"found {text!r}"[:80], "text that UTF-8 can hold is expected")]
    return []
