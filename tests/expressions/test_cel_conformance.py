"""The conformance suite of CEL: a case either means here what it means there, or is refused.

The cases are those of ``data/cel_conformance.json``; ``data/README.md`` says where from.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import pytest

from nba.expressions import (
    Expression,
    ExpressionError,
    Level,
    Schema,
    Symbol,
    Value,
    ValueType,
    compile_program,
    compile_values,
    interpret,
    parse,
)
from nba.expressions.tree import Compare, Comparison, Literal


class Case(TypedDict):
    """A case: what an expression is worth, or that CEL answers it with an error.

    A case without ``value`` is worth something that is no bool, number or text.
    """

    name: str
    expr: str
    value: NotRequired[float | str | bool]
    error: NotRequired[bool]
    bindings: NotRequired[dict[str, float | str | bool]]


CASES: list[Case] = json.loads(
    (Path(__file__).parent / "data" / "cel_conformance.json").read_text(encoding="utf-8")
)

N_CANDIDATES = 3

NOT_FINITE = "what CEL answers with an infinity or NaN is unknown: no value is ever made infinite"
ONE_NUMBER = "int and double are one number type, which does not overflow at 64 bits"
NO_CONTAINER = "a name is always whole: there is no container to look it up in first"

DEVIATIONS: Mapping[str, tuple[Value, str]] = {
    "comparisons/eq_literal/not_eq_double_nan": (None, NOT_FINITE),
    "comparisons/ne_literal/not_ne_double_nan": (None, NOT_FINITE),
    "comparisons/ne_literal/ne_double_nan": (None, NOT_FINITE),
    "fp_math/fp_math/divide_zero": (None, NOT_FINITE),
    "fp_math/fp_math/fp_overflow_positive": (None, NOT_FINITE),
    "fp_math/fp_math/fp_overflow_negative": (None, NOT_FINITE),
    "integer_math/int64_math/int64_overflow_mul_positive": (2.5e19, ONE_NUMBER),
    "integer_math/int64_math/int64_overflow_mul_negative": (-2.5e19, ONE_NUMBER),
    "namespace/namespace/self_eval_container_lookup": ("false", NO_CONTAINER),
    "namespace/namespace/self_eval_container_lookup_unchecked": (False, NO_CONTAINER),
}
"""What is answered otherwise than in CEL, and why. That an error is unknown is the rule, not here:
a condition on missing data, or one that divides by zero, has no answer."""

RUN_AND_REFUSED: Mapping[str, tuple[int, int]] = {
    "basic": (17, 26),
    "comparisons": (49, 357),
    "conversions": (0, 109),
    "enums": (0, 85),
    "fields": (5, 55),
    "fp_math": (29, 1),
    "integer_math": (29, 35),
    "lists": (3, 36),
    "logic": (21, 9),
    "macros": (0, 44),
    "macros2": (0, 46),
    "namespace": (3, 0),
    "parse": (8, 16),
    "plumbing": (3, 2),
    "string": (0, 51),
    "timestamps": (0, 76),
    "type_deductions": (4, 43),
}
"""Cases by file of the suite; exact, so that neither what runs nor what is refused can shrink."""


@pytest.fixture(params=Level)
def level(request: pytest.FixtureRequest) -> Level:
    """Where the values bound in a case are found."""
    found: Level = request.param
    return found


def _schema(case: Case, level: Level) -> Schema:
    symbols = {}
    for column, (path, value) in enumerate(case.get("bindings", {}).items()):
        if isinstance(value, bool):
            symbols[path] = Symbol(path, ValueType.BOOL, level, column)
        elif isinstance(value, str):
            symbols[path] = Symbol(path, ValueType.STRING, level, column, ("another", value))
        else:
            symbols[path] = Symbol(path, ValueType.NUMBER, level, column)
    return symbols


@cache
def _refusal(number: int) -> ExpressionError | None:
    """Return how a case is refused as any type, or ``None`` where it is within the subset."""
    case = CASES[number]
    for expect in ValueType:
        try:
            parse(case["expr"], _schema(case, Level.SITUATION), expect=expect)
        except ExpressionError as error:
            if not error.found.startswith("the expression is a "):
                return error
        else:
            return None
    pytest.fail(f"{case['name']} is of no type")


def _run_cases() -> list[Case]:
    return [case for number, case in enumerate(CASES) if _refusal(number) is None]


def _expected(case: Case) -> Value:
    """Return what a case is worth here; ``None`` is unknown."""
    if case["name"] in DEVIATIONS:
        return DEVIATIONS[case["name"]][0]
    return None if case.get("error") else case["value"]


def _parse(case: Case, level: Level) -> Expression:
    schema = _schema(case, level)
    for expect in (ValueType.BOOL, ValueType.NUMBER):
        try:
            return parse(case["expr"], schema, expect=expect)
        except ExpressionError:
            continue
    return parse(case["expr"], schema, expect=ValueType.STRING)


def _row(case: Case) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the bound values by column; a text is the second of its enumeration."""
    bound = case.get("bindings", {}).values()
    return np.array([1.0 if isinstance(value, str) else float(value) for value in bound])


