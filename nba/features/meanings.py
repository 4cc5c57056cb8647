"""What the keys and functions of ``features/*.yaml`` mean, a sentence each.

Editors show it (:mod:`nba.features.json_schema`), and the reference page is written from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from nba.features.aggregates import (
    DEFAULT_DISTINCT,
    DEFAULT_GROUPS,
    MAX_GROUPS,
    AggregateFunction,
)

_WINDOW = (
    "How far back it looks: a whole number of `h`, `d` or `w`, `1h` to `365d`; absent is for ever."
)
_HALF_LIFE = "After how long an event counts half: a whole number of `h`, `d` or `w`."
_DEFAULT = "What is read where the value is missing; without it missing stays missing."
_LIMIT = f"Most groups kept, 1 to {MAX_GROUPS}; {DEFAULT_GROUPS} where it is absent."

COMMON: Mapping[str, str] = {
    "kind": "What it is computed from.",
    "name": "What it is called: `a-z`, `0-9` and `_`, beginning with a letter, at most 64.",
    "description": "What it says, for whoever uses it.",
    "owner": "Who answers for it.",
    "unit": "What it is counted in.",
    "tags": (
        "Words of your own. `sensitive` has a meaning: sealed in every log, and in no model whose "
        "spec does not allow it."
    ),
}
"""Keys that every feature has."""

KEYS: Mapping[str, Mapping[str, str]] = {
    "attribute": {
        "type": (
            "`number`, `bool`, `enum` (one of `values`), `set` (any of `values`, read as a bool "
            "for each), or `date` (given as `YYYY-MM-DD`, read as days since)."
        ),
        "values": f"The words of an enum, or of a set: at most {MAX_GROUPS} of a set.",
        "default": f"{_DEFAULT} Of a date it is a number of days; a set has none.",
        "freshness": "A value set longer ago is missing: a whole number of `h`, `d` or `w`.",
    },
    "aggregate": {
        "event": "The event it is computed from, by name.",
        "function": "What the events become.",
        "property": "The property of the event whose value it takes.",
        "where": (
            "Condition in CEL over `properties.<name>`. An event for which it is false, or unknown "
            "because a property is missing, does not count."
        ),
        "window": _WINDOW,
        "half_life": _HALF_LIFE,
        "values": "The words that count; of a `top`, and of a string's `first` or `last`.",
        "rank": "Which place of a `top` it is: 1 for the word counted most.",
        "limit": (
            f"Of a `distinct`, the most it counts: 1 to {MAX_GROUPS}, {DEFAULT_DISTINCT} where it "
            f"is absent. With `by`, the most groups kept: {DEFAULT_GROUPS} where it is absent."
        ),
        "by": (
            "A string property that groups events. It is then no value of the customer, but what "
            "crosses read."
        ),
        "numerator": "The aggregate above the line of a ratio.",
        "denominator": "The aggregate below the line of a ratio.",
        "default": _DEFAULT,
    },
    "interaction": {
        "of": (
            "`decision`, read from the contact history at no write; or a kind of outcome: "
            "`delivered`, `impression`, `click`, `accept`, `reject`, `convert`, one of your own."
        ),
        "function": "`count`, `recency` or `decayed_count`, as of an aggregate.",
        "where": "Condition in CEL over `properties.action`, `.placement` and `.channel`.",
        "window": f"{_WINDOW} Decisions need one.",
        "half_life": _HALF_LIFE,
        "by": (
            "What groups interactions: `action`, `placement`, `channel`, or a term of the action "
            "as `<dimension>@<depth>`. It is then what crosses read."
        ),
        "limit": _LIMIT,
        "default": _DEFAULT,
    },
    "derived": {
        "type": "`number` or `bool`.",
        "expression": (
            "What it is, in CEL over `customer.*`, `request.*`, `segment.*` and other derived "
            "features, in any order but no circle."
        ),
    },
    "context": {
        "type": "`number`, `bool` or `enum`.",
        "values": "The words of an enum.",
        "minimum": "The lowest number a request may give.",
        "maximum": "The highest number a request may give.",
        "default": "What is read where a request does not give it.",
    },
    "action": {
        "source": (
            "What of the candidate it is; `action.term:<dimension>@<depth>` is a word of the "
            "action's terms, `action.has_term:<term>` whether it has one or something below it."
        ),
        "type": "May be given to be checked; it follows from the source.",
    },
    "cross": {
        "of": "A grouped aggregate or interaction, one with `by`.",
        "source": (
            "The word of the candidate that names its group: `action.id`, `placement.id`, "
            "`placement.channel` or `action.term:<dimension>@<depth>`."
        ),
    },
}
"""Keys that a kind of feature has besides."""

EVENT_KEYS: Mapping[str, str] = {
    "name": "What it is called where it is sent, spaces and all.",
    "description": "When it happens.",
    "properties": "What it carries, each a `number`, `bool` or `string`; others are left out.",
    "sensitive": "Properties that no log shows in clear.",
}
"""Keys of an event."""

SEGMENT_KEYS: Mapping[str, str] = {
    "name": "What it is called; conditions read it as `segment.<name>`.",
    "condition": (
        "Who is in it, in CEL over `customer.*`, `request.*` and other segments. Unknown is "
        "missing, neither in nor out."
    ),
    "description": "Who that is, in words.",
    "owner": "Who answers for it.",
}
"""Keys of a segment."""


class FunctionMeaning(NamedTuple):
    """What a function gives, what it gives without events, and the keys it needs and takes."""

    value: str
    without_events: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]


_GROUPED = ("where", "window", "by", "limit")
_MISSING = "missing"

FUNCTIONS: Mapping[AggregateFunction, FunctionMeaning] = {
    AggregateFunction.COUNT: FunctionMeaning("number of events", "0", ("event",), _GROUPED),
    AggregateFunction.SUM: FunctionMeaning("sum of a number", "0", ("event", "property"), _GROUPED),
    AggregateFunction.MEAN: FunctionMeaning(
        "mean of a number, over the events that have it",
        _MISSING,
        ("event", "property"),
        ("where", "window", "default"),
    ),
    AggregateFunction.MIN: FunctionMeaning(
        "lowest of a number", _MISSING, ("event", "property"), (*_GROUPED, "default")
    ),
    AggregateFunction.MAX: FunctionMeaning(
        "highest of a number", _MISSING, ("event", "property"), (*_GROUPED, "default")
    ),
    AggregateFunction.FIRST: FunctionMeaning(
        "value of the earliest event in the window; of two in the same second, of the one that "
        "arrived first",
        _MISSING,
        ("event", "property"),
        ("where", "window", "values", "default"),
    ),
    AggregateFunction.LAST: FunctionMeaning(
        "value of the latest event, if that is in the window; of two in the same second, of the "
        "one that arrived last",
        _MISSING,
        ("event", "property"),
        ("where", "window", "values", "default"),
    ),
    AggregateFunction.DISTINCT: FunctionMeaning(
        "number of different strings, at most `limit`",
        "0",
        ("event", "property"),
        ("where", "window", "limit"),
    ),
    AggregateFunction.RECENCY: FunctionMeaning(
        "days since the latest event, if that is in the window; 0 for one ahead of the clock",
        _MISSING,
        ("event",),
        (*_GROUPED, "default"),
    ),
    AggregateFunction.SINCE_FIRST: FunctionMeaning(
        "days since the earliest event ever", _MISSING, ("event",), ("where", "default")
    ),
    AggregateFunction.TOP: FunctionMeaning(
        "the word of `values` counted most, or `rank` from the most; of two counted as often, the "
        "one listed first",
        "missing, as is a rank beyond the words seen",
        ("event", "property", "values"),
        ("where", "window", "rank", "default"),
    ),
    AggregateFunction.DECAYED_COUNT: FunctionMeaning(
        "number of events, each counting half as much a `half_life` later",
        "0",
        ("event", "half_life"),
        ("where", "by", "limit"),
    ),
    AggregateFunction.DECAYED_SUM: FunctionMeaning(
        "sum of a number, each counting half as much a `half_life` later",
        "0",
        ("event", "property", "half_life"),
        ("where", "by", "limit"),
    ),
    AggregateFunction.RATIO: FunctionMeaning(
        "one aggregate by another",
        "missing, as where the denominator is 0 or missing",
        ("numerator", "denominator"),
        ("default",),
    ),
}
"""What an aggregate's functions give; none is given ``limit`` without ``by``, but a distinct."""
