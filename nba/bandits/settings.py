"""The bandit's settings, ``models/bandit.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from nba import documents
from nba.bandits.constants import kept, positive, share
from nba.errors import DefinitionError, Fault, InputError

BANDIT_FILE = "bandit.yaml"

_MOST_GROWTH = 10.0
_MOST_ROWS = 100_000
_MOST_MEMBERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditSettings:
    """How the bandit learns and explores.

    ``features`` are the situation features the online model sees beside the propensity model's
    logit. ``prior_precision_bias``, ``prior_precision_slope`` (on that logit) and
    ``prior_precision_weights`` (on each feature; ``None`` is a tenth of the number of inputs) say
    how firmly the prior, "the propensity model is right", is held. ``forgetting`` is the factor
    that older observations of an action lose with each new one; 1 forgets nothing. ``forests`` says
    whether forests correct the online model; they are fitted anew when the number of observations
    has grown by ``refit_growth``, to the latest ``memory_rows`` of each action, once it has
    ``forest_outcomes`` of both kinds: with fewer, forests mostly add noise to a propensity model
    that stands beneath. When expectations fit worse than before by ``change_threshold`` standard
    errors, most of what was learned is given up; ``None`` never does. A snapshot of what was
    learned is published every ``snapshot_seconds``. Scores are divided by ``reward_scale``, in the
    project's currency, before exploring; ``None`` is the largest action value. ``gamma``,
    ``gamma_exponent`` and ``doubt`` belong to ``squarecb``, ``epsilon`` to ``epsilon_greedy``,
    ``temperature`` to ``softmax``, ``alpha`` to ``ucb``, ``mellowness`` and ``elimination`` to
    ``regcb``, ``deviation_scale`` to ``thompson``. The last three explore by how sure the online
    learner is of each candidate, and ``squarecb`` does where ``doubt`` is above 0: it is 0 here,
    since a propensity model knows more than the prior of what is learned beside it admits. Among
    the variants of a chosen action, the share ``content_floor`` of the probability is spread
    evenly: each has at least its part of it.

    ``learner`` is ``logistic``, which corrects the propensity model's logit, or one that corrects
    the reward it leads one to expect, by regression on the features: ``linear`` with one for each
    action, ``bagged`` with ``members`` that each saw their own resample, ``cover`` with ``members``
    policies that are paid up to ``psi`` of ``reward_cap`` for what others leave out. Rewards are
    those of the ledger, cut at ``reward_cap`` in currency, which these need; ``ridge`` is how many
    observations the prior of a weight counts for. ``sharing`` says whether actions have their own
    weights (``per_action``), share them by the top terms they carry in ``dimensions`` of the
    taxonomy (``shared``), or have their own with the shared ones as prior (``hybrid``). Members
    vote by the explorers ``votes``, which spreads ``epsilon`` evenly, and ``cover``, which spreads
    ``uniform`` of what its theory would.

    Raises :class:`InputError` naming every field out of range.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    features: tuple[str, ...] = ()
    explorer: Literal[
        "squarecb",
        "epsilon_greedy",
        "greedy",
        "softmax",
        "uniform",
        "ucb",
        "regcb",
        "thompson",
        "votes",
        "cover",
    ] = "squarecb"
    gamma: float = 300.0
    gamma_exponent: float = 0.5
    doubt: float = 0.0
    epsilon: float = 0.05
    temperature: float = 0.1
    alpha: float = 0.25
    mellowness: float = 0.1
    elimination: bool = False
    deviation_scale: float = 1.0
    prior_precision_bias: float = 1.0
    prior_precision_slope: float = 20.0
    prior_precision_weights: float | None = None
    forgetting: float = 0.999
    forests: bool = True
    refit_growth: float = 1.4
    memory_rows: int = 5_000
    forest_outcomes: int = 40
    change_threshold: float | None = 4.0
    snapshot_seconds: float = 2.0
    reward_scale: float | None = None
    content_floor: float = 0.1
    learner: Literal["logistic", "linear", "bagged", "cover"] = "logistic"
    reward_cap: float | None = None
    sharing: Literal["per_action", "hybrid", "shared"] = "per_action"
    dimensions: tuple[str, ...] = ()
    ridge: float = 100.0
    members: int = 8
    psi: float = 0.01
    uniform: float = 0.0

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)

    def _faults(self) -> Iterator[Fault]:
        for name in (
            "gamma",
            "temperature",
            "alpha",
            "mellowness",
            "deviation_scale",
            "prior_precision_bias",
            "prior_precision_slope",
            "prior_precision_weights",
            "snapshot_seconds",
            "reward_scale",
            "change_threshold",
            "reward_cap",
            "ridge",
        ):
            value = getattr(self, name)
            if value is not None and (fault := positive(name, value)):
                yield fault
        for name in ("gamma_exponent", "doubt", "epsilon", "content_floor", "psi", "uniform"):
            if fault := share(name, getattr(self, name)):
                yield fault
        yield from self._bound_faults()
        yield from self._learner_faults()
        for index, feature in enumerate(self.features):
            if feature in self.features[:index]:
                yield Fault(f"/features/{index}", f"{feature!r} is named twice", "name it once")

    def _bound_faults(self) -> Iterator[Fault]:
        if fault := kept("forgetting", self.forgetting):
            yield fault
        if not 1.0 < self.refit_growth <= _MOST_GROWTH:
            expected = f"a number above 1 and up to {_MOST_GROWTH:g} is expected"
            yield Fault("/refit_growth", f"found {self.refit_growth}", expected)
        for name in ("memory_rows", "forest_outcomes"):
            if not 0 < getattr(self, name) <= _MOST_ROWS:
                expected = f"a number from 1 to {_MOST_ROWS:,} is expected"
                yield Fault(f"/{name}", f"found {getattr(self, name)}", expected)
        if not 1 <= self.members <= _MOST_MEMBERS:
            expected = f"a number from 1 to {_MOST_MEMBERS} is expected"
            yield Fault("/members", f"found {self.members}", expected)

    def _learner_faults(self) -> Iterator[Fault]:
        """Find what does not go together."""
        known = {"votes": ("bagged", "cover"), "cover": ("cover",)}.get(self.explorer)
        if known is not None and self.learner not in known:
            found = f"found {self.explorer} with learner {self.learner}"
            expected = f"it counts votes; set learner to {' or '.join(known)}"
            yield Fault("/explorer", found, expected)
        if self.learner != "logistic" and self.reward_cap is None:
            found = f"none is given, and the learner is {self.learner}"
            expected = "the amount in currency at which a reward is cut off is expected"
            yield Fault("/reward_cap", found, expected)
        if self.learner == "logistic" and self.sharing != "per_action":
            expected = "the logistic learner shares no weights; set learner to linear, say"
            yield Fault("/sharing", f"found {self.sharing} with learner logistic", expected)
        elif self.sharing == "per_action" and self.dimensions:
            expected = "nothing is shared by them; set sharing to hybrid or shared"
            yield Fault("/dimensions", "some are named, and sharing is per_action", expected)
        elif self.sharing == "shared" and not self.dimensions:
            expected = "what is shared tells actions apart by their terms alone; name dimensions"
            yield Fault("/dimensions", "none is named", expected)


