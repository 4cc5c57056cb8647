"""JSON pointers (RFC 6901) to what is wrong in a body, from what msgspec says about it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

from nba.errors import Fault

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
