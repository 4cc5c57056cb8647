"""Which (action, placement) pairs the rules always close, and which rules contradict each other.

Only conditions are reasoned about. The pairs of one placement that the same rules stand before,
with the same values of the action, are one case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nba.control.lint.satisfying import Known, Rule, conflict, contradictory, known
from nba.control.lint.selecting import Mask
from nba.control.lint.subject import Span, Subject, span_of
from nba.domain.policy import Missing
from nba.expressions import ExpressionError, Level, Symbol, ValueType
from nba.policies.condition import ConditionPolicy, parse_condition


@dataclass(frozen=True, slots=True)
class Conflict:
    """Policies whose conditions no data meets together, for some pairs of action and placement."""

    policies: tuple[ConditionPolicy, ...]
    pairs: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Closures:
    """``pairs`` says which are always closed, ``(n_actions, n_placements)``; ``conflicts`` why."""

    pairs: Mask
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class _Standing:
    """A policy's rule, what it stands before, and the candidate's symbols it reads."""

    policy: ConditionPolicy
    rule: Rule
    actions: Mask
    placements: Mask
    reads: tuple[Symbol, ...]


def closures(subject: Subject) -> Closures:
    """Find what the conditions of all policies leave open."""
    standing = list(_standing(subject))
    closed = np.zeros_like(subject.shown)
    conflicts: dict[tuple[str, ...], Conflict] = {}
    judged: dict[tuple[object, ...], list[ConditionPolicy]] = {}
    for column in range(len(subject.placements)):
        here = [one for one in standing if one.placements[column]]
        for rows, rules, given in _cases(subject, column, here):
            key = (tuple(one.policy.id for one in rules), *given.items())
            if key not in judged:
                judged[key] = _core(rules, given)
            core = judged[key]
            if not core or not all(
                span_of(one).overlaps(span_of(other)) for one, other in combinations(core, 2)
            ):
                continue
            found = conflicts.setdefault(tuple(policy.id for policy in core), Conflict(tuple(core)))
            found.pairs.extend((row, column) for row in rows)
            for row in rows:
                remaining = subject.remaining(subject.actions[row])
                closed[row, column] = all(span_of(p).covers(remaining) for p in core)
    return Closures(closed, tuple(conflicts.values()))


def _core(rules: Sequence[_Standing], given: Mapping[str, Known]) -> list[ConditionPolicy]:
    """Return the fewest policies that contradict each other, lasting ones rather than others."""
    if not contradictory([one.rule for one in rules], given):
        return []
    passing_first = sorted(
        range(len(rules)), key=lambda index: span_of(rules[index].policy) == Span(None, None)
    )
    fewest = conflict([rules[index].rule for index in passing_first], given)
    return [rules[index].policy for index in sorted(passing_first[one] for one in fewest)]


def _standing(subject: Subject) -> Iterator[_Standing]:
    for policy in subject.policies:
        if not isinstance(policy, ConditionPolicy):
            continue
        selection = subject.concerned(policy)
        if selection.empty:
            continue
        try:
            expression = parse_condition(policy.condition, subject.schema)
        except ExpressionError:
            continue  # a condition that cannot be read is a fault, told where policies are checked
        reads = sorted(
            (symbol for symbol in expression.symbols if symbol.level is Level.CANDIDATE),
            key=lambda symbol: symbol.column,
        )
        rule = Rule(expression.root, open_if_unknown=policy.missing is Missing.OPEN)
        yield _Standing(policy, rule, selection.actions, selection.placements, tuple(reads))


def _cases(
    subject: Subject, column: int, here: Sequence[_Standing]
) -> Iterator[tuple[list[int], list[_Standing], dict[str, Known]]]:
    """Yield the rows shown in a placement by the rules before them and the values these read."""
    rows = np.flatnonzero(subject.shown[:, column])
    if not (len(rows) and here):
        return
    before = np.array([one.actions[rows] for one in here], dtype=np.bool_)
    symbols = list(dict.fromkeys(symbol for one in here for symbol in one.reads))
    table = _candidate_values(subject, column, rows, symbols)
    reads = np.array([[s in one.reads for s in symbols] for one in here], dtype=np.bool_)
    table[~(before.T @ reads)] = 0.0  # what no rule before a row reads makes it no case of its own
    keys = [
        (packed.tobytes(), values.tobytes())
        for packed, values in zip(np.packbits(before, axis=0).T, table, strict=True)
    ]
    cases: dict[tuple[bytes, bytes], list[int]] = {}
    for place, key in enumerate(keys):
        cases.setdefault(key, []).append(place)
    for places in cases.values():
        first = places[0]
        rules = [one for one, stands in zip(here, before[:, first], strict=True) if stands]
        if rules:
            read = {symbol for one in rules for symbol in one.reads}
            given = {
                symbol.path: known(_value(symbol, float(number)))
                for symbol, number in zip(symbols, table[first], strict=True)
                if symbol in read
            }
            yield [int(rows[place]) for place in places], rules, given


def _candidate_values(
    subject: Subject, column: int, rows: NDArray[np.intp], symbols: Sequence[Symbol]
) -> NDArray[np.float64]:
    """Return what the symbols are of each row, ``(n_rows, n_symbols)``."""
    if not symbols:
        return np.zeros((len(rows), 0))
    actions = [subject.actions[row] for row in rows]
    table = subject.after.features.candidates(
        actions, subject.placements[column], schema=_candidate_schema(subject)
    )
    return np.ascontiguousarray(table.symbols[:, [symbol.column for symbol in symbols]])


def _candidate_schema(subject: Subject) -> dict[str, Symbol]:
    return {
        path: symbol for path, symbol in subject.schema.items() if symbol.level is Level.CANDIDATE
    }


def _value(symbol: Symbol, number: float) -> float | str | bool | None:
    if np.isnan(number):
        return None
    if symbol.type is ValueType.BOOL:
        return bool(number)
    return symbol.values[int(number)] if symbol.type is ValueType.STRING else number