def load_bandit(directory: Path, *, root: Path, faults: list[Fault]) -> BanditSettings:
    """Read the key ``bandit`` of ``directory/bandit.yaml``; places are relative to ``root``.

    Where there is no such file the defaults are returned. Everything wrong is added to ``faults``,
    and then the defaults are returned, so that the caller can go on looking for faults elsewhere.
    """
    path = directory / BANDIT_FILE
    if not path.exists():
        return BanditSettings()
    try:
        document = documents.read(path, root=root)
    except DefinitionError as error:
        faults.extend(error.faults)
        return BanditSettings()
    unknown = [key for key in document.data if key != "bandit"]
    faults.extend(
        Fault(document.place(key), f"found key {key!r}", "only 'bandit' belongs here")
        for key in unknown
    )
    if "bandit" not in document.data:
        faults.append(Fault(document.place(), "key 'bandit' is missing", "add it"))
        return BanditSettings()
    try:
        settings = documents.convert(
            document, document.data["bandit"], BanditSettings, faults, "bandit"
        )
    except InputError as error:
        for fault in error.faults:
            field, *inner = fault.place[1:].split("/")
            place = document.place("bandit", field, *(int(part) for part in inner))
            faults.append(Fault(place, f"bandit.{field}: {fault.found}", fault.expected))
        settings = None
    return settings or BanditSettings()
