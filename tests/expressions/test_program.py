"""Compiled values, and anything on rows alone, against the reference interpreter."""

from __future__ import annotations

import math
from dataclasses import replace

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
    compile_values,
    interpret,
    parse,
)

N_COLUMNS = 6
_ANSWERS: dict[Value, int] = {True: 1, False: 0, None: -1}


def _encode(schema: Schema, level: Level, values: dict[str, Value]) -> NDArray[np.float64]:
    row = np.full(N_COLUMNS, np.nan)
    for symbol in schema.values():
        value = values.get(symbol.path)
        if symbol.level is level and symbol.path != "customer.city" and value is not None:
            is_code = isinstance(value, str)
            row[symbol.column] = symbol.values.index(value) if is_code else float(value)
    return row


def _number(value: Value) -> float:
    """Return a number or a bool as the compiled program gives it."""
    assert not isinstance(value, str)
    return math.nan if value is None else float(value)


def _values(
    expressions: list[Expression], situation: NDArray[np.float64], candidates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return values of every expression for every candidate."""
    program = compile_values(expressions)
    bound = program.bind(candidates)
    scalars, vectors = bound.run(situation)
    values = np.empty((program.n_outputs, len(candidates)))
    values[program.scalar_outputs] = scalars[:, None]
    values[program.vector_outputs] = vectors
    return values


def _parse_any(source: str, schema: Schema) -> Expression:
    try:
        return parse(source, schema)
    except ExpressionError:
        return parse(source, schema, expect=ValueType.NUMBER)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(data=st.data())
def test_values_agree_with_the_interpreter(
    schema: Schema,
    sources: st.SearchStrategy[str],
    number_sources: st.SearchStrategy[str],
    rows: st.SearchStrategy[dict[str, Value]],
    data: st.DataObject,
) -> None:
    drawn = data.draw(st.lists(number_sources | sources, min_size=1, max_size=4))
    expressions = [_parse_any(source, schema) for source in drawn]
    situation = data.draw(rows)
    candidates = data.draw(st.lists(rows, min_size=1, max_size=3))
    found = _values(
        expressions,
        _encode(schema, Level.SITUATION, situation),
        np.stack([_encode(schema, Level.CANDIDATE, row) for row in candidates]),
    )
    assert found.dtype == np.float64
    for output, expression in enumerate(expressions):
        for position, candidate in enumerate(candidates):
            values = {
                path: (situation if symbol.level is Level.SITUATION else candidate)[path]
                for path, symbol in schema.items()
            }
            expected = _number(interpret(expression, values))
            np.testing.assert_equal(found[output, position], expected, expression.source)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_rows_alone_agree_with_the_interpreter(
    schema: Schema,
    sources: st.SearchStrategy[str],
    rows: st.SearchStrategy[dict[str, Value]],
    data: st.DataObject,
) -> None:
    flat = _on_rows(schema)
    drawn = data.draw(st.lists(sources, min_size=1, max_size=3))
    expressions = [parse(source, flat) for source in drawn]
    given_rows = data.draw(st.lists(rows, max_size=4))
    table = np.full((len(given_rows), len(flat)), np.nan)
    for position, values in enumerate(given_rows):
        for symbol in flat.values():
            value = values[symbol.path]
            if symbol.path != "customer.city" and value is not None:
                is_code = isinstance(value, str)
                table[position, symbol.column] = (
                    symbol.values.index(value) if is_code else float(value)
                )
    verdicts = compile_program(expressions).run_rows(table)
    numbers = compile_values(expressions).run_rows(table)
    assert verdicts.shape == numbers.shape == (len(expressions), len(given_rows))
    for output, expression in enumerate(expressions):
        answers = [interpret(expression, values) for values in given_rows]
        assert verdicts[output].tolist() == [_ANSWERS[answer] for answer in answers]
        np.testing.assert_array_equal(numbers[output], [_number(answer) for answer in answers])


def _on_rows(schema: Schema) -> dict[str, Symbol]:
    """Return the same names, each a column of one table."""
    return {
        path: replace(symbol, level=Level.CANDIDATE, column=column)
        for column, (path, symbol) in enumerate(schema.items())
    }


def test_values_of_one_situation_and_of_each_candidate(schema: Schema) -> None:
    sources = ["customer.spend / customer.age", "action.value * 2 - customer.age", "3 / 4"]
    program = compile_values(
        [parse(source, schema, expect=ValueType.NUMBER) for source in sources]
        + [parse("customer.age > 1", schema)]
    )
    candidates = np.zeros((3, N_COLUMNS))
    candidates[:, 1] = [1.0, np.nan, -3.0]
    bound = program.bind(candidates)
    scalars, vectors = bound.run(np.array([5.0, 0.0, 2.0, 0.0, 0.0, 0.0]))
    assert scalars.tolist() == [2.5, 0.75, 1.0]
    np.testing.assert_array_equal(vectors, [[0.0, np.nan, -8.0]])
    scalars, _ = bound.run(np.array([5.0, 0.0, np.nan, 0.0, 0.0, 0.0]))
    np.testing.assert_array_equal(scalars, [np.nan, 0.75, np.nan])


@pytest.mark.parametrize(
    ("source", "age", "spend"),
    [
        ("customer.spend / customer.age", 0.0, 5.0),
        ("customer.spend / customer.age", -0.0, -5.0),
        ("customer.spend / customer.age", 1e-320, 1.0),
        ("customer.spend * customer.age", 1e200, -1e200),
        ("customer.spend + customer.age", 1e308, 1e308),
        ("customer.spend - customer.age", 1e308, -1e308),
    ],
)
def test_a_value_is_missing_rather_than_infinite(
    schema: Schema, source: str, age: float, spend: float
) -> None:
    expression = parse(source, schema, expect=ValueType.NUMBER)
    situation = np.zeros(N_COLUMNS)
    situation[2], situation[0] = age, spend
    scalars, _ = compile_values([expression]).bind(np.zeros((1, N_COLUMNS))).run(situation)
    assert np.isnan(scalars).tolist() == [True]
    assert interpret(expression, {"customer.age": age, "customer.spend": spend}) is None


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_of_rows_join_without_a_seam(schema: Schema, order: str) -> None:
    flat = _on_rows(schema)
    rows = np.zeros((200, len(flat)))
    rows[:, flat["customer.age"].column] = np.arange(200)
    rows[150, flat["customer.age"].column] = np.nan
    rows = np.asarray(rows, order="F" if order == "F" else "C")
    rows.flags.writeable = False
    number = parse("customer.age * 2 + 1", flat, expect=ValueType.NUMBER)
    expected = 2.0 * np.arange(200) + 1
    expected[150] = np.nan
    np.testing.assert_array_equal(compile_values([number]).run_rows(rows), [expected])
    verdicts = compile_program([parse("customer.age < 100", flat), parse("true", flat)])
    below = np.where(np.arange(200) < 100, 1, 0)
    below[150] = -1
    assert verdicts.run_rows(rows).tolist() == [below.tolist(), [1] * 200]


def test_rows_too_narrow_are_refused_rather_than_read_beyond(schema: Schema) -> None:
    program = compile_program([parse("action.fresh", schema)])
    with pytest.raises(ValueError, match="rows of 2 columns; 3 are read"):
        program.run_rows(np.zeros((4, 2)))


def test_rows_alone_have_no_situation_to_read(schema: Schema) -> None:
    program = compile_program([parse("action.fresh && customer.member", schema)])
    with pytest.raises(ValueError, match="reads the situation"):
        program.run_rows(np.zeros((4, N_COLUMNS)))


def test_a_value_is_no_string(schema: Schema) -> None:
    text = parse("customer.tier", schema, expect=ValueType.STRING)
    with pytest.raises(ExpressionError, match="a string; a value is a number or a bool"):
        compile_values([text])
