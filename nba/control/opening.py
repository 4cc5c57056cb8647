"""The change service of a process, on the control store its settings name."""

from __future__ import annotations

from nba.bootstrap import clock_of
from nba.catalog.store import ControlStore
from nba.control.service import ChangeService
from nba.decision.plans import PlanRepository
from nba.settings import Settings
from nba.worker.publisher import Publisher


def open_changes(
    settings: Settings, control: ControlStore, repository: PlanRepository | None = None
) -> ChangeService:
    """Return the service that changes what a control store says is live.

    Models stay those that are live, so that no registry is needed.
    """
    clock = clock_of(settings)
    publisher = Publisher(
        control, None, alias=settings.model_alias, clock=clock, repository=repository
    )
    return ChangeService(control, publisher, clock=clock, four_eyes=settings.four_eyes)
