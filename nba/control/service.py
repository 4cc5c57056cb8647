"""Change sets as a service: edited, checked, simulated, reviewed, published, rolled back.

It is synchronous and for the cold path. Every step is written to the audit trail with who did it,
why, and what changed by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nba.catalog.audit import AuditBreak, AuditEntry, AuditRow
from nba.catalog.changes import (
    STEPS,
    Approval,
    ChangeItem,
    ChangeSet,
    ChangeStatus,
    Operation,
)
from nba.catalog.differences import Difference, changes_between, diff_of, differences
from nba.catalog.objects import ObjectKey, ObjectKind, Objects
from nba.catalog.publications import (
    ObjectChange,
    ObjectVersion,
    Publication,
    PublicationDraft,
    Source,
    StaleError,
)
from nba.catalog.store import ControlStore
from nba.control.candidate import Live, apply_items, conflicts, read_live, require_current
from nba.control.editing import fitting_body, key_of, with_edit, without_edit
from nba.control.lint import Finding, lint
from nba.decision.artifact import PlanSource, unpack_plan
from nba.decision.plan import Plan, compile_plan
from nba.decision.project import Definitions, definitions_of
from nba.domain.clock import Clock
from nba.errors import ConflictError, DefinitionError, Fault, InputError, NotFoundError
from nba.worker.publisher import ROLLBACK, Publisher

_TRIES = 8
_NO_WORD = re.compile(r"[^a-z0-9]+")
_MAX_SLUG = 60

BringIn = Callable[[str, Callable[[], None]], None]
"""Called with a plan whose profiles are of another layout, and what makes it current."""


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


class ChangeService:
    """Changes what is live, step by step.

    Parameters
    ----------
    control
        Where objects, change sets and plans are kept.
    publisher
        Compiles plans and makes earlier ones current.
    four_eyes
        Whether whoever approves a change set must have written none of it.

    """

    def __init__(
        self, control: ControlStore, publisher: Publisher, *, clock: Clock, four_eyes: bool
    ) -> None:
        self._control = control
        self._publisher = publisher
        self._clock = clock
        self._four_eyes = four_eyes

    def create(self, name: str, note: str, author: str) -> ChangeSet:
        """Open a change set; its id is made from its name."""
        if not name.strip():
            raise InputError([Fault("/name", "no name", "a few words that say what it is for")])
        at_ms = self._clock()
        slug = _NO_WORD.sub("-", name.lower()).strip("-")[:_MAX_SLUG] or "change"
        change_id = slug if self._control.change(slug) is None else f"{slug}-{at_ms}"
        change = ChangeSet(
            id=change_id,
            name=name,
            author=author,
            note=note,
            at_ms=at_ms,
            base=self._control.current() or "",
            revision=1,
        )
        self._control.add_change(change, self._entry(author, "create", change, note))
        return change

    def changes(self, limit: int = 100, status: ChangeStatus | None = None) -> list[ChangeSet]:
        """Return the latest change sets, newest first."""
        return self._control.changes(limit, status)

    def get(self, change_id: str) -> ChangeSet:
        """Return a change set; :class:`~nba.errors.NotFoundError` where there is none."""
        change = self._control.change(change_id)
        if change is None:
            raise NotFoundError(f"there is no change set {change_id!r}")
        return change

    def put(
        self,
        change_id: str,
        kind: str,
        object_id: str,
        body: Any,
        author: str,
        *,
        base_version: int | None = None,
        note: str = "",
    ) -> ChangeSet:
        """Add what an object is to say; ``base_version`` is the version it was edited from.

        Raises
        ------
        NotFoundError
            There is no such change set or kind.
        InputError
            The body does not fit, with a JSON pointer to everything that does not.
        ConflictError
            The change set is not open, or another version than ``base_version`` is live.

        """
        key = key_of(kind, object_id)
        fitting = fitting_body(key, body)
        item = self._item(key, Operation.PUT, author, note, body=fitting)
        return self._edit(change_id, item, base_version)

    def retire(
        self,
        change_id: str,
        kind: str,
        object_id: str,
        author: str,
        *,
        base_version: int | None = None,
        note: str = "",
    ) -> ChangeSet:
        """Add that an object is to be live no more."""
        item = self._item(key_of(kind, object_id), Operation.RETIRE, author, note)
        return self._edit(change_id, item, base_version)

    def rename(
        self, change_id: str, term: str, path: str, author: str, *, note: str = ""
    ) -> ChangeSet:
        """Add that a term (``product:credit/card``) is to have another path (``cards``)."""
        return self._edit_term(change_id, Operation.RENAME, term, path, author, note)

    def merge(
        self, change_id: str, term: str, into: str, author: str, *, note: str = ""
    ) -> ChangeSet:
        """Add that a term is to become part of another path of its dimension."""
        return self._edit_term(change_id, Operation.MERGE, term, into, author, note)

    def discard(self, change_id: str, kind: str, object_id: str, author: str) -> ChangeSet:
        """Take the edits of an object, or of a term, out again."""
        key = key_of(kind, object_id)
        change = self._open(change_id)
        entry = self._entry(author, "discard", change, "", {str(key): {"edited": [True, False]}})
        return self._control.save_change(without_edit(change, key), entry)

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
        """Return the live plan and the one a change set would make, both compiled.

        Raises :class:`~nba.errors.DefinitionError` with every fault of the change set.
        """
        live = read_live(self._control)
        _, definitions = self._candidate(self.get(change_id), live)
        before = compile_plan(live.source, digest=live.publication.version)
        return before, compile_plan(_source(definitions, live.source), digest=change_id)

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

    def publish(self, change_id: str, actor: str, note: str = "") -> Publication:
        """Make what was approved live, all of it at once.

        What others published meanwhile stays, as long as it is of other objects.

        Raises
        ------
        ConflictError
            It is not approved, or an object it edits changed meanwhile.
        DefinitionError
            With what is live by now it has faults.

        """
        for _ in range(_TRIES):
            change = self._next(change_id, ChangeStatus.PUBLISHED)
            live = read_live(self._control)
            require_current(change.items, live)
            objects, definitions = self._candidate(change, live)
            reason = note or change.note
            plan = self._publisher.keep_definitions(
                definitions, live.source, note=f"{change.name}: {reason}", author=actor
            )
            changes = self._object_changes(change, live, objects)
            diff = diff_of(live.versions.values(), changes)
            entry = AuditEntry(
                at_ms=self._clock(),
                actor=actor,
                verb="publish",
                subject=plan.digest,
                detail=reason,
                diff={f"change_set/{change.id}": {"status": [change.status, "published"]}, **diff},
            )
            draft = PublicationDraft(
                version=plan.digest,
                source=Source.CHANGE,
                expected=live.publication.id,
                at_ms=entry.at_ms,
                actor=actor,
                entries=[entry],
                changes=changes,
                change=change,
            )
            try:
                return self._control.publish(draft)
            except StaleError:
                continue
        raise ConflictError(f"others kept publishing before {change_id!r} could be; try again")

    def rollback(
        self, version: str, actor: str, note: str = "", *, bring_in: BringIn | None = None
    ) -> Publication:
        """Make an earlier plan live again, with the objects it was live with.

        Where its profiles are of another layout than the live ones it must be brought in step by
        step, which ``bring_in`` does.

        Raises :class:`~nba.errors.NotFoundError` where it was never live, and
        :class:`~nba.errors.ConflictError` where it is live, or is of another layout.
        """
        digest = version.partition(".")[0]
        latest = self._control.publications(1)
        earlier, artifact = self._control.publication_of(digest), self._control.plan(digest)
        if earlier is None or artifact is None:
            known = ", ".join(dict.fromkeys(row.version for row in self._control.publications(5)))
            raise NotFoundError(
                f"there is no plan {digest!r} that was live; the latest are {known or 'none'}"
            )
        if latest[0].version == digest:
            raise ConflictError(f"plan {digest} is live already")
        coming = unpack_plan(artifact).features
        live = read_live(self._control).source.features

        def make_current() -> None:
            self._publisher.make_current(digest, note=note, author=actor, verb=ROLLBACK)

        if coming.layout_id == live.layout_id:
            make_current()
        elif bring_in is not None:
            bring_in(digest, make_current)
        else:
            raise ConflictError(
                f"plan {digest} packs profiles otherwise than the live one; `nba rollback {digest}`"
                " brings it in step by step"
            )
        return self._control.publications(1)[0]

    def publications(self, limit: int = 20) -> list[Publication]:
        """Return what was made live, newest first."""
        return self._control.publications(limit)

    def objects(self, kind: str | None = None) -> list[ObjectVersion]:
        """Return all live objects, or those of a kind, by kind and id."""
        known = {str(member) for member in ObjectKind}
        if kind is not None and kind not in known:
            raise NotFoundError(f"there is no kind {kind!r}; known: {', '.join(sorted(known))}")
        return [held for held in self._control.live_objects() if kind in {None, held.key.kind}]

    def versions(self, kind: str, object_id: str) -> list[ObjectVersion]:
        """Return every version of an object that was ever live, oldest first."""
        key = key_of(kind, object_id)
        found = self._control.object_versions(key)
        if not found:
            raise NotFoundError(f"there is no {key}, and there never was")
        return found

    def audit_log(self, limit: int = 100, *, before: int | None = None) -> list[AuditRow]:
        """Return the latest rows of the audit trail, newest first."""
        return self._control.audit_log(limit, before=before)

    def verify_audit(self) -> AuditBreak | None:
        """Recompute the audit trail's chain; return the first row that breaks it."""
        return self._control.verify_audit()

    def _item(
        self, key: ObjectKey, operation: Operation, author: str, note: str, **more: Any
    ) -> ChangeItem:
        return ChangeItem(
            key=key,
            operation=operation,
            base_version=0,
            author=author,
            note=note,
            at_ms=self._clock(),
            **more,
        )

    def _edit_term(
        self, change_id: str, operation: Operation, term: str, path: str, author: str, note: str
    ) -> ChangeSet:
        key = ObjectKey(ObjectKind.DIMENSION, term)
        dimension, _, target = path.rpartition(":")
        if dimension and dimension != term.partition(":")[0]:
            found = f"{path!r} is of another dimension than {term!r}"
            raise InputError([Fault("/path", found, "a path of the same dimension")])
        return self._edit(change_id, self._item(key, operation, author, note, target=target), None)

    def _edit(self, change_id: str, item: ChangeItem, base_version: int | None) -> ChangeSet:
        change, live = self._open(change_id), read_live(self._control)
        changed = with_edit(change, item, live, base_version)
        before = apply_items(change.items, live.objects)
        after = apply_items(changed.items, live.objects)
        entry = self._entry(item.author, item.operation, change, item.note, _told(before, after))
        return self._control.save_change(changed, entry)

    def _open(self, change_id: str) -> ChangeSet:
        change = self.get(change_id)
        if change.status is not ChangeStatus.OPEN:
            raise ConflictError(
                f"change set {change_id!r} is {change.status}; only an open one can be edited"
            )
        return change

    def _next(self, change_id: str, status: ChangeStatus) -> ChangeSet:
        change = self.get(change_id)
        allowed = STEPS[change.status]
        if status not in allowed:
            steps = " or ".join(allowed) or "nothing any more"
            raise ConflictError(
                f"change set {change_id!r} is {change.status} and cannot become {status}; it can "
                f"become {steps}"
            )
        return change

    def _move(
        self,
        change: ChangeSet,
        status: ChangeStatus,
        verb: str,
        actor: str,
        note: str,
        diff: Mapping[str, Any] | None = None,
    ) -> ChangeSet:
        told = {f"change_set/{change.id}": {"status": [change.status, status]}, **(diff or {})}
        entry = self._entry(actor, verb, change, note, told)
        return self._control.save_change(replace(change, status=status), entry)

    def _candidate(self, change: ChangeSet, live: Live) -> tuple[Objects, Definitions]:
        objects = apply_items(change.items, live.objects)
        faults: list[Fault] = []
        definitions = definitions_of(objects, live.source.definitions, faults)
        if definitions is None:
            raise DefinitionError(dict.fromkeys(faults))
        return objects, definitions

    def _object_changes(
        self, change: ChangeSet, live: Live, objects: Objects
    ) -> list[ObjectChange]:
        authors = {item.key: (item.author, item.note or change.note) for item in change.items}
        found = changes_between(
            live.versions.values(), objects, note=change.note, author=change.author
        )
        return [
            replace(one, author=authors[one.key][0], note=authors[one.key][1])
            if one.key in authors
            else one
            for one in found
        ]

    def _entry(
        self,
        actor: str,
        verb: str,
        change: ChangeSet,
        note: str,
        diff: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock(),
            actor=actor,
            verb=f"change.{verb}",
            subject=change.id,
            detail=note,
            diff=diff or {},
        )


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


def _told(before: Objects, after: Objects) -> dict[str, Any]:
    diff: dict[str, dict[str, Any]] = {}
    for found in differences(before, after):
        diff.setdefault(f"{found.kind}/{found.id}", {})[found.field] = [found.before, found.after]
    return diff
