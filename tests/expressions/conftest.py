"""A small schema over customers and actions, and random well-typed expressions on it."""

from __future__ import annotations

import pytest
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


def _numbers(bools: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return numeric expressions; constants are quarters, so that equality happens."""
    constant = st.integers(-8, 8).map(lambda quarter: f"({quarter / 4!r})")
    leaf = constant | st.sampled_from(["customer.age", "customer.spend", "action.value"])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
            st.builds("(-{})".format, inner),
            st.builds("({} ? {} : {})".format, bools, inner, inner),
        )

    return st.recursive(leaf, grow, max_leaves=3)


def _strings() -> st.SearchStrategy[str]:
    paths = st.sampled_from(["customer.tier", "customer.channel", "action.tier"])
    chosen = st.builds(
        "({} ? {} : {})".format, st.sampled_from(["customer.member", "action.fresh"]), paths, paths
    )
    return paths | chosen


_SIMPLE_BOOLS = st.sampled_from(
    [
        "true",
        "false",
        "customer.member",
        "action.fresh",
        "has(customer.age)",
        "has(action.tier)",
        "('product:credit' in action.terms)",
        "('product:credit/card' in action.terms)",
    ]
)


def _bools() -> st.SearchStrategy[str]:
    leaf = _SIMPLE_BOOLS
    numbers = _numbers(leaf)
    lists = st.lists(st.integers(-4, 4).map(lambda half: repr(half / 2)), min_size=1, max_size=4)
    leaf |= st.one_of(
        st.builds(
            "({} {} {})".format,
            numbers,
            st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
            numbers,
        ),
        st.builds("({} in [{}])".format, numbers, lists.map(", ".join)),
        st.builds("({} {} {})".format, _strings(), st.sampled_from(["==", "!="]), _strings()),
        st.builds(
            "(customer.tier {} '{}')".format, st.sampled_from(["==", "!="]), st.sampled_from(TIERS)
        ),
        st.builds(
            "(action.tier in ['{}', '{}'])".format, st.sampled_from(TIERS), st.sampled_from(TIERS)
        ),
        st.builds("({} in ['gold', 'sms'])".format, st.just("customer.channel")),
    )

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.lists(inner, min_size=2, max_size=4).map(lambda xs: f"({' && '.join(xs)})"),
            st.lists(inner, min_size=2, max_size=4).map(lambda xs: f"({' || '.join(xs)})"),
            st.builds("!{}".format, inner.map(lambda x: f"({x})")),
            st.builds("({} ? {} : {})".format, inner, inner, inner),
            st.builds("({} {} {})".format, inner, st.sampled_from(["==", "!="]), inner),
        )

    return st.recursive(leaf, grow, max_leaves=6)


@pytest.fixture(scope="session")
def sources() -> st.SearchStrategy[str]:
    """Random boolean expressions over the schema."""
    return _bools()


@pytest.fixture(scope="session")
def number_sources() -> st.SearchStrategy[str]:
    """Random numeric expressions over the schema."""
    return _numbers(_SIMPLE_BOOLS)


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
