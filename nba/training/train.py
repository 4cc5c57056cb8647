"""Train a model from the log, and move the alias that says which version serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import polars as pl

from nba.domain.catalog import Action, Catalog, Direction, Placement
from nba.domain.ids import ActionId, PlacementId
from nba.domain.policy import Selector
from nba.errors import ConflictError, DefinitionError, Fault, NotFoundError
from nba.features import FeatureSet
from nba.ledger.log import DecisionLog
from nba.models.loader import load_models
from nba.models.registry import ModelRegistry
from nba.models.spec import ModelSpec
from nba.training.dataset import Selects, resolved_choices, select_rows
from nba.training.filling import fill_missing_features
from nba.training.fit import fit_model
from nba.training.metrics import ModelMetrics, Verdict
from nba.training.progress import Progress, silent
from nba.training.tracking import Tracking, log_model_run

SPEC_FOLDERS = ("models", "training/models")
"""Where specs lie in a project: of models that serve, and of those that only learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a training run made; ``evaluated_later`` as in :class:`~nba.training.dataset.Periods`.

    ``importance`` is each input's share of the trees' gain, largest first. ``filled`` counts, by
    feature, values that decisions lacked and that were computed for them (:mod:`.filling`).
    """

    model: str
    version: str
    run_id: str
    dataset: str
    digest: str
    rows_fit: int
    rows_calibration: int
    rows_evaluation: int
    evaluated_later: bool
    trees: int
    metrics: ModelMetrics
    importance: tuple[tuple[str, float], ...]
    filled: Mapping[str, int]


def find_spec(name: str, *, root: Path) -> ModelSpec:
    """Return a model's spec from a project's folders (:data:`SPEC_FOLDERS`).

    Raises :class:`DefinitionError` where a spec file is wrong, and :class:`NotFoundError`.
    """
    faults: list[Fault] = []
    specs: dict[str, ModelSpec] = {}
    for folder in SPEC_FOLDERS:
        if (root / folder).is_dir():
            found = load_models(root / folder, root=root, faults=faults)
            specs.update({str(spec.name): spec for spec in found})
    if faults:
        raise DefinitionError(faults)
    if name not in specs:
        near = get_close_matches(name, specs, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(specs) or 'none'}"
        raise NotFoundError(f"no model named {name!r} in {' or '.join(SPEC_FOLDERS)}; {hint}")
    return specs[name]


def train(
    spec: ModelSpec,
    log: DecisionLog,
    tracking: Tracking,
    *,
    dataset: str,
    root: Path,
    catalog: Catalog | None = None,
    features: FeatureSet | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Progress = silent,
) -> TrainResult:
    """Train a model on a dataset's log, log the run to MLflow and register the new version.

    ``root`` is where the spec's model card lies. ``catalog`` tells the terms, message classes and
    directions that the spec's ``applies_to`` may select by, and which ranks are looked at less than
    the first: a model speaks of the first rank, and does not learn from those. ``features``
    computes what decisions lack of the spec's features, as they were made before those were
    declared.

    Raises :class:`EvaluationRefusedError` where the log holds too little,
    :class:`DefinitionError` where it lacks a feature of the spec, and
    :class:`UnavailableError` where MLflow does not answer.
    """
    progress("reading the log", 0.0)
    every = resolved_choices(log, sensitive=spec.sensitive_features)
    rows = select_rows(looked_at(every, catalog), pairs_for(spec.applies_to, catalog))
    filled: Mapping[str, int] = {}
    if features is not None:
        progress("computing features added after the fact", 0.05)
        rows, filled = fill_missing_features(rows, log, features, spec.customer_features)
    progress("fitting", 0.1)
    fitted = fit_model(spec, rows, seed=seed, threads=threads)
    progress("logging to MLflow", 0.7)
    digest = digest_rows(rows)
    words = (root / spec.card).read_text(encoding="utf-8")
    run = log_model_run(
        tracking, spec, fitted, rows, words=words, dataset=dataset, digest=digest, filled=filled
    )
    progress("done", 1.0)
    total = sum(fitted.importance.values()) or 1.0
    shares = ((name, gain / total) for name, gain in fitted.importance.items())
    return TrainResult(
        model=spec.name,
        version=run.version,
        run_id=run.run_id,
        dataset=dataset,
        digest=digest,
        rows_fit=len(fitted.periods.fit),
        rows_calibration=len(fitted.periods.calibration),
        rows_evaluation=len(fitted.periods.evaluation),
        evaluated_later=fitted.periods.in_time,
        trees=fitted.model.forest.n_trees,
        metrics=fitted.metrics,
        importance=tuple(sorted(shares, key=lambda share: (-share[1], share[0]))),
        filled=filled,
    )


class EvaluatedRegistry(ModelRegistry, Protocol):
    """A registry that remembers how its versions did when they were trained."""

    def evaluation(self, name: str, version: str) -> str | None:
        """Return the version's verdict against the base rate; ``None`` where it has none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """An alias that was moved; ``previous`` is where it pointed, ``None`` if nowhere."""

    model: str
    alias: str
    version: str
    previous: str | None
    evaluation: str | None


