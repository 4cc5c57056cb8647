"""1,000 rules over 1,000 candidates for one customer, beside evaluating each rule by itself.

Every rule has one comparison of a candidate's number with one of the customer's and two further
conditions on either; the other evaluators get the same text, and the values of the customer and one
candidate, none of them missing, so that they never answer with an error. Their answers are checked
against ours. Processor time is measured, so that what else runs on the machine counts for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import thread_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peer_process import peer_process
from benchmarks.report import figure
from nba.expressions import (
    BoundConditions,
    Expression,
    Level,
    Schema,
    Symbol,
    ValueType,
    compile_program,
    parse,
)
from nba.policies.apply import Closed, Walk
from nba.policies.stage import Gate

RULES = 1_000
CANDIDATES = 1_000
ROUNDS = 60
PYTHON_RULES = 50
"""Rules given to cel-python each round: it takes milliseconds for one."""

POOL = 300
"""Conditions that rules are put together from where they repeat themselves."""

TIERS = ("gold", "silver", "basic", "none")
_NUMBERS, _FLAGS, _ACTION_NUMBERS, _ACTION_FLAGS = 20, 5, 6, 5


@dataclass(frozen=True)
class Population:
    """Rules' schema, and rows of values, encoded."""

    schema: Schema
    candidates: NDArray[np.float64]

    def situation(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.concatenate(
            [rng.normal(size=_NUMBERS), rng.integers(0, 2, _FLAGS), rng.integers(0, 4, 1)]
        ).astype(np.float64)

    def values(self, situation: NDArray[np.float64], row: int) -> dict[str, dict[str, Any]]:
        """Return the values of the situation and one candidate as other evaluators take them."""
        found: dict[str, dict[str, Any]] = {"customer": {}, "action": {}}
        for symbol in self.schema.values():
            is_situation = symbol.level is Level.SITUATION
            number = float((situation if is_situation else self.candidates[row])[symbol.column])
            value: Any = number
            if symbol.type is ValueType.BOOL:
                value = bool(number)
            elif symbol.type is ValueType.STRING:
                value = symbol.values[int(number)]
            root, _, name = symbol.path.partition(".")
            found[root][name] = value
        return found


def population(rng: np.random.Generator) -> Population:
    """Draw candidates, a tenth of their values missing but for the first one's."""
    number, flag, word = ValueType.NUMBER, ValueType.BOOL, ValueType.STRING
    columns = (
        (Level.SITUATION, "customer", _NUMBERS, _FLAGS),
        (Level.CANDIDATE, "action", _ACTION_NUMBERS, _ACTION_FLAGS),
    )
    symbols = []
    for level, root, numbers, flags in columns:
        symbols += [Symbol(f"{root}.n{i}", number, level, i) for i in range(numbers)]
        symbols += [Symbol(f"{root}.b{i}", flag, level, numbers + i) for i in range(flags)]
        symbols.append(Symbol(f"{root}.tier", word, level, numbers + flags, TIERS))
    candidates = np.concatenate(
        [
            rng.normal(size=(CANDIDATES, _ACTION_NUMBERS)),
            rng.integers(0, 2, (CANDIDATES, _ACTION_FLAGS)),
            rng.integers(0, len(TIERS), (CANDIDATES, 1)),
        ],
        axis=1,
    )
    candidates[1:][rng.random((CANDIDATES - 1, candidates.shape[1])) < 0.1] = np.nan
    return Population({symbol.path: symbol for symbol in symbols}, candidates)


def _mixed(rng: np.random.Generator) -> str:
    sign = rng.choice(["<=", "<", ">", ">="])
    return f"action.n{rng.integers(_ACTION_NUMBERS)} {sign} customer.n{rng.integers(_NUMBERS)}"


def _any(rng: np.random.Generator) -> str:
    constant = round(float(rng.normal()), 3)
    customer, action = rng.integers(_NUMBERS), rng.integers(_ACTION_NUMBERS)
    written = [
        f"customer.n{customer} > {constant}",
        f"action.n{action} > {constant}",
        f"customer.b{rng.integers(_FLAGS)}",
        f"action.b{rng.integers(_ACTION_FLAGS)}",
        "customer.tier == action.tier",
        "customer.tier in ['gold', 'silver']",
        f"has(customer.n{customer})",
        _mixed(rng),
    ]
    return str(rng.choice(written))


def rules(rng: np.random.Generator, count: int) -> list[str]:
    """Write rules, nearly all different."""
    return [f"({_mixed(rng)} || {_any(rng)}) && {_any(rng)}" for _ in range(count)]


def repeating_rules(rng: np.random.Generator, count: int) -> list[str]:
    """Write rules that say the same conditions in other combinations."""
    pool = [f"({_mixed(rng)} || {_any(rng)})" for _ in range(POOL)]
    return [" && ".join(rng.choice(pool, 2, replace=False)) for _ in range(count)]


def bind(written: Sequence[str], people: Population) -> tuple[list[Expression], BoundConditions]:
    expressions = [parse(rule, people.schema) for rule in written]
    return expressions, compile_program(expressions).bind(people.candidates)


def _walk(expressions: Sequence[Expression], people: Population) -> tuple[Walk, Closed]:
    rows = np.arange(1, CANDIDATES, dtype=np.int32)
    gates = [
        Gate(policy=number, rows=rows[number % 3 :: 3], condition=expression)
        for number, expression in enumerate(expressions)
    ]
    return Walk(gates, (), people.candidates), Closed(
        np.ones(len(gates), dtype=np.uint8),
        np.zeros(len(gates), dtype=np.uint8),
        np.zeros((0, CANDIDATES), dtype=np.uint8),
    )


def evaluate() -> list[dict[str, Any]]:
    """Measure, every round another customer and every contender in turn."""
    rng = np.random.default_rng(4)
    people = population(rng)
    written = rules(rng, RULES)
    expressions, bound = bind(written, people)
    walk, closed = _walk(expressions, people)
    repeated = {count: bind(repeating_rules(rng, count), people)[1] for count in (1_000, 4_000)}
    rows = bound.new_rows()
    others = {count: other.new_rows() for count, other in repeated.items()}
    warm = people.situation(rng)
    walk.first_drops(warm, closed)
    times: dict[str, list[float]] = {}

    def took(name: str, begin: float) -> None:
        times.setdefault(name, []).append(1e6 * (thread_time() - begin))

    with peer_process("cel") as peer:
        for number in range(ROUNDS):
            situation = people.situation(rng)
            begin = thread_time()
            verdicts = bound.run_bits(situation, rows)
            took("ours", begin)
            begin = thread_time()
            walk.first_drops(situation, closed)
            took("walk", begin)
            for count, other in repeated.items():
                begin = thread_time()
                other.run_bits(situation, others[count])
                took(f"repeated {count}", begin)
            if number % 10 == 0:
                values = people.values(situation, 0)
                peer.ask("load", rules=written, values=values, python_rules=PYTHON_RULES)
                expected = _first_candidate(bound, verdicts, rows)
            for call, count in (
                ("rust", RULES),
                ("rust_compiled", RULES),
                ("python", PYTHON_RULES),
            ):
                answer = peer.ask(call, count=count)
                times.setdefault(call, []).append(1e6 * answer["seconds"] / count)
                if answer["found"] != expected[:count]:
                    raise AssertionError(f"{call} does not agree with us")
    return _figures({name: median(found) for name, found in times.items()})


def _first_candidate(
    bound: BoundConditions, verdicts: NDArray[np.int8], rows: NDArray[np.uint64]
) -> list[bool]:
    found = np.empty(len(verdicts) + len(bound.vector_outputs), dtype=np.int8)
    found[bound.scalar_outputs] = verdicts
    found[bound.vector_outputs] = bound.verdicts(rows)[:, 0]
    return [bool(verdict == 1) for verdict in found.tolist()]


def _figures(at: dict[str, float]) -> list[dict[str, Any]]:
    shape = f"{RULES:,} rules over {CANDIDATES:,} candidates"
    how = f"{shape}, median of {ROUNDS} random customers, all contenders in turn, processor time"
    one = f"{RULES:,} rules on one candidate, one by one, beside ours on {CANDIDATES:,}; {how}"
    return [
        figure("evaluate rules", round(at["ours"], 1), "µs", how, at_most=300),
        figure("evaluate rules and drop candidates", round(at["walk"], 1), "µs", how),
        figure("Rust CEL, a rule on a candidate", round(at["rust"], 2), "µs", how),
        figure(
            "Rust CEL compiled, a rule on a candidate", round(at["rust_compiled"], 2), "µs", how
        ),
        figure("cel-python, a rule on a candidate", round(at["python"], 1), "µs", how),
        figure("times Rust CEL", round(RULES * at["rust"] / at["ours"], 1), "x", one, at_least=60),
        figure(
            "times Rust CEL compiled", round(RULES * at["rust_compiled"] / at["ours"], 1), "x", one
        ),
        figure("times cel-python", round(RULES * at["python"] / at["ours"], 1), "x", one),
        figure(
            "cost of 4 times the rules, same conditions",
            round(at["repeated 4000"] / at["repeated 1000"], 2),
            "x",
            f"4,000 and 1,000 different rules of the same {POOL} conditions; {how}",
            at_most=4,
        ),
    ]
