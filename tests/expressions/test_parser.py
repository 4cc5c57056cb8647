"""From text to a typed tree, or to an error with its place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nba.expressions import ExpressionError, Schema, ValueType, parse
from nba.expressions.tree import And, Calculate, Choose, Compare, Has, In, Literal, Not, Or, Read


def _refusal(source: str, schema: Schema) -> ExpressionError:
    with pytest.raises(ExpressionError) as refused:
        parse(source, schema)
    return refused.value


def test_precedence_is_that_of_cel(schema: Schema) -> None:
    root = parse("customer.member || customer.age + 1 * 2 > 3 && true", schema).root
    assert isinstance(root, Or)
    left, right = root.operands
    assert left == Read(schema["customer.member"])
    assert isinstance(right, And)
    comparison = right.operands[0]
    assert isinstance(comparison, Compare)
    assert isinstance(comparison.left, Calculate)
    assert comparison.left.operation == "+"


def test_chain_of_one_operator_is_one_node_however_long(schema: Schema) -> None:
    root = parse(" && ".join(["customer.member"] * 200), schema).root
    assert root == And((Read(schema["customer.member"]),) * 200)


def test_parentheses_leave_no_trace(schema: Schema) -> None:
    assert parse("((customer.member))", schema).root == Read(schema["customer.member"])


def test_numbers_of_every_spelling_become_one_type(schema: Schema) -> None:
    root = parse("customer.age in [1, 2.5, -3, - 4, 0x10, 1e2, .5]", schema).root
    assert isinstance(root, In)
    assert [literal.value for literal in root.values] == [1.0, 2.5, -3.0, -4.0, 16.0, 100.0, 0.5]


def test_minus_without_spaces_is_an_operator_after_a_value(schema: Schema) -> None:
    assert parse("customer.age-1 > 2", schema).root == parse("customer.age - 1 > 2", schema).root


def test_every_construct_of_the_subset_is_read(schema: Schema) -> None:
    root = parse("has(customer.age) ? !customer.member : customer.tier == 'gold'", schema).root
    assert root == Choose(
        Has(schema["customer.age"]),
        Not(Read(schema["customer.member"])),
        parse("customer.tier == 'gold'", schema).root,
    )


def test_word_in_a_set_reads_a_symbol_of_its_own(schema: Schema) -> None:
    root = parse('"product:credit" in action.terms', schema).root
    assert root == Read(schema["action.terms[product:credit]"])


def test_symbols_are_those_it_reads_or_asks_for(schema: Schema) -> None:
    expression = parse("has(customer.age) && action.value > 2 || customer.member", schema)
    paths = {symbol.path for symbol in expression.symbols}
    assert paths == {"customer.age", "action.value", "customer.member"}


def test_other_types_can_be_asked_for(schema: Schema) -> None:
    root = parse("customer.age * 2", schema, expect=ValueType.NUMBER).root
    assert root.type is ValueType.NUMBER
    assert parse("'x'", schema, expect=ValueType.STRING).root == Literal("x", ValueType.STRING)


@pytest.mark.parametrize(
    ("source", "line", "column", "found"),
    [
        ("customer.agee > 1", 1, 1, "unknown name customer.agee"),
        ("true &&\n  customer.agee > 1", 2, 3, "unknown name customer.agee"),
        ("customer.age > 'x'", 1, 16, "the right of > (the left is a number) is a string"),
        ("customer.age", 1, 1, "the expression is a number"),
        ("customer.age && true", 1, 1, "an operand of && is a number"),
        ("true || 1", 1, 9, "an operand of || is a number"),
        ("!customer.age", 1, 2, "the operand of ! is a number"),
        ("-customer.member > 1", 1, 2, "the operand of - is a bool"),
        ("'a' + 'b' == 'ab'", 1, 1, "the left of + is a string"),
        ("customer.tier < 'gold'", 1, 1, "strings compared with <"),
        ("customer.member >= true", 1, 1, "bools compared with >="),
        ("customer.tier == 'gild'", 1, 18, '"gild" is never the value of customer.tier'),
        ("'gild' != customer.tier", 1, 1, '"gild" is never the value of customer.tier'),
        ("customer.tier in ['gold', 'x']", 1, 27, '"x" is never the value of customer.tier'),
        ("customer.age in ['gold']", 1, 18, "a list element (the left is a number) is a string"),
        ("customer.age in [customer.spend]", 1, 18, "a list element that is no constant"),
        ("customer.age in []", 1, 17, "a list of 0"),
        ("customer.age in 3", 1, 17, "`in` without a list"),
        ("customer.age in customer.spend", 1, 17, "`in customer.spend`, which is no set"),
        ("'product:loan' in action.terms", 1, 1, 'unknown word "product:loan" of action.terms'),
        ("customer.tier in action.terms", 1, 1, "a computed word sought in action.terms"),
        ("true ? 1 : false", 1, 12, "the branch after : (the other is number) is a bool"),
        ("1 ? true : false", 1, 1, "the condition before ? is a number"),
        ("[1]", 1, 1, "a list by itself"),
        ("has(1)", 1, 1, "has() without one path"),
        ("has()", 1, 1, "has() without one path"),
        ("has(customer.age, customer.age)", 1, 1, "has() without one path"),
        ("customer.city.matches('a.*')", 1, 1, "the call matches() is refused"),
        ("[1, 2].all(x, x > 1)", 1, 1, "the call all() is refused"),
        ("size(customer.city) > 1", 1, 1, "the call size() is refused"),
        ("timestamp('2020-01-01T00:00:00Z') == 1", 1, 1, "the call timestamp() is refused"),
        ("customer.age % 2 == 1", 1, 1, "the operator % is refused"),
        ("customer.age[0] == 1", 1, 1, "indexing with [ ] is refused"),
        ("customer[0].age == 1", 1, 1, "a field of something that is not a path"),
        ("customer{age: 1}", 1, 1, "building an object with { } is refused"),
        ("{1: 2}", 1, 1, "a map is refused"),
        ("customer.age == null", 1, 17, "null is refused"),
        ("customer.age == 1u", 1, 17, "an unsigned constant is refused"),
        (".customer == 1", 1, 1, "a path that starts with a dot is refused"),
        ("1e999 > 1", 1, 1, "number 1e999"),
        ("customer.age >", 1, 15, "the expression ends too early"),
        ("customer.age > > 1", 1, 16, "not readable as CEL from '> 1'"),
        ("customer.age > 1)", 1, 17, "not readable as CEL from ')'"),
        ("customer.age > @", 1, 16, "not readable as CEL from '@'"),
        ("!" * 40 + "true", 1, 34, "an expression nested deeper than 32"),
    ],
)
def test_everything_else_is_refused_with_name_and_place(
    schema: Schema, source: str, line: int, column: int, found: str
) -> None:
    error = _refusal(source, schema)
    assert (error.line, error.column, error.found) == (line, column, found)


def test_unknown_name_suggests_the_nearest(schema: Schema) -> None:
    assert "customer.age" in _refusal("customer.agee > 1", schema).expected
    assert "did you mean" not in _refusal("zzzzzz > 1", schema).expected


def test_unknown_word_suggests_the_nearest(schema: Schema) -> None:
    error = _refusal("'product:credits' in action.terms", schema)
    assert error.expected.startswith("did you mean product:credit")


def test_value_outside_an_enumeration_names_the_values(schema: Schema) -> None:
    assert _refusal("customer.tier == 'x'", schema).expected == "it is gold, silver, basic"


def test_list_is_bounded(schema: Schema) -> None:
    parse(f"customer.age in [{','.join(['1'] * 1_000)}]", schema)
    error = _refusal(f"customer.age in [{','.join(['1'] * 1_001)}]", schema)
    assert error.found == "a list of 1,001"


def test_importing_the_package_loads_no_grammar() -> None:
    code = "import sys, nba.expressions; sys.exit('celpy' in sys.modules or 'lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
