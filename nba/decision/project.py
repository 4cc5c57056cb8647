"""A project: everything its owners write in files, read and checked as a whole.

Each folder is checked by the package that gives it meaning; what one folder says about another is
checked here: conditions against features and words, models and the bandit against features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nba.bandits import BanditSettings, load_bandit
from nba.catalog.loader import load_catalog
from nba.catalog.suggestions import nearest
from nba.documents import Document, read
from nba.domain.catalog import Catalog, Direction, MessageClass
from nba.domain.policy import Policy
from nba.errors import DefinitionError, Fault
from nba.features import SENSITIVE, FeatureSet, load_features
from nba.features.sensitivity import is_sensitive, sensitive_names
from nba.models import ModelSpec, load_models
from nba.policies import check_policies, load_policies

_ALLOWED = "sensitive_features"
"""The list in a model's spec that says which sensitive features it may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """All definitions of one project, checked; ``root`` is the folder they came from."""

    root: Path
    catalog: Catalog
    features: FeatureSet
    policies: tuple[Policy, ...]
    models: tuple[ModelSpec, ...]
    bandit: BanditSettings


def load_project(root: Path) -> Project:
    """Read and check a project folder with its ``catalog``, ``features``, ``policies``, ``models``.

    Raises :class:`~nba.errors.DefinitionError` with every fault of every file.
    """
    faults = [
        Fault(f"{name}/", "the folder is not there", "`nba init` makes a project with all of them")
        for name in ("catalog", "features", "policies", "models")
        if not (root / name).is_dir()
    ]
    if faults:
        raise DefinitionError(faults)
    catalog = load_catalog(root / "catalog", root=root, faults=faults)
    dimensions = None if catalog is None else catalog.taxonomy.dimensions
    features = load_features(root / "features", root=root, faults=faults, dimensions=dimensions)
    policies = load_policies(root / "policies", root=root, faults=faults)
    models = load_models(
        root / "models",
        root=root,
        faults=faults,
        customer_features=None if features is None else features.names,
        candidate_features=None if features is None else features.candidate_names,
    )
    bandit = load_bandit(root / "models", root=root, faults=faults)
    for document in _model_documents(root):
        faults.extend(_check_model_document(document, features, catalog))
    if catalog is not None and features is not None:
        schema = {
            **features.schema(),
            **features.candidate_schema(
                catalog.actions, catalog.placements, terms=catalog.taxonomy.terms()
            ),
        }
        check_policies(policies, catalog=catalog, schema=schema, faults=faults)
    if faults or catalog is None or features is None:
        # Two loaders read models/, so a file that is not YAML is a fault for both.
        raise DefinitionError(dict.fromkeys(faults))
    return Project(
        root=root,
        catalog=catalog,
        features=features,
        policies=policies.policies,
        models=models,
        bandit=bandit,
    )


def _model_documents(root: Path) -> Iterator[Document]:
    """Iterate over the readable files in ``models``; the loaders tell what is wrong with others."""
    for path in sorted((root / "models").glob("*.y*ml")):
        with suppress(DefinitionError):
            yield read(path, root=root)


def _check_model_document(
    document: Document, features: FeatureSet | None, catalog: Catalog | None
) -> Iterator[Fault]:
    """Yield what a well-formed model or bandit file gets wrong about the rest of the project."""
    model, bandit = document.data.get("model"), document.data.get("bandit")
    if features is not None and isinstance(model, Mapping):
        for key in ("customer_features", "candidate_features"):
            yield from _check_sensitive(document, "model", key, features)
    if features is not None and isinstance(bandit, Mapping):
        yield from _check_bandit(document, features)
        yield from _check_sensitive(document, "bandit", "features", features)
    if catalog is not None and isinstance(model, Mapping):
        yield from _check_selector(document, catalog)


def _names(document: Document, *location: str) -> Iterator[tuple[int, str]]:
    """Iterate over the words in a list; anything of another shape has been told by its loader."""
    found = document.data
    for key in location:
        found = found.get(key) if isinstance(found, Mapping) else None
    if isinstance(found, list):
        yield from ((index, name) for index, name in enumerate(found) if isinstance(name, str))


def _check_sensitive(
    document: Document, top: str, key: str, features: FeatureSet
) -> Iterator[Fault]:
    """Yield each sensitive feature a model uses without saying so; a bandit may not at all."""
    sensitive = sensitive_names(features)
    allowed = {name for _, name in _names(document, top, _ALLOWED)}
    for index, name in _names(document, top, key):
        if is_sensitive(name, sensitive) and not is_sensitive(name, frozenset(allowed)):
            found = f"feature {name!r} is {SENSITIVE}, or computed from what is"
            expected = "leave it out: only guardrails may use it"
            if top == "model":
                expected = f"leave it out, or name it in {_ALLOWED} too if it may be used"
            yield Fault(document.place(top, key, index), found, expected)


def _check_bandit(document: Document, features: FeatureSet) -> Iterator[Fault]:
    for index, name in _names(document, "bandit", "features"):
        place = document.place("bandit", "features", index)
        if name not in features.names:
            known = [known for known in features.names if known not in features.categories]
            found = f"feature {name!r} is not one of the customer or the request"
            yield Fault(place, found, nearest(name, known))
        elif name in features.categories:
            yield Fault(place, f"feature {name!r} is an enum", "a number or bool is expected")


def _check_selector(document: Document, catalog: Catalog) -> Iterator[Fault]:
    actions = [action.id for action in catalog.actions if not action.is_no_action]
    terms = list(catalog.taxonomy.terms())
    known: Mapping[str, Sequence[str]] = {
        "actions": actions,
        "except_actions": actions,
        "terms": terms,
        "except_terms": terms,
        "channels": sorted({placement.channel for placement in catalog.placements}),
        "placements": [placement.id for placement in catalog.placements],
        "directions": list(Direction),
        "message_classes": list(MessageClass),
    }
    for key, words in known.items():
        for index, word in _names(document, "model", "applies_to", key):
            if word not in words:
                place = document.place("model", "applies_to", key, index)
                yield Fault(place, f"{key}: {word!r} is not in the catalog", nearest(word, words))
