"""Policies somebody asks about by name: "what would this have earned?".

Each is said in a few words (``softmax=0.2``, ``always:shoes``, ``lever:product:credit=2``), and
turns what is known of all candidates into the probabilities with which it would choose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nba.bandits import BanditSettings, Explorer, build_explorer
from nba.domain.ids import NO_ACTION
from nba.domain.taxonomy import is_within
from nba.errors import Fault, InputError
from nba.training.candidates import CandidateTable

Kind = Literal["explorer", "always", "model", "lever", "changeset"]

FORMS = (
    "greedy",
    "epsilon_greedy[=SHARE]",
    "squarecb[=GAMMA]",
    "softmax[=TEMPERATURE]",
    "uniform",
    "no_action",
    "always:ACTION",
    "model:NAME[@VERSION]",
    "lever:TERM_OR_ACTION=FACTOR",
    "changeset:ID",
)
"""All that may be asked about."""

_SETTINGS = {"epsilon_greedy": "epsilon", "squarecb": "gamma", "softmax": "temperature"}
_EXPLORES = {
    "greedy": "highest propensity x value - cost",
    "uniform": "any candidate alike",
    "epsilon_greedy": "any candidate now and then, else the highest propensity x value - cost",
    "squarecb": "explores by gaps in propensity x value - cost, having learned from this many",
    "softmax": "explores by softmax of propensity x value - cost",
}
_PLACE = "--policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPolicy:
    """A policy as it was asked for.

    ``said`` is the words; ``name`` what they name: an explorer, an action, a model, a term or a
    change set. The last is not decided from the candidates that a log has, but replayed
    (``nba changes simulate``).
    ``version`` is a model's, empty for the one that is live; ``number`` an explorer's setting or a
    lever's factor.
    """

    said: str
    kind: Kind
    name: str
    version: str = ""
    number: float | None = None

    @property
    def description(self) -> str:
        """What it does, in words."""
        match self.kind:
            case "always":
                return "says it wherever it may"
            case "model":
                version = f" version {self.version}" if self.version else ""
                return f"highest propensity x value - cost by {self.name}{version}"
            case "lever":
                return f"highest propensity x value x {self.number:g} where {self.name} - cost"
            case _:
                return _EXPLORES[self.name]


def parse_policy(said: str) -> AskedPolicy:
    """Read what a policy is called.

    Raises :class:`InputError` for words that are none of :data:`FORMS`, naming them all.

    >>> parse_policy("epsilon_greedy=0.1").number
    0.1
    >>> parse_policy("lever:product:credit=2").name
    'product:credit'
    """
    kind, _, rest = said.partition(":")
    if kind == "always" and rest:
        return AskedPolicy(said=said, kind="always", name=rest)
    if said == NO_ACTION:
        return AskedPolicy(said=said, kind="always", name=NO_ACTION)
    if kind == "model" and rest:
        name, _, version = rest.partition("@")
        if name:
            return AskedPolicy(said=said, kind="model", name=name, version=version)
    if kind == "lever" and rest:
        selected, _, factor = rest.rpartition("=")
        number = _number(said, factor)
        if not selected or number < 0.0:
            raise _refused(said, "lever:TERM_OR_ACTION=FACTOR with a factor of 0 or more")
        return AskedPolicy(said=said, kind="lever", name=selected, number=number)
    if kind == "changeset" and rest:
        return AskedPolicy(said=said, kind="changeset", name=rest)
    name, given, setting = said.partition("=")
    if name not in {"greedy", "uniform", *_SETTINGS} or (given and name not in _SETTINGS):
        raise _refused(said, f"one of {', '.join(FORMS)}")
    number_given = _number(said, setting) if given else None
    asked = AskedPolicy(said=said, kind="explorer", name=name, number=number_given)
    explorer_of(asked)
    return asked


def explorer_of(asked: AskedPolicy) -> Explorer:
    """Return the explorer asked for; :class:`InputError` where its setting is out of range."""
    given = {} if asked.number is None else {_SETTINGS[asked.name]: asked.number}
    try:
        return build_explorer(BanditSettings(explorer=asked.name, **given))  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(
            Fault(_PLACE, f"{asked.said!r}: {fault.found}", fault.expected)
            for fault in error.faults
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a policy may know of all candidates (n,), NaN where a candidate was never chosen.

    ``propensities`` are those of the learned policy, ``of_models`` those of each model asked about
    by what was said; ``terms`` are those of each action. ``goals`` is what their goals are expected
    to bring, in currency, whoever ranks them.
    """

    table: CandidateTable
    propensities: NDArray[np.float64]
    of_models: Mapping[str, NDArray[np.float64]]
    terms: Mapping[str, Sequence[str]]
    goals: NDArray[np.float64] | float = 0.0

    def expected(
        self, propensities: NDArray[np.float64], factors: NDArray[np.float64] | float = 1.0
    ) -> NDArray[np.float64]:
        """Return (propensity x value + goals) x factor - cost of all candidates."""
        values = np.append(self.table.options["value"].to_numpy(), np.nan)[self.table.option]
        costs = np.append(self.table.options["cost"].to_numpy(), np.nan)[self.table.option]
        worth: NDArray[np.float64] = (propensities * values + self.goals) * factors - costs
        return worth


