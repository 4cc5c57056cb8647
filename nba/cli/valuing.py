"""What the policies need that ``nba evaluate`` is asked about: models, terms, change sets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nba.bootstrap import LIVE, open_registry, with_running_store
from nba.cli.control import NOBODY, changing, simulated
from nba.cli.output import console
from nba.errors import Fault, InputError

if TYPE_CHECKING:
    from nba.control.simulation import SimulationReport
    from nba.domain.catalog import Action, Catalog, Content
    from nba.models.propensity import PropensityModel
    from nba.settings import Settings
    from nba.training.asked import AskedPolicy

_DECISIONS = 10_000


def asked_models(settings: Settings, asked: Sequence[AskedPolicy]) -> Mapping[str, PropensityModel]:
    """Load the models that policies name, by what was said; without a version the live one.

    Raises :class:`InputError` for one that is not registered, listing the versions that are.
    """
    models = {}
    for one in asked:
        if one.kind != "model":
            continue
        registry = open_registry(settings)
        version = one.version or registry.alias_version(one.name, settings.model_alias)
        versions = registry.versions(one.name)
        if version not in versions:
            found = f"found {one.said!r}"
            listed = ", ".join(f"model:{one.name}@{known}" for known in versions)
            expected = listed or f"a registered model: `nba train {one.name}` makes one"
            raise InputError([Fault("--policy", found, expected)])
        models[one.said] = registry.load(one.name, str(version))
    return models


def actions_by_id(settings: Settings) -> Mapping[str, Action]:
    """Return the actions of the project's catalog; none where there is no catalog."""
    catalog = _catalog(settings)
    return {} if catalog is None else {action.id: action for action in catalog.actions}


def contents_by_id(settings: Settings) -> Mapping[str, Content]:
    """Return the contents of the project's catalog; none where there is no catalog."""
    catalog = _catalog(settings)
    return {} if catalog is None else {content.id: content for content in catalog.contents}


def _catalog(settings: Settings) -> Catalog | None:
    from nba.catalog.loader import load_catalog

    root = settings.project_dir.resolve()
    folder = root / "catalog"
    return load_catalog(folder, root=root, faults=[]) if folder.is_dir() else None


def simulate_change_sets(
    settings: Settings, asked: Sequence[AskedPolicy], dataset: str
) -> Mapping[str, SimulationReport]:
    """Replay recorded decisions under each change set asked about, by what was said.

    Raises :class:`InputError` where the dataset is one whose decisions were not recorded, and
    :class:`nba.errors.NotFoundError` for a change set that is not there.
    """
    named = [one for one in asked if one.kind == "changeset"]
    if named and dataset != LIVE:
        found = f"found {named[0].said!r} with dataset {dataset!r}"
        expected = f"decisions are recorded, and can be decided again, in {LIVE!r} only"
        raise InputError([Fault("--policy", found, expected)])
    reports = {}
    for one in named:
        with changing(settings) as service:
            service.get(one.name)
        running = with_running_store(settings)
        replay = simulated(running, one.name, _DECISIONS, "product", 1, NOBODY)
        reports[one.said] = asyncio.run(replay)[0]
    return reports


def print_change_sets(settings: Settings, reports: Mapping[str, SimulationReport]) -> None:
    """Print the value of each change set beside the live plan's."""
    from nba.control.simulation import value_tables

    for said, report in reports.items():
        with changing(settings) as service:
            currency = service.plans(said.partition(":")[2])[0].catalog.currency
        console.print(
            f"\n{said}: {report.decisions:,} recorded decisions under the live plan and after it, "
            "rewards less cost"
        )
        for table in value_tables(report.off_policy, currency=currency):
            console.print(table)
