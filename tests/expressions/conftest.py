"""A small schema over customers and actions, and random well-typed expressions on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from typing import NamedTuple

import celpy
import pytest
from celpy.adapter import json_to_cel
from hypothesis import strategies as st

from nba.expressions import Level, Schema, Symbol, Value, ValueType

TIERS = ("gold", "silver", "basic")
CHANNELS = ("email", "sms", "push", "gold")


@pytest.fixture(scope="session")
def schema() -> Schema:
    """Situation and candidate symbols of every type."""
    number, boolean, string = ValueType.NUMBER, ValueType.BOOL, ValueType.STRING
    situation, candidate = Level.SITUATION, Level.CANDIDATE
    symbols = [
        Symbol("customer.age", number, situation, 2),
        Symbol("customer.spend", number, situation, 0),
        Symbol("customer.member", boolean, situation, 4),
        Symbol("customer.tier", string, situation, 1, TIERS),
        Symbol("customer.channel", string, situation, 3, CHANNELS),
        Symbol("customer.city", string, situation, 5),
        Symbol("action.value", number, candidate, 1),
        Symbol("action.fresh", boolean, candidate, 2),
        Symbol("action.tier", string, candidate, 0, TIERS[::-1]),
        Symbol("action.terms[product:credit]", boolean, candidate, 3),
        Symbol("action.terms[product:credit/card]", boolean, candidate, 4),
    ]
    return {symbol.path: symbol for symbol in symbols}


class Written(NamedTuple):
    """An expression as written for us, and as CEL says the same.

    They differ in division alone: by zero it is unknown here, and an infinity or NaN in CEL.
    """

    ours: str
    cel: str


_STRINGS = ("customer.tier", "customer.channel", "action.tier")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_SIMPLE = (
    "true",
    "false",
    "customer.member",
    "action.fresh",
    "has(customer.age)",
    "has(action.tier)",
    "has(action.fresh)",
    "('product:credit' in action.terms)",
    "('product:credit/card' in action.terms)",
)
_LOGIC = (
    "({} && {})",
    "({} || {})",
    "({} == {})",
    "({} != {})",
    # Without brackets: both must read the same precedence into it.
    "({} && {} || {})",
    "({} || {} && {})",
    "(!{} && !{} || {})",
    "({} && {} && {} && {})",
    "({} || {} || {} || {})",
    "(!{})",
    "(!!{})",
    "({} ? {} : {})",
    "({} ? {} : {} ? {} : {})",
)
_ARITHMETIC = (
    "({} + {})",
    "({} - {})",
    "({} * {})",
    "({} + {} * {})",
    "({} - {} - {})",
    "(-{} * {} - {})",
    "(-{})",
)


class _Writer:
    """Writes random well-typed expressions; far faster than composing as many strategies."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)

    def boolean(self, depth: int = 3) -> Written:
        """Write a condition."""
        if depth and self._rng.random() < 0.6:
            template = self._rng.choice(_LOGIC)
            return _fill(template, lambda: self.boolean(depth - 1))
        return self._rng.choice((self._simple, self._compared, self._listed, self._words))()

    def number(self, depth: int = 2) -> Written:
        """Write a number; constants are quarters, so that equality happens."""
        kind = self._rng.random() if depth else 1.0
        if kind < 0.3:
            return _fill(self._rng.choice(_ARITHMETIC), lambda: self.number(depth - 1))
        if kind < 0.4:
            left, right = self.number(depth - 1), self.number(depth - 1)
            return Written(
                f"({left.ours} / {right.ours})",
                f"({right.cel} == 0.0 ? customer.never : {left.cel} / {right.cel})",
            )
        if kind < 0.5:
            parts = self._simple(), self.number(depth - 1), self.number(depth - 1)
            return _fill("({} ? {} : {})", iter(parts).__next__)
        quarter = f"{self._rng.randrange(-8, 9) / 4!r}"
        paths = ("customer.age", "customer.spend", "action.value")
        return self._one_of(*paths, *paths, quarter, f"({quarter})")

    def _one_of(self, *sources: str) -> Written:
        source = self._rng.choice(sources)
        return Written(source, source)

    def _simple(self) -> Written:
        return self._one_of(*_SIMPLE)

    def _compared(self) -> Written:
        sign = self._rng.choice(_COMPARISONS)
        if self._rng.random() < 0.5:  # the forms that are looked up rather than computed
            return self._one_of(
                f"(action.value {sign} customer.age)", f"(customer.spend {sign} action.value)"
            )
        return _fill(f"({{}} {sign} {{}})", self.number)

    def _listed(self) -> Written:
        halves = [repr(self._rng.randrange(-4, 5) / 2) for _ in range(self._rng.randrange(1, 5))]
        return _fill(f"({{}} in [{', '.join(halves)}])", self.number)

    def _words(self) -> Written:
        sign = self._rng.choice(("==", "!="))
        tier, other = self._rng.choice(TIERS), self._rng.choice(TIERS)
        return self._one_of(
            f"({self._string()} {sign} {self._string()})",
            f"(customer.tier {sign} '{tier}')",
            f"('{tier}' {sign} action.tier)",
            f"(action.tier in ['{tier}', '{other}'])",
            f"(customer.tier in ['{tier}', '{other}'])",
            f"({self._chosen()} in ['{tier}', 'sms'])",
            "(customer.channel in ['gold', 'sms'])",
        )

    def _string(self) -> str:
        return self._rng.choice((*_STRINGS, self._chosen()))

    def _chosen(self) -> str:
        first, second = self._rng.choice(_STRINGS), self._rng.choice(_STRINGS)
        flag = self._rng.choice(("customer.member", "action.fresh"))
        return f"({flag} ? {first} : {second})"


