"""The reference page of ``features/*.yaml``: kinds, keys, functions, windows and bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import getdoc
from typing import Any

from nba.domain.history import MAX_CONTACTS
from nba.domain.ids import MAX_ID_LENGTH
from nba.features.aggregates import (
    DEFAULT_DISTINCT,
    DEFAULT_GROUPS,
    MAX_GROUPS,
    MAX_WINDOW_SECONDS,
    MIN_WINDOW_SECONDS,
    TILES_PER_WINDOW,
)
from nba.features.aggregation import EARLIEST_MS, MAX_AHEAD_MS
from nba.features.alias_store import MAX_ALIASES
from nba.features.aliases import MAX_CHAIN
from nba.features.cells import TILES_KEPT
from nba.features.checks import RESERVED_PREFIXES
from nba.features.definitions import ActionSource, EventDefinition, SegmentDefinition, source_type
from nba.features.json_schema import features_schema
from nba.features.kinds import KINDS
from nba.features.meanings import COMMON, EVENT_KEYS, FUNCTIONS, KEYS, SEGMENT_KEYS
from nba.features.profile import MAX_CONSENTS
from nba.features.store import SEEN_DAYS
from nba.features.values import LARGEST
from nba.ingestion.segment import MAX_BATCH
from tools.markdown import page, paragraphs, table

_HOUR, _DAY, _MINUTE_MS = 3_600, 86_400, 60_000
_YEAR_MS = 365.25 * _DAY * 1_000
_ENTRY_BYTES = 2 + 4 + TILES_KEPT * 8
_TYPES = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "bool",
    "array": "list of texts",
    "object": "mapping",
}


def features_page() -> str:
    """Return the page."""
    definitions = features_schema()["$defs"]
    names = {kind: definitions[feature.__name__] for kind, feature in KINDS.items()}
    return page(
        "Features",
        "`features/*.yaml` holds lists under `features:`, `events:` and `segments:`; which file "
        "does not matter. `nba check` says what is wrong, with file and line. Editors complete and "
        "check by the [JSON Schema](features.schema.json), which `nba schema features` prints: "
        "save it and begin a file with `# yaml-language-server: $schema=` and its path. "
        "How to: [add a feature](../how-to/add-a-feature.md).",
        "## What every feature has\n\n" + _keys(names["attribute"], COMMON),
        *[_kind(kind, names[kind]) for kind in KINDS],
        "## Events\n\n"
        + paragraphs(getdoc(EventDefinition) or "")
        + "\n\n"
        + _keys(definitions[EventDefinition.__name__], EVENT_KEYS),
        "## Segments\n\n"
        + paragraphs(getdoc(SegmentDefinition) or "")
        + "\n\n"
        + _keys(definitions[SegmentDefinition.__name__], SEGMENT_KEYS),
        _names(),
        _windows(),
        _bounds(),
    )


def _kind(kind: str, schema: Mapping[str, Any]) -> str:
    parts = [f"## {kind}", paragraphs(getdoc(KINDS[kind]) or ""), _keys(schema, KEYS[kind])]
    if kind == "aggregate":
        parts.append(_functions())
    elif kind == "action":
        sources = [(f"`{source}`", f"{source_type(source)}") for source in ActionSource]
        sources += [("`action.term:<dimension>@<depth>`", "enum")]
        sources += [("`action.has_term:<term>`", "bool")]
        parts.append(table(("source", "type"), sources))
    return "\n\n".join(parts)


def _keys(schema: Mapping[str, Any], meanings: Mapping[str, str]) -> str:
    required, keys = schema["required"], schema["properties"]
    return table(
        ("key", "type", "", "meaning"),
        [
            (f"`{key}`", _type(keys[key]), "required" if key in required else "", meaning)
            for key, meaning in meanings.items()
        ],
    )


def _type(key: Mapping[str, Any]) -> str:
    branches = [branch for branch in key.get("anyOf", [key]) if branch.get("type") != "null"]
    types = [_TYPES.get(branch.get("type", "string"), "text") for branch in branches]
    return ", ".join(dict.fromkeys(types))


def _functions() -> str:
    rows = [
        (
            f"`{function}`",
            meaning.value,
            meaning.without_events,
            _listed(meaning.needs),
            _listed(meaning.takes),
        )
        for function, meaning in FUNCTIONS.items()
    ]
    return table(("function", "what it gives", "without events", "needs", "takes"), rows) + (
        "\n\nAn event whose `property` is missing does not count for a function that needs one. "
        "`distinct` and `top` take a string property, `first` and `last` one of any type, all "
        "others a number. A `first` or `last` of a string lists the words that count under "
        "`values`. `limit` goes with `by`, or with `distinct`. A ratio is of aggregates that are "
        "neither grouped nor ratios."
    )


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _names() -> str:
    rows = [
        ("attribute, aggregate, interaction, derived", "`customer.<name>`", "`<name>`"),
        ("attribute of type `set`", '`"<word>" in customer.<name>`', "`<name>[<word>]`, each"),
        ("context", "`request.<name>`", "`<name>`"),
        ("segment", "`segment.<name>`", "`segment_<name>`"),
        ("action", "`action.<name>`, but not days since launch", "`<name>`, of the candidate"),
        ("cross", "not read by conditions", "`<name>`, of the candidate"),
        ("anything with `by`", "not read by conditions", "none; a cross reads it"),
    ]
    reserved = " or ".join(f"`{prefix}`" for prefix in RESERVED_PREFIXES)
    return (
        "## Names\n\n"
        + table(("what", "in conditions", "in models and explanations"), rows)
        + f"\n\nNo feature's name begins with {reserved}, or is a word of CEL. A row is float32; "
        "missing is missing, not 0, and unknown in a condition."
    )


def _windows() -> str:
    shortest, longest = MIN_WINDOW_SECONDS // _HOUR, MAX_WINDOW_SECONDS // _DAY
    return (
        "## Windows\n\n"
        f"A window, {shortest} h to {longest} d, is {TILES_PER_WINDOW} tiles of equal length "
        f"({MIN_WINDOW_SECONDS // TILES_PER_WINDOW // 60} minutes of 1 h, 2.5 days of 30 d), whose "
        "edges count from 1970 in UTC. A value is over the current tile as far as it has come and "
        f"the {TILES_PER_WINDOW - 1} before it, so it reaches back "
        f"{TILES_PER_WINDOW - 1}/{TILES_PER_WINDOW} to all of the window.\n\n"
        "An event counts in the tile of the time it happened, whenever it arrives and in whatever "
        "order. It is visible to the next decision once it is acknowledged. Without a window "
        "everything counts, for ever. Online and offline values are computed by the same compiled "
        "code from the same definitions."
    )


def _bounds() -> str:
    rows = [
        (
            "window",
            f"{MIN_WINDOW_SECONDS // _HOUR} h to {MAX_WINDOW_SECONDS // _DAY} d",
            "another is a fault",
        ),
        (
            "event older than a window",
            f"{TILES_PER_WINDOW} tiles",
            "recorded, logged, counted for ever and in longer windows; not in this one",
        ),
        (
            "event ahead of the server's clock",
            f"{MAX_AHEAD_MS // _MINUTE_MS} minutes",
            "until then it counts at once; beyond it is rejected",
        ),
        (
            "event of long ago",
            f"{1970 + round(EARLIEST_MS / _YEAR_MS)}",
            "an earlier one is rejected",
        ),
        (
            "different values of a `distinct`",
            f"`limit`, {DEFAULT_DISTINCT} if absent, at most {MAX_GROUPS}",
            "the value stays at the limit; those seen latest are kept",
        ),
        (
            "groups of a `by`",
            f"`limit`, {DEFAULT_GROUPS} if absent, at most {MAX_GROUPS}",
            "the group whose latest event is oldest is forgotten; if it comes again it is new",
        ),
        ("words of a `top`", f"{MAX_GROUPS}", "more are a fault; words not listed do not count"),
        (
            "contacts behind `of: decision`",
            f"{MAX_CONTACTS:,} a customer",
            "the oldest are dropped, and no longer counted",
        ),
        (
            "memory for `messageId`",
            f"{24 * (SEEN_DAYS - 1)} to {24 * SEEN_DAYS} h",
            "the same message later counts again",
        ),
        ("time a profile is kept", "until it is erased", "it never expires by itself"),
        (
            "size of a profile",
            _profile_bytes(),
            "definitions bound it; tiles that nobody can ask for any more are left out",
        ),
        ("consents", f"{MAX_CONSENTS} a customer", "the update is rejected"),
        ("ids", f"{MAX_ID_LENGTH} characters", "the item is rejected"),
        (
            "numbers",
            f"±{LARGEST:g}".replace("+", ""),
            "beyond, and for NaN and infinity, the item is rejected; -0.0 is kept as 0.0",
        ),
        ("aliases", f"{MAX_CHAIN} ids in a row, {MAX_ALIASES:,} to one", "the alias is rejected"),
        ("messages in one body", f"{MAX_BATCH:,}", "422, nothing is taken"),
        ("bytes of one body", "`NBA_MAX_BODY_BYTES`", "413, nothing is taken"),
        ("items on their way at once", "`NBA_MAX_ITEMS_IN_FLIGHT`", "429, nothing is taken"),
        ("ledger entries not yet logged", "`NBA_MAX_LEDGER_BACKLOG`", "429, nothing is taken"),
    ]
    return "## Bounds\n\n" + table(("what", "bound", "at the bound"), rows)


def _profile_bytes() -> str:
    return (
        f"an aggregate at most {_ENTRY_BYTES} bytes (a mean twice that), a group "
        f"{_ENTRY_BYTES + 4}, an attribute or word of a set 4, and 4 for each `freshness`"
    )