def _verdicts(case: Case, level: Level, expression: Expression) -> list[int]:
    row = _row(case)
    candidates = np.tile(row if level is Level.CANDIDATE else row[:0], (N_CANDIDATES, 1))
    situation = row if level is Level.SITUATION else row[:0]
    return [int(verdict) for verdict in compile_program([expression]).run(situation, candidates)[0]]


def _values(case: Case, level: Level, expression: Expression) -> list[float]:
    row = _row(case)
    candidates = np.tile(row if level is Level.CANDIDATE else row[:0], (N_CANDIDATES, 1))
    situation = row if level is Level.SITUATION else row[:0]
    scalars, vectors = compile_values([expression]).bind(candidates).run(situation)
    return [*scalars.tolist(), *vectors.ravel().tolist()]


def test_as_many_cases_run_and_are_refused_as_did() -> None:
    run: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for number, case in enumerate(CASES):
        file = case["name"].partition("/")[0]
        (run if _refusal(number) is None else refused)[file] += 1
    counts = {file: (run[file], refused[file]) for file in sorted(run | refused)}
    assert counts == RUN_AND_REFUSED


def test_deviations_are_cases_that_run_and_would_be_answered_otherwise() -> None:
    run = {case["name"]: case for case in _run_cases()}
    for name, (value, why) in DEVIATIONS.items():
        case = run[name]
        assert why
        assert case.get("error") or case["value"] != value


def test_refusals_say_where_what_and_what_would_be_right() -> None:
    for number, case in enumerate(CASES):
        error = _refusal(number)
        if error is not None:
            lines = case["expr"].split("\n")
            assert 1 <= error.line <= len(lines), case["name"]
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1, case["name"]
            assert error.found, case["name"]
            assert error.expected, case["name"]


def test_interpreter_answers_as_the_suite() -> None:
    for case in _run_cases():
        found = interpret(_parse(case, Level.SITUATION), case.get("bindings", {}))
        expected = _expected(case)
        assert found == expected, case["name"]
        assert isinstance(found, bool) == isinstance(expected, bool), case["name"]


def test_compiled_conditions_answer_as_the_suite(level: Level) -> None:
    """Numbers and texts are compared, within the expression, with what they should be worth."""
    for case in _run_cases():
        expected = _expected(case)
        expression = _parse(case, level)
        verdict = -1 if expected is None else int(expected is not False)
        if expression.root.type is not ValueType.BOOL:
            constant = Literal("" if expected is None else expected, expression.root.type)
            if constant.type is ValueType.NUMBER and expected is None:
                constant = Literal(0.0, ValueType.NUMBER)
            compared = Compare(Comparison.EQUAL, expression.root, constant)
            expression = Expression(expression.source, compared)
        assert _verdicts(case, level, expression) == [verdict] * N_CANDIDATES, case["name"]


def test_compiled_values_answer_as_the_suite(level: Level) -> None:
    for case in _run_cases():
        expression = _parse(case, level)
        if expression.root.type is not ValueType.STRING:
            expected = _expected(case)
            assert not isinstance(expected, str)
            for value in _values(case, level, expression):
                if expected is None:
                    assert math.isnan(value), case["name"]
                else:
                    assert value == expected, case["name"]


def test_whole_numbers_divide_to_a_fraction() -> None:
    """The suite divides whole numbers only where nothing is left over; CEL drops what is."""
    assert interpret(parse("7 / 2", {}, expect=ValueType.NUMBER), {}) == 3.5
