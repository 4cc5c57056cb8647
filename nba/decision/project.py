"""A project: everything its owners write in files, read and checked as a whole.

Each folder is checked by the package that gives it meaning; what one folder says about another is
checked here: conditions against features and words, models and the bandit against features.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from nba.bandits import BanditSettings, load_bandit
from nba.catalog.content_checks import check_templates
from nba.catalog.declarations import Declarations
from nba.catalog.loader import assemble, declare, read_catalog
from nba.catalog.object_documents import (
    SECTIONS,
    PlainDocument,
    WrittenObject,
    object_document,
    written_objects,
)
from nba.catalog.objects import Objects
from nba.catalog.rendering import TemplateNames
from nba.catalog.suggestions import nearest
from nba.documents import Document, read
from nba.domain.catalog import Action, Catalog, Content, Direction, MessageClass, Placement
from nba.domain.policy import Policy
from nba.errors import DefinitionError, Fault
from nba.features import SENSITIVE, FeatureSet, build_features, load_features
from nba.features.sensitivity import is_sensitive, sensitive_names
from nba.models import ModelSpec, load_models
from nba.policies import PolicySet, check_policies, load_policies, read_policies
from nba.policies.history_checks import event_faults

Identified = TypeVar("Identified", Action, Content, Placement, Policy)

_ALLOWED = "sensitive_features"
"""The list in a model's spec that says which sensitive features it may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Everything a plan is made from but the models themselves, checked.

    Whatever has an id is in the order of ids, so that the same definitions are the same plan
    wherever they were written.
    """

    catalog: Catalog
    features: FeatureSet
    policies: tuple[Policy, ...]
    models: tuple[ModelSpec, ...]
    bandit: BanditSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Definitions):
    """All definitions of one project; ``root`` is the folder they came from.

    ``objects`` are those that may be changed without files, as the files say them.
    """

    root: Path
    objects: Objects


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
    declared = read_catalog(root / "catalog", root=root)
    catalog = assemble(declared, faults)
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
    _check_across(list(_documents(root / "models", root)), catalog, features, policies, faults)
    _check_templates(declared, catalog, features, faults)
    if faults or catalog is None or features is None:
        # Two loaders read models/, so a file that is not YAML is a fault for both.
        raise DefinitionError(dict.fromkeys(faults))
    return Project(
        root=root,
        objects=objects_in(root),
        catalog=_in_order(catalog),
        features=features,
        policies=_by_id(policies.policies),
        models=models,
        bandit=bandit,
    )


def objects_in(root: Path) -> Objects:
    """Return the bodies of all objects in a project's files."""
    return {written.key: written.body for written in written_in(root)}


def written_in(root: Path) -> Iterator[WrittenObject]:
    """Iterate over all objects in a project's files that can be read, each with its place."""
    for folder in ("catalog", "policies", "features"):
        yield from written_objects(_documents(root / folder, root), folder)


def definitions_of(objects: Objects, base: Definitions, faults: list[Fault]) -> Definitions | None:
    """Return definitions made of objects, and of the features, models and bandit of others.

    Checked as files are; a fault's place is ``kind/id/field``. ``None`` where anything is wrong.
    """
    before = len(faults)
    by_folder: dict[str, list[Document]] = {"catalog": [], "policies": [], "features": []}
    for key, body in sorted(objects.items()):
        by_folder[SECTIONS[key.kind].folder].append(object_document(key, body))
    declared = declare(by_folder["catalog"], folder="catalog")
    catalog = assemble(declared, faults)
    dimensions = None if catalog is None else catalog.taxonomy.dimensions
    documents = [*_feature_documents(base.features), *by_folder["features"]]
    features = build_features(documents, faults=faults, dimensions=dimensions)
    policies = read_policies(by_folder["policies"], faults)
    _check_across(list(_spec_documents(base)), catalog, features, policies, faults)
    _check_templates(declared, catalog, features, faults)
    if len(faults) > before or catalog is None or features is None:
        return None
    return Definitions(
        catalog=_in_order(catalog),
        features=features.with_previous(base.features.previous),
        policies=_by_id(policies.policies),
        models=base.models,
        bandit=base.bandit,
    )


def _check_templates(
    declared: Declarations,
    catalog: Catalog | None,
    features: FeatureSet | None,
    faults: list[Fault],
) -> None:
    """Add templates of contents that name what no decision knows, or what is sensitive."""
    if catalog is not None and features is not None:
        names = TemplateNames(features.schema(), sensitive_names(features))
        faults.extend(check_templates(declared, names))


def _feature_documents(features: FeatureSet) -> Iterator[Document]:
    """Iterate over features and events as documents; segments are objects."""
    content = features.to_builtins()
    for section, kind, items in (
        ("features", "feature", content["definitions"]),
        ("events", "event", content["events"]),
    ):
        for item in items:
            yield PlainDocument(f"{kind}/{item['name']}", {section: [item]}, depth=2)


def _spec_documents(base: Definitions) -> Iterator[Document]:
    for spec in base.models:
        data = {"model": msgspec.to_builtins(spec)}
        yield PlainDocument(f"model/{spec.name}", data, depth=1)
    yield PlainDocument("bandit", {"bandit": msgspec.to_builtins(base.bandit)}, depth=1)


def _check_across(
    models: Sequence[Document],
    catalog: Catalog | None,
    features: FeatureSet | None,
    policies: PolicySet,
    faults: list[Fault],
) -> None:
    """Add what one folder says wrongly about another."""
    for document in models:
        faults.extend(_check_model_document(document, features, catalog))
    if catalog is not None and features is not None:
        schema = {
            **features.schema(),
            **features.candidate_schema(
                catalog.actions, catalog.placements, terms=catalog.taxonomy.terms()
            ),
        }
        check_policies(policies, catalog=catalog, schema=schema, faults=faults)
        faults.extend(event_faults(policies, features.events))


def _in_order(catalog: Catalog) -> Catalog:
    dimensions = dict(sorted(catalog.taxonomy.dimensions.items()))
    return replace(
        catalog,
        taxonomy=replace(catalog.taxonomy, dimensions=dimensions),
        actions=_by_id(catalog.actions),
        contents=_by_id(catalog.contents),
        placements=_by_id(catalog.placements),
    )


def _by_id(items: Iterable[Identified]) -> tuple[Identified, ...]:
    return tuple(sorted(items, key=lambda item: item.id))


def _documents(folder: Path, root: Path) -> Iterator[Document]:
    """Iterate over the readable files in a folder; its loader tells what is wrong with others."""
    for path in sorted(folder.rglob("*.y*ml")):
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
    if catalog is not None and isinstance(bandit, Mapping):
        yield from _check_dimensions(document, catalog)
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


def _check_dimensions(document: Document, catalog: Catalog) -> Iterator[Fault]:
    known = catalog.taxonomy.dimensions
    for index, name in _names(document, "bandit", "dimensions"):
        if name not in known:
            place = document.place("bandit", "dimensions", index)
            yield Fault(place, f"{name!r} is no dimension of the taxonomy", nearest(name, known))


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
