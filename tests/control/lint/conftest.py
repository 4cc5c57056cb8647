"""The small shop with nothing to find in it, and ways to change it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from shop import write_project

from nba.decision.artifact import PlanSource
from nba.decision.project import load_project
from nba.domain.ids import ContentId, PolicyId
from nba.domain.policy import Selector
from nba.policies.kinds import ConsentPolicy, QuietHours

NIGHT = QuietHours(
    id=PolicyId("night"),
    description="Nothing at night.",
    start="21:00",
    end="08:00",
    applies_to=Selector(directions=("outbound",)),
)
SERVICE = ConsentPolicy(
    id=PolicyId("consent_to_service"),
    description="Service needs consent.",
    applies_to=Selector(directions=("outbound",), message_classes=("transactional",)),
)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> PlanSource:
    """Return the shop, its quiet hours, consents and German contents complete."""
    project = load_project(write_project(tmp_path_factory.mktemp("shop") / "project"))
    german = [
        replace(content, id=ContentId(f"{content.id}.de"), locale="de")
        for content in project.catalog.contents
        if content.locale == "en" and content.action in ("shirt", "parcel")
    ]
    catalog = replace(project.catalog, contents=(*project.catalog.contents, *german))
    return PlanSource(
        catalog=catalog,
        features=project.features.for_catalog(catalog),
        policies=(*project.policies, NIGHT, SERVICE),
        bandit=project.bandit,
        models=(),
    )
