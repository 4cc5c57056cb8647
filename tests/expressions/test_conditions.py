"""Compiled conditions against the reference interpreter and cel-python, and how they are had."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nba.expressions import (
    Expression,
    ExpressionError,
    Level,
    Schema,
    Symbol,
    Value,
    ValueType,
    compile_program,
    interpret,
    parse,
    unpack,
    word_count,
)

N_COLUMNS = 6
CELL_COUNT = 130
"""Candidates at most in the property tests: two words and a bit."""

_ANSWERS: dict[Value, int] = {True: 1, False: 0, None: -1}


def _encode(schema: Schema, level: Level, values: Mapping[str, Value]) -> NDArray[np.float64]:
    row = np.full(N_COLUMNS, np.nan)
    for symbol in schema.values():
        value = values.get(symbol.path)
        if symbol.level is level and symbol.path != "customer.city" and value is not None:
            is_code = isinstance(value, str)
            row[symbol.column] = symbol.values.index(value) if is_code else float(value)
    return row


def _population(
    schema: Schema, seed: int, n_candidates: int
) -> tuple[dict[str, Value], list[dict[str, Value]]]:
    """Return the values of one situation and of candidates, about a quarter of them missing."""
    rng = np.random.default_rng(seed)

    def value(symbol: Symbol) -> Value:
        if rng.random() < 0.25:
            return None
        if symbol.type is ValueType.NUMBER:
            return float(rng.integers(-8, 9)) / 4
        if symbol.type is ValueType.BOOL:
            return bool(rng.integers(2))
        return str(rng.choice(symbol.values or ("Graz",)))

    def row(level: Level) -> dict[str, Value]:
        return {s.path: value(s) for s in schema.values() if s.level is level}

    return row(Level.SITUATION), [row(Level.CANDIDATE) for _ in range(n_candidates)]


def _run(
    schema: Schema,
    expressions: list[Expression],
    situation: Mapping[str, Value],
    candidates: list[dict[str, Value]],
) -> NDArray[np.int8]:
    return compile_program(expressions).run(
        _encode(schema, Level.SITUATION, situation),
        np.stack([_encode(schema, Level.CANDIDATE, row) for row in candidates]),
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), seed=st.integers(0, 2**32), n_candidates=st.integers(1, CELL_COUNT))
def test_program_agrees_with_the_interpreter(
    schema: Schema,
    sources: st.SearchStrategy[str],
    data: st.DataObject,
    seed: int,
    n_candidates: int,
) -> None:
    drawn = data.draw(st.lists(sources, min_size=1, max_size=3))
    expressions = [parse(source, schema) for source in drawn]
    situation, candidates = _population(schema, seed, n_candidates)
    found = _run(schema, expressions, situation, candidates)
    expected = [
        [_ANSWERS[interpret(expression, {**situation, **row})] for row in candidates]
        for expression in expressions
    ]
    assert found.tolist() == expected, drawn


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_program_agrees_with_cel_python(
    schema: Schema,
    written: st.SearchStrategy[tuple[str, str]],
    oracle: Callable[[str, Mapping[str, Value]], bool | None],
    data: st.DataObject,
    seed: int,
) -> None:
    ours, cel = data.draw(written)
    situation, candidates = _population(schema, seed, 5)
    for row in candidates:
        row.update({path: bool(row[path]) for path in row if "terms[" in path})
    found = _run(schema, [parse(ours, schema)], situation, candidates)
    expected = [_ANSWERS[oracle(cel, {**situation, **row})] for row in candidates]
    assert found[0].tolist() == expected, ours


@pytest.mark.parametrize("n_candidates", [1, 63, 64, 65, 128, 200])
@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">="])
def test_number_looked_up_among_those_of_the_candidates_compares_as_itself(
    schema: Schema, sign: str, n_candidates: int
) -> None:
    rng = np.random.default_rng(n_candidates)
    values = np.full((n_candidates, N_COLUMNS), np.nan)
    values[:, 1] = rng.choice([-np.inf, -1.5, -0.0, 0.0, 0.25, 1.0, 2.0, np.inf], n_candidates)
    values[rng.random(n_candidates) < 0.2, 1] = np.nan
    program = compile_program([parse(f"action.value {sign} customer.age", schema)]).bind(values)
    by_sign: dict[str, np.ufunc] = {
        "==": np.equal,
        "!=": np.not_equal,
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
    }
    for age in (-np.inf, -2.0, -1.5, 0.0, -0.0, 0.1, 2.0, 3.0, np.inf, np.nan):
        situation = np.full(N_COLUMNS, age)
        is_known = ~np.isnan(values[:, 1]) & ~np.isnan(age)
        expected = np.where(is_known, by_sign[sign](values[:, 1], age), -1)
        rows = program.new_rows()
        program.run_bits(situation, rows)
        assert program.verdicts(rows).tolist() == [expected.tolist()]


def test_no_candidate_is_both_true_and_false_and_none_is_past_the_last(schema: Schema) -> None:
    sources = ["!(action.value < customer.age)", "true == action.fresh", "action.fresh || true"]
    sources += ["customer.member ? action.fresh : !action.fresh", "!(action.value * 2 > 1)"]
    sources += ["action.value - customer.age < 0", "customer.member == action.fresh"]
    bound = compile_program([parse(source, schema) for source in sources]).bind(
        np.ones((70, N_COLUMNS))
    )
    rows = bound.new_rows()
    for member in (0.0, 1.0, np.nan):
        bound.run_bits(np.array([1.0, 0.0, 1.0, 0.0, member, 0.0]), rows)
        is_true, is_false = rows[:, :2], rows[:, 2:]
        assert not (is_true & is_false).any()
        assert not ((is_true | is_false)[:, 1] >> np.uint64(6)).any()


def test_candidates_that_are_none_have_no_words(schema: Schema) -> None:
    bound = compile_program([parse("action.value < customer.age", schema)]).bind(
        np.empty((0, N_COLUMNS))
    )
    rows = bound.new_rows()
    bound.run_bits(np.zeros(N_COLUMNS), rows)
    assert word_count(0) == 0
    assert bound.verdicts(rows).shape == (1, 0)


def test_blocks_of_candidates_join_without_a_seam(schema: Schema) -> None:
    values = np.full((200, N_COLUMNS), np.nan)
    values[:, 1] = np.arange(200)
    values[150, 1] = np.nan
    situation = np.full(N_COLUMNS, np.nan)
    situation[2] = 100.0
    sources = ["action.value * 2 < customer.age", "action.value + customer.age < 150"]
    program = compile_program([parse(source, schema) for source in sources])
    expected = np.where(np.arange(200) < 50, 1, 0)
    expected[150] = -1
    assert program.run(situation, values).tolist() == [expected.tolist()] * 2


def test_equal_subexpressions_are_computed_once(schema: Schema) -> None:
    once = compile_program([parse("customer.age > 18 && customer.member", schema)])
    written = ["customer.age > 18", "18 < customer.age", "customer.member && 18.0 < customer.age"]
    shared = compile_program(
        [parse("customer.age > 18 && customer.member", schema)]
        + [parse(source, schema) for source in written]
    )
    assert shared.n_instructions == once.n_instructions == 2


def test_equal_conditions_share_a_row(schema: Schema) -> None:
    sources = ["customer.age > action.value", "true", "action.value < customer.age"]
    bound = compile_program([parse(source, schema) for source in sources]).bind(
        np.ones((3, N_COLUMNS))
    )
    assert bound.vector_outputs.tolist() == [0, 2]
    first, second = bound.vector_rows.tolist()
    assert first == second
    rows = bound.new_rows()
    bound.run_bits(np.full(N_COLUMNS, 2.0), rows)
    assert unpack(rows[first, :1], 3).tolist() == [True, True, True]


def test_only_what_mixes_situation_and_candidate_runs_for_every_candidate(schema: Schema) -> None:
    chain = "customer.age > 18 && action.value > 1 && customer.spend > 2 && action.fresh"
    program = compile_program([parse(chain, schema)])
    assert program.n_mixed_instructions == 1


def test_outputs_without_candidates_are_single_verdicts(schema: Schema) -> None:
    sources = ["customer.member", "action.fresh", "customer.age > 1", "true", "1 > 2"]
    program = compile_program([parse(source, schema) for source in sources])
    bound = program.bind(np.zeros((3, N_COLUMNS)))
    assert bound.scalar_outputs.tolist() == [0, 2, 3, 4]
    assert bound.vector_outputs.tolist() == [1]
    rows = bound.new_rows()
    scalars = bound.run_bits(np.array([0.0, 0.0, 5.0, 0.0, np.nan, 0.0]), rows)
    assert scalars.tolist() == [-1, 1, 1, 0]
    assert bound.verdicts(rows).tolist() == [[0, 0, 0]]


def test_enumerations_with_other_orders_compare_by_their_words(schema: Schema) -> None:
    program = compile_program([parse("customer.tier == action.tier", schema)])
    situation = np.full(N_COLUMNS, np.nan)
    situation[1] = 0  # gold
    candidates = np.full((4, N_COLUMNS), np.nan)
    candidates[:3, 0] = [0, 1, 2]  # basic, silver, gold
    assert program.run(situation, candidates).tolist() == [[0, 0, 1, -1]]


def test_code_outside_the_enumeration_is_unknown(schema: Schema) -> None:
    program = compile_program([parse("customer.tier == 'gold'", schema)])
    for code in (-1.0, 3.0, 1e300, np.inf):
        situation = np.full(N_COLUMNS, code)
        assert program.run(situation, np.zeros((1, N_COLUMNS))).tolist() == [[-1]]


def test_row_too_short_is_refused_rather_than_read_beyond(schema: Schema) -> None:
    program = compile_program([parse("customer.member", schema)])
    with pytest.raises(ValueError, match="a situation of 4 columns; 5 are read"):
        program.run(np.zeros(4), np.zeros((1, N_COLUMNS)))


def test_no_expressions_make_an_empty_program() -> None:
    program = compile_program([])
    assert program.n_outputs == 0
    assert program.run(np.zeros(2), np.zeros((4, 1))).shape == (0, 4)


def test_open_string_is_refused(schema: Schema) -> None:
    with pytest.raises(ExpressionError, match=r"customer\.city is a string without a list"):
        compile_program([parse("customer.city == 'Graz'", schema)])


def test_a_condition_is_a_bool(schema: Schema) -> None:
    number = parse("customer.age + 1", schema, expect=ValueType.NUMBER)
    with pytest.raises(ExpressionError, match="a number; a condition is a bool"):
        compile_program([number])