def _fill(template: str, write: Callable[[], Written]) -> Written:
    parts = [write() for _ in range(template.count("{}"))]
    return Written(
        template.format(*(part.ours for part in parts)),
        template.format(*(part.cel for part in parts)),
    )


_SEEDS = st.integers(0, 2**63)


@pytest.fixture(scope="session")
def written() -> st.SearchStrategy[Written]:
    """Random boolean expressions over the schema, as written for us and for CEL."""
    return _SEEDS.map(lambda seed: _Writer(seed).boolean())


@pytest.fixture(scope="session")
def sources() -> st.SearchStrategy[str]:
    """Random boolean expressions over the schema."""
    return _SEEDS.map(lambda seed: _Writer(seed).boolean().ours)


@pytest.fixture(scope="session")
def number_sources() -> st.SearchStrategy[str]:
    """Random numeric expressions over the schema."""
    return _SEEDS.map(lambda seed: _Writer(seed).number().ours)


@pytest.fixture(scope="session")
def oracle() -> Callable[[str, Mapping[str, Value]], bool | None]:
    """Evaluate with cel-python; what it answers with an error is unknown."""
    return _oracle


def _oracle(source: str, values: Mapping[str, Value]) -> bool | None:
    fields: dict[str, dict[str, object]] = {"customer": {}, "action": {"terms": []}}
    for path, value in values.items():
        root, _, name = path.partition(".")
        if name.startswith("terms["):
            words = fields[root]["terms"]
            assert isinstance(words, list)
            words.extend([name[len("terms[") : -1]] if value else [])
        elif value is not None:
            fields[root][name] = value
    limit = sys.getrecursionlimit()
    try:
        program = _cel_program(source)
        return bool(program.evaluate({root: json_to_cel(found) for root, found in fields.items()}))
    except celpy.CELEvalError:
        return None
    finally:
        sys.setrecursionlimit(limit)  # cel-python raises it


@lru_cache(maxsize=64)
def _cel_program(source: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(source))


@pytest.fixture(scope="session")
def rows(schema: Schema) -> st.SearchStrategy[dict[str, Value]]:
    """Random values of every symbol, about a quarter of them missing."""
    of_type: dict[ValueType, st.SearchStrategy[Value]] = {
        ValueType.NUMBER: st.integers(-8, 8).map(lambda quarter: quarter / 4),
        ValueType.BOOL: st.booleans(),
    }

    def values(symbol: Symbol) -> st.SearchStrategy[Value]:
        present = of_type.get(symbol.type, st.sampled_from(symbol.values or ("Graz",)))
        return st.one_of(present, present, present, st.none())

    return st.fixed_dictionaries({path: values(symbol) for path, symbol in schema.items()})