def probabilities_of(asked: AskedPolicy, known: Known) -> NDArray[np.float64]:
    """Return how probable a policy makes every candidate, ``(n,)``, summing to 1 by choice.

    Raises what :func:`selected` does, and :class:`InputError` for a change set.
    """
    if asked.kind == "changeset":
        raise _refused(asked.said, "a change set is replayed, not decided from a log's candidates")
    table = known.table
    chosen = selected(asked, table.actions, known.terms)
    match asked.kind:
        case "always":
            return table.constant(np.full(table.choices.height, int(chosen.argmax())))
        case "model":
            return table.greedy(known.expected(known.of_models[asked.said]))
        case "lever":
            factors = np.where(chosen[table.action], asked.number or 0.0, 1.0)
            return table.greedy(known.expected(known.propensities, factors))
        case _:
            scores = known.expected(known.propensities)
            return _explored(table, scores, explorer_of(asked))


def selected(
    asked: AskedPolicy, actions: Sequence[str], terms: Mapping[str, Sequence[str]]
) -> NDArray[np.bool_]:
    """Return which actions a policy names, ``(n_actions,)``; none where it names no action.

    ``always`` names one; a lever names one, or all that carry a term or one below it. Raises
    :class:`InputError` where none of the log's is named, listing all that could be.
    """
    named = np.array([name == asked.name for name in actions])
    carried: list[str] = []
    if asked.kind == "lever":
        carried = sorted({term for name in actions for term in terms.get(name, ())})
        below = [any(is_within(term, asked.name) for term in terms.get(a, ())) for a in actions]
        named |= np.array(below)
    if asked.kind in {"always", "lever"} and not named.any():
        or_term = f", or a term of theirs: {', '.join(carried)}" if carried else ""
        raise _refused(asked.said, f"an action of the log: {', '.join(actions)}{or_term}")
    return named


def _explored(
    table: CandidateTable, scores: NDArray[np.float64], explorer: Explorer
) -> NDArray[np.float64]:
    """Return an explorer's probabilities, its scores in units of the largest value of an action."""
    largest = float(np.abs(table.options["value"].to_numpy()).max())
    scaled = scores / largest if largest > 0.0 else scores
    shares = table.uniform()
    is_known = np.isfinite(scaled)
    for begin, end in pairwise(table.start.tolist()):
        some = is_known[begin:end]
        if some.any():
            part = np.zeros(end - begin)
            part[some] = explorer.probabilities(
                scaled[begin:end][some], updates=table.choices.height
            )
            shares[begin:end] = part
    return shares


def _number(said: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _refused(said, f"a number after '='; one of {', '.join(FORMS)}")
    return number


def _refused(said: str, expected: str) -> InputError:
    return InputError([Fault(_PLACE, f"found {said!r}", expected)])
