"""Policies somebody asks about by name: "what would this have earned?".

Each is said in a few words: ``softmax=0.2``, ``always:shoes``, ``lever:product:credit=2``,
``ucb,learner=linear,reward_cap=100``. What they would choose is in :mod:`nba.training.choosing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from nba.bandits import BanditSettings
from nba.domain.ids import NO_ACTION
from nba.domain.taxonomy import is_within
from nba.errors import Fault, InputError
from nba.policies.suggestions import nearest

Kind = Literal["explorer", "learner", "always", "model", "lever", "changeset"]

FORMS = (
    "greedy",
    "epsilon_greedy[=SHARE]",
    "squarecb[=GAMMA]",
    "softmax[=TEMPERATURE]",
    "uniform",
    "ucb[=ALPHA]",
    "regcb[=MELLOWNESS]",
    "thompson[=DEVIATION_SCALE]",
    "votes[=EPSILON]",
    "cover[=UNIFORM]",
    "bandit",
    "EXPLORER[=NUMBER],SETTING=VALUE,...",
    "no_action",
    "always:ACTION",
    "model:NAME[@VERSION]",
    "lever:TERM_OR_ACTION=FACTOR",
    "changeset:ID",
)
"""All that may be asked about."""

PLACE = "--policy"
BANDIT = "bandit"

_EXPLORES = {
    "greedy": "highest propensity x value - cost",
    "uniform": "any candidate alike",
    "epsilon_greedy": "any candidate now and then, else the highest propensity x value - cost",
    "squarecb": "explores by gaps in propensity x value - cost, having learned from this many",
    "softmax": "explores by softmax of propensity x value - cost",
}
"""Explorers that need no learner, and what they do around the learned policy."""

_CONSTANTS = {
    "epsilon_greedy": "epsilon",
    "squarecb": "gamma",
    "softmax": "temperature",
    "ucb": "alpha",
    "regcb": "mellowness",
    "thompson": "deviation_scale",
    "votes": "epsilon",
    "cover": "uniform",
}
"""What the number behind an explorer is."""

_OF_NO_EFFECT = frozenset({"snapshot_seconds", "content_floor"})
_SETTINGS = {one.name for one in fields(BanditSettings)} - _OF_NO_EFFECT
_LISTS = frozenset({"features", "dimensions"})
_VALIDATE = TypeAdapter(BanditSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPolicy:
    """A policy as it was asked for.

    ``said`` is the words; ``name`` what they name: an explorer, an action, a model, a term or a
    change set. The last is not decided from the candidates that a log has, but replayed
    (``nba changes simulate``).
    ``version`` is a model's, empty for the one that is live; ``factor`` a lever's. ``bandit`` has
    the settings of an explorer, and where the kind is ``learner`` those of the learner whose scores
    it explores by.
    """

    said: str
    kind: Kind
    name: str
    version: str = ""
    factor: float = 1.0
    bandit: BanditSettings = field(default_factory=BanditSettings)

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
                return f"highest propensity x value x {self.factor:g} where {self.name} - cost"
            case "learner":
                seen = ", ".join(self.bandit.features) or "the action alone"
                return (
                    f"{self.name} around what a {self.bandit.learner} learner of {seen} has "
                    "learned from the other customers"
                )
            case _:
                return _EXPLORES[self.name]


def parse_policy(said: str, service: BanditSettings | None = None) -> AskedPolicy:
    """Read what a policy is called; ``service`` are the settings that ``bandit`` stands for.

    Raises :class:`InputError` for words that are none of :data:`FORMS`, naming them all, and for
    settings that are none of ``models/bandit.yaml``, out of range, or do not go together.

    >>> parse_policy("ucb=0.5,learner=linear,reward_cap=100").bandit.learner
    'linear'
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
        selected, _, number = rest.rpartition("=")
        factor = _number(said, number)
        if not selected or factor < 0.0:
            raise refused(said, "lever:TERM_OR_ACTION=FACTOR with a factor of 0 or more")
        return AskedPolicy(said=said, kind="lever", name=selected, factor=factor)
    if kind == "changeset" and rest:
        return AskedPolicy(said=said, kind="changeset", name=rest)
    return _explorer(said, service or BanditSettings())


def names_service(said: Sequence[str]) -> bool:
    """Whether any of some words begins with the settings that the service has."""
    return any(one.split(",")[0] == BANDIT for one in said)


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
        raise refused(asked.said, f"an action of the log: {', '.join(actions)}{or_term}")
    return named


def refused(said: str, expected: str) -> InputError:
    """Return the error that says what was expected in place of a policy's words."""
    return InputError([Fault(PLACE, f"found {said!r}", expected)])


def _explorer(said: str, service: BanditSettings) -> AskedPolicy:
    """Read an explorer, or the service's own, with the settings behind it."""
    first, *others = said.split(",")
    name, given, number = first.partition("=")
    constant = _CONSTANTS.get(name)
    if name not in {BANDIT, *_EXPLORES, *_CONSTANTS} or (given and constant is None):
        raise refused(said, f"one of {', '.join(FORMS)}")
    changes: dict[str, Any] = {} if name == BANDIT else {"explorer": name}
    if given and constant is not None:
        changes[constant] = _number(said, number)
    faults = list(_read_settings(said, others, changes))
    if faults:
        raise InputError(faults)
    start = service if name == BANDIT else BanditSettings()
    settings = _settings(said, start, changes)
    alone = not others and name in _EXPLORES
    return AskedPolicy(
        said=said,
        kind="explorer" if alone else "learner",
        name=settings.explorer,
        bandit=settings,
    )


def _read_settings(said: str, parts: Sequence[str], changes: dict[str, Any]) -> Iterator[Fault]:
    """Add what is said of settings to ``changes``; yield what cannot be read."""
    for part in parts:
        key, given, value = part.partition("=")
        if not given:
            yield Fault(PLACE, f"{said!r}: found {part!r}", "SETTING=VALUE is expected")
        elif key not in _SETTINGS:
            yield Fault(PLACE, f"{said!r}: there is no setting {key!r}", nearest(key, _SETTINGS))
        elif key in changes:
            yield Fault(PLACE, f"{said!r}: {key} is given twice", "give it once")
        elif key in _LISTS:
            changes[key] = tuple(value.split("+")) if value else ()
        else:
            changes[key] = None if value == "null" else value


def _settings(said: str, start: BanditSettings, changes: Mapping[str, Any]) -> BanditSettings:
    try:
        return _VALIDATE.validate_python(asdict(start) | dict(changes))
    except ValidationError as error:
        wrong = [
            Fault(
                PLACE,
                f"{said!r}: {'.'.join(map(str, detail['loc']))}: found {detail['input']!r}",
                detail["msg"],
            )
            for detail in error.errors(include_url=False)
        ]
        raise InputError(wrong) from error
    except InputError as error:
        raise InputError(
            Fault(PLACE, f"{said!r}: {fault.place[1:]}: {fault.found}", fault.expected)
            for fault in error.faults
        ) from error


def _number(said: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise refused(said, f"a number after '='; one of {', '.join(FORMS)}")
    return number
