"""Change sets as a service: edited, checked, simulated, reviewed, published, rolled back.

It is synchronous and for the cold path. Every step is written to the audit trail with who did it,
why, and what changed by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nba.catalog.changes import (
    Approval,
    ChangeSet,
    ChangeStatus,
)
from nba.catalog.differences import Difference, diff_of, differences
from nba.catalog.objects import ObjectKind, Objects
from nba.control.candidate import apply_items, conflicts, read_live, require_current
from nba.control.edits import Edits
from nba.control.lint import Finding, lint
from nba.control.releases import Releases
from nba.decision.artifact import PlanSource
from nba.decision.plan import Plan, compile_plan
from nba.decision.project import Definitions, definitions_of
from nba.errors import ConflictError, Fault, InputError

if TYPE_CHECKING:
    from nba.control.simulation import Branches, SimulationReport
    from nba.control.simulation_source import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What is wrong with a change set.

    ``faults`` and ``conflicts`` (what somebody else published meanwhile) keep it from being
    published; ``findings`` are what may surprise.
    """

    faults: tuple[Fault, ...]
    conflicts: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def publishable(self) -> bool:
        """Whether nothing keeps it from being published."""
        return not self.faults and not self.conflicts


class ChangeService(Edits, Releases):
    """Changes what is live, step by step."""

    def changes(self, limit: int = 100, status: ChangeStatus | None = None) -> list[ChangeSet]:
        """Return the latest change sets, newest first."""
        return self._control.changes(limit, status)

    def diff(self, change_id: str) -> list[Difference]:
        """Return every field that publishing would change, by kind and id."""
        live = read_live(self._control)
        before = live.objects
        return list(differences(before, apply_items(self.get(change_id).items, before)))

    def check(self, change_id: str) -> CheckReport:
        """Return what is wrong with a change set, judged on what is live now."""
        change, live = self.get(change_id), read_live(self._control)
        faults: list[Fault] = []
        found = None
        try:
            objects = apply_items(change.items, live.objects)
            found = definitions_of(objects, live.source.definitions, faults)
        except InputError as error:
            faults.extend(error.faults)
            objects = {}
        findings: list[Finding] = []
        if found is not None:
            after = _source(found, live.source)
            findings = lint(live.source, after, at_ms=self._clock(), locales=_locales(objects))
        return CheckReport(
            faults=tuple(dict.fromkeys(faults)),
            conflicts=tuple(conflicts(change.items, live)),
            findings=tuple(findings),
        )

    def plans(self, change_id: str) -> tuple[Plan, Plan]:
        """Return the live plan and the one a change set would make, with what was learned so far.

        Raises :class:`~nba.errors.DefinitionError` with every fault of the change set.
        """
        from nba.control.simulation_source import as_learned

        live = read_live(self._control)
        _, definitions = self._candidate(self.get(change_id), live)
        before = compile_plan(live.source, digest=live.publication.version)
        after = compile_plan(_source(definitions, live.source), digest=change_id)
        return as_learned(self._control, before), as_learned(self._control, after)

    def simulate(
        self, change_id: str, sample: Sample, actor: str, *, branches: Branches | None = None
    ) -> SimulationReport:
        """Say what sampled decisions would have been with what a change set would make live.

        Raises :class:`~nba.errors.DefinitionError` with every fault of the change set.
        """
        from nba.control.simulation import simulate  # its libraries are heavy

        before, after = self.plans(change_id)
        report = simulate(
            before,
            after,
            sample.records,
            rewards=sample.rewards,
            recorded_under=sample.recorded_under,
            branches=branches,
        )
        told = f"{report.decisions} decisions of {report.customers} customers"
        self._control.audit(self._entry(actor, "simulate", self.get(change_id), told))
        return report

    def submit(self, change_id: str, actor: str, note: str = "") -> ChangeSet:
        """Ask for review.

        Raises :class:`~nba.errors.DefinitionError` with every fault, and
        :class:`~nba.errors.ConflictError` where it is not open, edits nothing, or what it edits
        changed meanwhile.
        """
        change = self._next(change_id, ChangeStatus.IN_REVIEW)
        if not change.items:
            raise ConflictError(f"change set {change_id!r} edits nothing yet")
        live = read_live(self._control)
        require_current(change.items, live)
        objects, _ = self._candidate(change, live)
        diff = diff_of(live.versions.values(), self._object_changes(change, live, objects))
        return self._move(change, ChangeStatus.IN_REVIEW, "submit", actor, note, diff)

    def approve(self, change_id: str, actor: str, note: str = "") -> ChangeSet:
        """Approve what is in review.

        Raises :class:`~nba.errors.ConflictError` where it is not in review, and under four eyes
        where the approver wrote some of it.
        """
        change = self._next(change_id, ChangeStatus.APPROVED)
        if self._four_eyes and actor in change.authors:
            raise ConflictError(
                f"{actor!r} wrote some of change set {change_id!r}; somebody else must approve it"
            )
        approval = Approval(actor=actor, note=note, at_ms=self._clock())
        approved = replace(change, approvals=(*change.approvals, approval))
        return self._move(approved, ChangeStatus.APPROVED, "approve", actor, note)

    def reopen(self, change_id: str, actor: str, note: str = "") -> ChangeSet:
        """Send what is in review or approved back to be edited; approvals are void."""
        change = self._next(change_id, ChangeStatus.OPEN)
        return self._move(replace(change, approvals=()), ChangeStatus.OPEN, "reopen", actor, note)

    def abandon(self, change_id: str, actor: str, note: str = "") -> ChangeSet:
        """Give a change set up for good."""
        change = self._next(change_id, ChangeStatus.ABANDONED)
        return self._move(change, ChangeStatus.ABANDONED, "abandon", actor, note)


def _source(definitions: Definitions, live: PlanSource) -> PlanSource:
    return PlanSource(
        catalog=definitions.catalog,
        features=definitions.features.for_catalog(definitions.catalog),
        policies=definitions.policies,
        bandit=definitions.bandit,
        models=live.models,
        specs=definitions.models,
    )


def _locales(objects: Objects) -> tuple[str, ...]:
    bodies = [body for key, body in objects.items() if key.kind is ObjectKind.PROJECT]
    return tuple(bodies[0].get("locales", ())) if bodies else ()
