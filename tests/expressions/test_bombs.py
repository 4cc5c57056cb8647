"""Conditions made to exhaust whoever reads them: refused in place, or no more than their text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from nba.expressions import (
    MAX_LIST,
    ExpressionError,
    Schema,
    Value,
    compile_program,
    interpret,
    parse,
)
from nba.expressions.lexis import MAX_DEPTH, MAX_LENGTH, MAX_SHOWN
from nba.expressions.parser import MAX_WHOLE, _syntax
from nba.expressions.tree import Node, children, walk

DEEP = f"nested deeper than {MAX_DEPTH}"

REFUSED: Mapping[str, tuple[str, str]] = {
    # name: the condition, and a part of what is said to be found
    "brackets": (f"{'(' * 2_000}true{')' * 2_000}", f"brackets {DEEP}"),
    "brackets never closed": ("(" * MAX_LENGTH, f"brackets {DEEP}"),
    "brackets never opened": (")" * MAX_LENGTH, "not readable as CEL from '))"),
    "brackets of every kind": ("([{" * 1_000, f"brackets {DEEP}"),
    "one bracket too many": (f"{'(' * 33}true{')' * 33}", f"brackets {DEEP}"),
    "nots": (f"{'!' * 4_000}true", f"an expression {DEEP}"),
    "one not too many": (f"{'!' * 33}true", f"an expression {DEEP}"),
    "minuses": (f"{'-' * 4_000}1 > 0", f"an expression {DEEP}"),
    "spaced minuses": (f"{'- ' * 2_000}1 > 0", f"an expression {DEEP}"),
    "choices to the right": (f"{'true?true:' * 400}true", f"an expression {DEEP}"),
    "choices in the middle": (
        f"{'true?' * 400}true{':true' * 400}",
        "not readable as CEL from '?t",
    ),
    "alternating chains": (f"{'(true||true&&' * 40}true{')' * 40}", f"brackets {DEEP}"),
    "sums": (f"{'1+' * 2_000}1 > 0", f"an expression {DEEP}"),
    "products": (f"{'1*' * 2_000}1 > 0", f"an expression {DEEP}"),
    "comparisons": (f"{'1<' * 2_000}1", f"an expression {DEEP}"),
    "equalities": (f"{'true==' * 500}true", f"an expression {DEEP}"),
    "source": ("true &&" * 100_000 + "true", "an expression of 700,004 characters"),
    "list": (f"1 in [{','.join('1' * (MAX_LIST + 1))}]", "a list of 1,001"),
    "list of lists": (f"1 in {'[' * 32}1{']' * 32}", "a list by itself"),
    "too deep a list": (f"1 in {'[' * 2_000}", f"brackets {DEEP}"),
    "members": (f"customer{'.age' * 1_000} > 1", "unknown name customer.age.age"),
    "one long name": ("a" * MAX_LENGTH, "unknown name aaa"),
    "has of members": (f"has(customer{'.age' * 1_000})", "unknown name customer.age.age"),
    "set of members": (f"'a' in customer{'.age' * 1_000}", "`in customer.age.age"),
    "calls": (f"{'f(' * 32}{')' * 32}", "the call f() is refused"),
    "methods": (f"customer{'.f()' * 1_000}", "the call f() is refused"),
    "a long call": (f"{'f' * 4_000}()", "the call fff"),
    "indexes": (f"customer.age{'[0]' * 1_300}", "indexing with [ ] is refused"),
    "macros": ("[1].all(x, [1].all(y, [1].all(z, true)))", "the call all() is refused"),
    "pattern": ("customer.city.matches('(a+)+$')", "the call matches() is refused"),
    "pattern as a function": ("matches(customer.city, '(a+)+$')", "the call matches()"),
    "infinity": ("1e999 > 0", "number 1e999"),
    "minus infinity": ("-1e999 < 0", "number -1e999"),
    "digits": (f"{'9' * 400} > 0", "number 999"),
    "decimals": (f"{'9' * 400}.0 > 0", "number 999"),
    "hexadecimal digits": (f"0x{'f' * 4_000} > 0", "number 0xfff"),
    "first whole number not exact": (f"{MAX_WHOLE + 1} > 0", "number 9007199254740992"),
    "rounded whole number": ("9007199254740993 == 9007199254740992", "number 9007199254740993"),
    "unclosed text": ("customer.city == 'abc", "a string that is not closed"),
    "unclosed escapes": ("'" + "\\\\" * 2_000, "a string that is not closed"),
    "unclosed triple": ("'''abc", "a triple-quoted string"),
    "text never a value": (f"customer.tier == '{'x' * 4_000}'", '"xxx'),
    "unknown word": (f"'{'x' * 4_000}' in action.terms", 'unknown word "xxx'),
    "NUL": ("true\0", "the character U+0000"),
    "NUL in a text": ("customer.city == 'a\0b'", "the character U+0000"),
    "NUL in a comment": ("true // \0", "the character U+0000"),
    "half a surrogate pair": ("customer.city == '\ud800'", "the character U+D800"),
    "turned direction": ("customer.city == '\u202egold'", "the character U+202E"),
    "next line": ("true\x85", "the character U+0085"),
    "byte order mark": ("\ufefftrue", "not readable as CEL from '\\ufefftrue'"),
    "no-break space": ("true\u00a0&& true", "not readable as CEL from '\\xa0&& true'"),
    "wide digit": ("\uff11 > 0", "not readable as CEL from '\uff11 > 0'"),
    "word glued to in": ("'product:credit' inaction.terms", "the word inaction.terms"),
}


@pytest.mark.parametrize(("source", "found"), REFUSED.values(), ids=REFUSED)
def test_bomb_is_refused_in_place_and_in_few_words(schema: Schema, source: str, found: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(source, schema)
    error = refused.value
    assert found in error.found
    assert error.expected
    assert error.line == 1
    assert 1 <= error.column <= len(source)
    # What it repeats of the condition is cut, however long that is.
    assert len(error.found) <= 2 * MAX_SHOWN


ACCEPTED: Mapping[str, tuple[str, Value]] = {
    # name: the condition, and what it is worth with nothing known
    "brackets": (f"{'(' * 32}true{')' * 32}", True),
    "nots": (f"{'!' * 32}true", True),
    "minuses": (f"{'- ' * 31}1 == -1.0", True),
    "choices": (f"{'false ? true : ' * 32}true", True),
    "sums": (f"{'1 + ' * 31}1 == 32", True),
    "conjunction": (f"{'true && ' * 500}true", True),
    "disjunction": (f"{'customer.member || ' * 200}false", None),
    "list": (f"1 in [{','.join('1' * MAX_LIST)}]", True),
    "length": (f"'a' == '{'a' * (MAX_LENGTH - 9)}'", False),
    "blank lines": ("\n" * 4_000 + "true", True),
    "comment": ("true // it's (((((((((((((((((((((((((((((((((((((((", True),
    "comments": ("true // \"\n && // ['\n true", True),
    "largest whole number": (f"{MAX_WHOLE} == 0x{MAX_WHOLE:x}", True),
    "smallest whole number": (f"-{MAX_WHOLE} < {MAX_WHOLE}", True),
    "no number so small": ("1e-999 == 0.0", True),
    "any script": ("'ίσος' == '猫🐱'", False),
}


def _depth(node: Node) -> int:
    return 1 + max((_depth(child) for child in children(node)), default=0)


@pytest.mark.parametrize(("source", "worth"), ACCEPTED.values(), ids=ACCEPTED)
def test_condition_at_a_limit_runs_and_is_no_larger_than_its_text(
    schema: Schema, source: str, worth: Value
) -> None:
    expression = parse(source, schema)
    assert sum(1 for _ in walk(expression.root)) <= len(source)
    assert _depth(expression.root) <= MAX_DEPTH + 1
    assert interpret(expression, {}) is worth
    program = compile_program([expression])
    assert program.n_instructions <= len(source)
    unknown = np.full(6, np.nan)
    verdict = -1 if worth is None else int(worth)
    assert program.run(unknown, unknown[None]).tolist() == [[verdict]]


def test_syntax_that_is_kept_has_no_rules_that_only_pass_on() -> None:
    """Thousands of syntax trees are kept; the grammar makes some ten rules of each constant."""
    source = " && ".join(["true"] * 500)
    assert sum(1 for _ in _syntax(source).iter_subtrees_topdown()) <= 2 * 500


def test_limits_are_documented() -> None:
    guardrails = Path(__file__).parents[2] / "docs" / "concepts" / "guardrails.md"
    (paragraph,) = (
        text
        for text in guardrails.read_text(encoding="utf-8").split("\n\n")
        if text.startswith("**Conditions**")
    )
    for limit in (MAX_LENGTH, MAX_DEPTH, MAX_LIST, MAX_WHOLE):
        assert f"{limit:,}" in paragraph
