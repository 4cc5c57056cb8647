"""Specification of a propensity model, ``models/*.yaml``: what it learns, from what, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from nba.domain.ids import ModelName
from nba.domain.policy import Selector
from nba.errors import Fault, InputError

PARAMETERS = frozenset(
    {
        "cat_l2",
        "cat_smooth",
        "colsample_bytree",
        "learning_rate",
        "max_bin",
        "max_cat_threshold",
        "max_depth",
        "min_child_samples",
        "min_child_weight",
        "min_data_per_group",
        "min_split_gain",
        "n_estimators",
        "num_leaves",
        "reg_alpha",
        "reg_lambda",
        "subsample",
        "subsample_freq",
    }
)
"""LightGBM parameters a spec may set: those that shape the trees, not what a tree is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One propensity model, as its owner describes it.

    ``outcome`` is the kind of outcome whose probability it predicts. It scores the pairs that
    ``applies_to`` selects, from ``customer_features`` (one value for the whole situation: customer
    and request) and ``candidate_features`` (one value per candidate). ``parameters`` are
    LightGBM's (:data:`PARAMETERS`). A feature that is tagged sensitive may be named only if
    ``sensitive_features`` allows it too, so that none is used unawares. It is not trained on fewer
    than ``min_rows`` rows or ``min_positives`` positives. ``card`` is the path of its model card,
    relative to the project. The version that serves is the one that ``alias`` points at in the
    registry.

    Raises :class:`InputError` naming every field out of range.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: ModelName
    description: str
    owner: str
    card: str
    customer_features: tuple[str, ...]
    candidate_features: tuple[str, ...] = ()
    sensitive_features: tuple[str, ...] = ()
    outcome: str = "convert"
    applies_to: Selector = field(default_factory=Selector)
    parameters: Mapping[str, int | float] = field(default_factory=dict)
    calibration: Literal["logistic"] = "logistic"
    min_rows: int = 1000
    min_positives: int = 50
    alias: str = "champion"

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise InputError(faults)

    def _faults(self) -> Iterator[Fault]:
        for name in ("name", "outcome", "alias"):
            if not getattr(self, name).strip():
                yield Fault(f"/{name}", "found no text", "a name is expected")
        for name in ("min_rows", "min_positives"):
            if getattr(self, name) < 1:
                yield Fault(f"/{name}", f"found {getattr(self, name)}", "1 or more is expected")
        yield from self._feature_faults()
        for name in sorted(self.parameters.keys() - PARAMETERS):
            expected = f"one of {', '.join(sorted(PARAMETERS))} is expected"
            yield Fault(f"/parameters/{name}", "not a parameter that may be set", expected)

    def _feature_faults(self) -> Iterator[Fault]:
        if not self.customer_features + self.candidate_features:
            yield Fault("/customer_features", "no features are named", "name at least one")
        named: set[str] = set()
        for key in ("customer_features", "candidate_features"):
            for index, feature in enumerate(getattr(self, key)):
                if feature in named:
                    yield Fault(f"/{key}/{index}", f"{feature!r} is named twice", "name it once")
                named.add(feature)
        for index, feature in enumerate(self.sensitive_features):
            if feature not in named:
                yield Fault(
                    f"/sensitive_features/{index}",
                    f"{feature!r} is no feature of this model",
                    "name it among customer_features or candidate_features, or leave it out",
                )
