"""Reasoning over conditions: what is called contradictory, no data whatever meets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.control.lint.satisfying import Rule, conflict, contradictory, known
from nba.expressions import Expression, Level, Symbol, ValueType, interpret, parse

TIERS = ("none", "silver", "gold")
SYMBOLS = (
    Symbol("customer.age", ValueType.NUMBER, Level.SITUATION, 0),
    Symbol("customer.orders", ValueType.NUMBER, Level.SITUATION, 1),
    Symbol("customer.member", ValueType.BOOL, Level.SITUATION, 2),
    Symbol("customer.tier", ValueType.STRING, Level.SITUATION, 3, TIERS),
    Symbol("request.month", ValueType.NUMBER, Level.SITUATION, 4),
    Symbol("action.value", ValueType.NUMBER, Level.CANDIDATE, 0),
)
SCHEMA = {symbol.path: symbol for symbol in SYMBOLS}


def rules(*sources: str, open_if_unknown: bool = False) -> list[Rule]:
    return [Rule(parse(source, SCHEMA).root, open_if_unknown) for source in sources]


@pytest.mark.parametrize(
    "sources",
    [
        ("customer.age < 18", "customer.age >= 18"),
        ("customer.age > 18 && customer.age < 18",),
        ("customer.age == 18", "customer.age != 18"),
        ("customer.age > 1 && customer.age < 2 && (customer.age < 1 || customer.age > 2)",),
        ("customer.age in [1, 2, 3]", "customer.age > 3"),
        ("18 < customer.age", "customer.age <= 18"),
        ("customer.member", "!customer.member"),
        ("customer.member == true", "customer.member == false"),
        ('customer.tier == "gold"', 'customer.tier == "none"'),
        ('customer.tier != "gold"', 'customer.tier in ["gold"]'),
        ('!(customer.tier in ["none", "silver"])', 'customer.tier != "gold"'),
        ("has(customer.age)", "!has(customer.age)"),
        ("!has(customer.age)", "customer.age > 1"),
        ("customer.age == request.month", "customer.age > 12", "request.month <= 12"),
        ("customer.age < request.month", "request.month < 3", "customer.age > 4"),
        ("customer.member ? customer.age > 9 : customer.age < 2", "customer.age == 5"),
        ("customer.age > -1", "customer.age < -1"),
        ("false",),
    ],
)
def test_what_nobody_can_meet_is_contradictory(sources: tuple[str, ...]) -> None:
    assert contradictory(rules(*sources))


@pytest.mark.parametrize(
    "sources",
    [
        ("customer.age >= 18", "customer.age <= 18"),
        ("customer.age > 18 || customer.member", "customer.age < 18"),
        ("customer.age + 1 > 5", "customer.age < 0"),
        ("has(customer.age) || customer.member", "!has(customer.age)"),
        ('customer.tier == "gold" || customer.age > 3', 'customer.tier == "none"'),
        ("customer.age == request.month", "customer.age > 3"),
        ("true",),
        (),
    ],
)
def test_what_somebody_may_meet_is_not(sources: tuple[str, ...]) -> None:
    assert not contradictory(rules(*sources))


def test_a_rule_that_is_open_where_data_is_missing_contradicts_nothing_it_leaves_open() -> None:
    young, old = "customer.age < 18", "customer.age >= 18"
    assert contradictory(rules(young) + rules(old, open_if_unknown=True))
    assert not contradictory(rules(young, old, open_if_unknown=True))
    assert contradictory(rules(young, old, "has(customer.age)", open_if_unknown=True))


def test_what_is_known_of_an_action_counts() -> None:
    cheap = rules("action.value < 10")
    assert contradictory(cheap, {"action.value": known(50.0)})
    assert not contradictory(cheap, {"action.value": known(5.0)})
    assert contradictory(cheap, {"action.value": known(None)})


def test_a_conflict_is_told_without_the_rules_that_have_no_part_in_it() -> None:
    found = rules(
        "customer.member", "customer.age < 18", "customer.orders > 3", "customer.age > 20"
    )
    assert conflict(found) == [1, 3]


def test_a_condition_that_would_split_into_very_many_is_left_whole() -> None:
    either = " && ".join(f"(customer.age != {n} || customer.orders != {n})" for n in range(12))
    assert not contradictory(rules(either))


_numbers = st.sampled_from(["-1", "0", "1", "2", "3.5"])
_readable = st.sampled_from(["customer.age", "customer.orders", "request.month"])
_terms = st.one_of(
    _readable,
    _numbers,
    st.builds(
        lambda a, op, b: f"({a} {op} {b})",
        _readable,
        st.sampled_from(["+", "-", "*", "/"]),
        _numbers,
    ),
)
_atoms = st.one_of(
    st.builds(
        lambda a, op, b: f"{a} {op} {b}",
        _terms,
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        _terms,
    ),
    st.builds(
        lambda a, words: f"{a} in [{', '.join(words)}]",
        _readable,
        st.lists(_numbers, min_size=1, max_size=3),
    ),
    st.builds(
        lambda op, word: f'customer.tier {op} "{word}"',
        st.sampled_from(["==", "!="]),
        st.sampled_from(TIERS),
    ),
    st.builds(
        lambda words: "customer.tier in [" + ", ".join(f'"{word}"' for word in words) + "]",
        st.lists(st.sampled_from(TIERS), min_size=1, max_size=3),
    ),
    st.sampled_from(["customer.member", "true", "false", "customer.member == true"]),
    st.builds("has({})".format, st.sampled_from(sorted(SCHEMA))),
)
_conditions = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.builds("!({})".format, inner),
        st.builds("({}) && ({})".format, inner, inner),
        st.builds("({}) || ({})".format, inner, inner),
        st.builds("(({}) ? ({}) : ({}))".format, inner, inner, inner),
    ),
    max_leaves=6,
)
_few = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5, 4.0]))
_people = st.fixed_dictionaries(
    {
        "customer.age": _few,
        "customer.orders": _few,
        "request.month": _few,
        "action.value": _few,
        "customer.member": st.one_of(st.none(), st.booleans()),
        "customer.tier": st.one_of(st.none(), st.sampled_from(TIERS)),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    sources=st.lists(st.tuples(_conditions, st.booleans()), min_size=1, max_size=4),
    people=st.lists(_people, min_size=25, max_size=25),
)
def test_nothing_is_called_contradictory_that_some_data_meets(sources, people) -> None:
    expressions: list[tuple[Expression, bool]] = [
        (parse(source, SCHEMA), is_open) for source, is_open in sources
    ]
    met = [
        person
        for person in people
        if all(
            interpret(e, person) is True or (o and interpret(e, person) is None)
            for e, o in expressions
        )
    ]
    if met:
        assert not contradictory([Rule(e.root, o) for e, o in expressions])
        given_one = {path: known(value) for path, value in met[0].items()}
        assert not contradictory([Rule(e.root, o) for e, o in expressions], given_one)