def promote(
    registry: EvaluatedRegistry,
    name: str,
    version: str,
    alias: str = "champion",
    *,
    force: bool = False,
) -> Promotion:
    """Point an alias at a version; the running service takes it up.

    Raises :class:`NotFoundError` where there is no such version, and :class:`ConflictError` where
    it was found significantly worse than predicting the base rate, unless ``force``.
    """
    evaluation = registry.evaluation(name, version)
    if evaluation == Verdict.WORSE and not force:
        raise ConflictError(
            f"model {name!r} version {version} predicted its evaluation period significantly worse "
            "than the base rate would have; train on more data, or promote it with force"
        )
    previous = registry.alias_version(name, alias)
    registry.set_alias(name, alias, version)
    return Promotion(
        model=name, alias=alias, version=version, previous=previous, evaluation=evaluation
    )


def pairs_for(selector: Selector, catalog: Catalog | None) -> Selects:
    """Return which (action, placement, channel) a selector is for.

    One without keys is for all of them, ``no_action`` too, so that what happens untreated is
    learned. Actions and placements that the catalog no longer has are known by their ids alone.
    """
    if selector == Selector():
        return lambda *_: True
    actions = {entry.id: entry for entry in catalog.actions} if catalog else {}
    placements = {entry.id: entry for entry in catalog.placements} if catalog else {}

    def selects(action: str, placement: str, channel: str) -> bool:
        known = actions.get(ActionId(action)) or Action(id=ActionId(action), name=action)
        place = placements.get(PlacementId(placement)) or Placement(
            id=PlacementId(placement), channel=channel, direction=Direction.OUTBOUND
        )
        return selector.matches(known, place)

    return selects


def looked_at(rows: pl.DataFrame, catalog: Catalog | None) -> pl.DataFrame:
    """Return the choices at ranks that are looked at as often as the first, order kept."""
    placements = {entry.id: entry for entry in catalog.placements} if catalog else {}
    ranks = rows.select("placement", "rank").unique()
    less = ranks.filter(
        [
            placement in placements and placements[placement].effect_at(rank) < 1.0
            for placement, rank in ranks.iter_rows()
        ]
    )
    return rows.join(less, on=["placement", "rank"], how="anti", maintain_order="left")


def digest_rows(rows: pl.DataFrame) -> str:
    """Return what identifies a table's choices, labels and rewards, whatever their order."""
    digest = blake2b(digest_size=16)
    columns = ["decision_id", "choice", "label", "reward"]
    for row in _sorted_rows(rows.select(columns)):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _sorted_rows(rows: pl.DataFrame) -> Iterable[tuple[object, ...]]:
    return rows.sort("decision_id", "choice").iter_rows()
