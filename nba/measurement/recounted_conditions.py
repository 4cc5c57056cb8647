"""What a recount looks at for one choice: features, the action, what was shown, segments.

Conditions are walked by a public CEL interpreter over these, apart from what decided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from nba.domain.catalog import Catalog, Content
from nba.measurement.conditions import compile_condition, names_read
from nba.measurement.evidence import Evidence
from nba.measurement.recounted_audiences import Membership
from nba.measurement.said import Contact, Log

PolicyData = Mapping[str, Any]
Found = Iterator[tuple[Contact, str]]

_OF_ACTIONS = ("id", "value", "cost", "message_class")


class Segment:
    """A segment's condition, ready to be walked, and the columns of decisions that it reads."""

    def __init__(self, condition: str, decisions: pl.DataFrame) -> None:
        self.names = names_read(condition)
        self.evaluate = compile_condition(condition)
        self.columns = {
            (root, name): _as_given(decisions.get_column(f"f_{name}"))
            for root, name in self.names
            if f"f_{name}" in decisions.columns
        }


@dataclass(frozen=True, slots=True)
class Context:
    """What a recount is given."""

    decisions: pl.DataFrame
    evidence: Evidence
    feature_types: Mapping[str, str]
    log: Log
    catalog: Catalog
    policies: Sequence[PolicyData]
    contents: Mapping[str, Content]
    segments: Mapping[str, Segment]

    @property
    def membership(self) -> Membership:
        """Return what says who was in audiences."""
        return Membership(self.catalog.taxonomy, self.evidence, self.in_segment, self.segments)

    def in_segment(self, name: str, contact: Contact) -> bool | None:
        """Say whether a contact's customer was in a segment, from what the decision used."""
        segment = self.segments.get(name)
        if segment is None:
            return None
        facts: dict[str, dict[str, Any]] = defaultdict(dict)
        for root, read in segment.names:
            facts[root][read] = _value(root, read, contact, segment.columns, self)
        return segment.evaluate(facts)


def conditions(policy: PolicyData, contacts: list[Contact], context: Context) -> Found:
    """Yield contacts for which a policy's condition did not hold."""
    evaluate = compile_condition(policy["condition"])
    names = names_read(policy["condition"])
    open_when_missing = policy.get("missing", "closed") == "open"
    columns = {
        (root, name): _as_given(context.decisions.get_column(column))
        for root, name in names
        if (column := f"{'a' if root == 'action' else 'f'}_{name}") in context.decisions.columns
    }
    answers: dict[tuple[object, ...], bool | None] = {}
    for contact in contacts:
        values = tuple(_value(root, name, contact, columns, context) for root, name in names)
        if values not in answers:
            facts: dict[str, dict[str, Any]] = defaultdict(dict)
            for (root, name), value in zip(names, values, strict=True):
                facts[root][name] = value
            answers[values] = evaluate(facts)
        answer = answers[values]
        if answer is False or (answer is None and not open_when_missing):
            told = ", ".join(
                f"{root}.{name}={value}" for (root, name), value in zip(names, values, strict=True)
            )
            yield contact, f"{policy['condition']} does not hold for {told}"


def _value(
    root: str,
    name: str,
    contact: Contact,
    columns: Mapping[tuple[str, str], pl.Series],
    context: Context,
) -> float | str | bool | None:
    if root == "segment":
        return context.in_segment(name, contact)
    if root in {"content", "placement"}:
        shown = context.contents.get(str(contact.content))
        found = contact.placement if root == "placement" else shown
        return None if found is None else str(getattr(found, name))
    if root == "action" and name in _OF_ACTIONS:
        return str(value) if isinstance(value := getattr(contact.action, name), str) else value
    if (root, name) not in columns:
        return None
    value = columns[root, name][contact.row]
    if value is None or value != value:  # noqa: PLR0124 - NaN is the one value unlike itself
        return None
    return bool(value) if context.feature_types.get(name) == "bool" else value


def _as_given(column: pl.Series) -> pl.Series:
    """Return float32 numbers as they were given: 19.99 instead of 19.989999."""
    if column.dtype != pl.Float32:
        return column
    return column.cast(pl.String).cast(pl.Float64)
