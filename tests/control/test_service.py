"""Change sets as a service: what is live changes whole, seen by others, and with a way back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from control_stores import empty
from shop import NOW_MS, Shop, stump, write_project

from nba.catalog.changes import ChangeStatus
from nba.catalog.memory import MemoryControlStore
from nba.catalog.objects import ObjectKey, ObjectKind
from nba.catalog.sql import SqlControlStore
from nba.catalog.store import ControlStore
from nba.control.pushing import push_files
from nba.control.service import ChangeService
from nba.decision.artifact import unpack_plan
from nba.decision.project import Project, load_project
from nba.domain.clock import ManualClock
from nba.errors import ConflictError, DefinitionError, InputError, NotFoundError
from nba.models import MemoryModelRegistry
from nba.worker.publisher import Publisher

CARD = ObjectKey(ObjectKind.ACTION, "card")
CAP = ObjectKey(ObjectKind.POLICY, "two_a_day")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load_project(write_project(tmp_path_factory.mktemp("control") / "shop"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


def opened(control: ControlStore, clock: ManualClock, *, four_eyes: bool = False) -> ChangeService:
    publisher = Publisher(control, None, alias="live", clock=clock)
    return ChangeService(control, publisher, clock=clock, four_eyes=four_eyes)


@pytest.fixture
def control(project: Project, clock: ManualClock) -> ControlStore:
    store = MemoryControlStore()
    Publisher(store, None, alias="live", clock=clock).publish(project, note="", author="files")
    return store


@pytest.fixture
def service(control: ControlStore, clock: ManualClock) -> ChangeService:
    return opened(control, clock)


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, project: Project, clock: ManualClock) -> ControlStore:
    store: SqlControlStore = empty(request.getfixturevalue(f"{request.param}_control"))
    Publisher(store, None, alias="live", clock=clock).publish(project, note="", author="files")
    return store


def body(service: ChangeService, key: ObjectKey, **fields: Any) -> dict[str, Any]:
    (held,) = (held for held in service.objects(key.kind) if held.key == key)
    return {**held.body, **fields}


def edited(service: ChangeService, name: str, key: ObjectKey, **fields: Any) -> str:
    change = service.create(name, "why", "ann")
    service.put(change.id, key.kind, key.id, body(service, key, **fields), "ann")
    return change.id


def approved(service: ChangeService, name: str, key: ObjectKey, **fields: Any) -> str:
    change_id = edited(service, name, key, **fields)
    service.submit(change_id, "ann")
    service.approve(change_id, "bob", "fine")
    return change_id


def live(control: ControlStore, key: ObjectKey) -> dict[str, Any]:
    return {held.key: dict(held.body) for held in control.live_objects()}[key]


def test_a_change_goes_from_an_idea_to_live_and_every_step_is_audited(
    service: ChangeService, control: ControlStore
) -> None:
    change = service.create("Spring: More!", "it is spring", "ann")
    assert (change.id, change.status, change.base) == ("spring-more", "open", control.current())
    service.put(change.id, "action", "card", body(service, CARD, value=60), "ann", note="dearer")
    (found,) = service.diff(change.id)
    assert (found.kind, found.id, found.field, found.before, found.after) == (
        *("action", "card", "/value"),
        *(50, 60),
    )
    assert service.check(change.id).publishable
    assert service.submit(change.id, "ann", "please").status is ChangeStatus.IN_REVIEW
    assert service.approve(change.id, "bob", "fine").approvals[0].actor == "bob"
    before = control.current()
    publication = service.publish(change.id, "cat", "now")
    assert publication.version == control.current() != before
    assert (publication.source, publication.change_set) == ("change", "spring-more")
    assert live(control, CARD)["value"] == 60
    artifact = control.plan(publication.version)
    assert artifact is not None
    actions = {action.id: action.value for action in unpack_plan(artifact).catalog.actions}
    assert actions["card"] == 60.0
    kept = service.get(change.id)
    assert (kept.status, kept.version) == (ChangeStatus.PUBLISHED, publication.version)
    (version,) = service.versions("action", "card")[1:]
    assert (version.author, version.note, version.version) == ("ann", "dearer", 2)
    told = [(row.actor, row.verb, row.subject, row.detail) for row in service.audit_log(5)]
    assert told == [
        ("cat", "publish", publication.version, "now"),
        ("bob", "change.approve", "spring-more", "fine"),
        ("ann", "change.submit", "spring-more", "please"),
        ("ann", "change.put", "spring-more", "dearer"),
        ("ann", "change.create", "spring-more", "it is spring"),
    ]
    assert service.audit_log(1)[0].diff == {
        "change_set/spring-more": {"status": ["approved", "published"]},
        "action/card": {"/value": [50, 60]},
    }
    assert service.verify_audit() is None


def test_a_rollback_brings_back_plan_and_objects_in_one_call(
    service: ChangeService, control: ControlStore
) -> None:
    first = control.current()
    service.publish(approved(service, "a", CARD, value=60), "ann")
    second = control.current()
    service.publish(approved(service, "b", CAP, limit=1), "ann")
    assert service.rollback(f"{first}.7", "bob", "too dear").version == first
    assert (live(control, CARD)["value"], live(control, CAP)["limit"]) == (50, 2)
    service.rollback(str(second), "bob")
    assert (live(control, CARD)["value"], live(control, CAP)["limit"]) == (60, 2)
    assert [row.source for row in service.publications(2)] == ["rollback", "rollback"]
    with pytest.raises(ConflictError, match=f"plan {second} is live already"):
        service.rollback(str(second), "bob")
    with pytest.raises(NotFoundError, match=f"there is no plan 'v9'; the latest are {second}"):
        service.rollback("v9", "bob")


def test_disjoint_changes_are_published_one_on_the_other(
    service: ChangeService, control: ControlStore
) -> None:
    first = approved(service, "a", CARD, value=60)
    second = approved(service, "b", CAP, limit=1)
    service.publish(second, "ann")
    service.publish(first, "ann")
    assert (live(control, CARD)["value"], live(control, CAP)["limit"]) == (60, 1)


def test_a_stale_change_is_refused_naming_what_changed_meanwhile(
    service: ChangeService, control: ControlStore
) -> None:
    stale, other = (
        edited(service, name, CARD, value=value) for name, value in (("a", 1), ("b", 2))
    )
    service.submit(stale, "ann")
    service.approve(stale, "bob")
    service.submit(other, "ann")
    service.approve(other, "bob")
    service.publish(other, "ann")
    meanwhile = (
        "action/card was version 1 when it was edited and is version 2 now, by 'ann' in change "
        "set 'b'"
    )
    with pytest.raises(ConflictError, match=meanwhile):
        service.publish(stale, "ann")
    assert service.check(stale).conflicts == (meanwhile,)
    assert live(control, CARD)["value"] == 2
    service.reopen(stale, "ann")
    with pytest.raises(ConflictError, match=meanwhile):
        service.submit(stale, "ann")
    service.discard(stale, "action", "card", "ann")
    service.put(stale, "action", "card", body(service, CARD, value=3), "ann", base_version=2)
    service.submit(stale, "ann")
    service.approve(stale, "bob")
    service.publish(stale, "ann")
    assert live(control, CARD)["value"] == 3


def test_an_edit_of_another_version_than_the_live_one_is_refused(service: ChangeService) -> None:
    service.publish(approved(service, "a", CARD, value=60), "ann")
    change = service.create("b", "", "ann")
    with pytest.raises(
        ConflictError, match="edited from version 1, but version 2 is live, by 'ann'"
    ):
        service.put(change.id, "action", "card", body(service, CARD), "ann", base_version=1)
    with pytest.raises(ConflictError, match="edited from version 3, but"):
        service.retire(change.id, "action", "card", "ann", base_version=3)
    assert service.get(change.id).items == ()


def test_of_two_who_publish_the_same_object_at_once_one_does(
    shared: ControlStore, clock: ManualClock
) -> None:
    services = [opened(shared, clock) for _ in range(2)]
    changes = [approved(services[0], f"c{n}", CARD, value=60 + n) for n in range(2)]

    def attempt(number: int) -> str:
        try:
            return services[number].publish(changes[number], f"p{number}").version
        except ConflictError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(attempt, range(2)))
    (refused,) = (text for text in told if text.startswith("changed meanwhile"))
    winner = 1 - told.index(refused)
    assert shared.current() == told[winner]
    assert live(shared, CARD)["value"] == 60 + winner
    assert services[0].get(changes[1 - winner]).status is ChangeStatus.APPROVED
    assert services[0].verify_audit() is None


def test_all_who_publish_different_objects_at_once_do(
    shared: ControlStore, clock: ManualClock
) -> None:
    service = opened(shared, clock)
    keys = [ObjectKey(ObjectKind.ACTION, name) for name in ("card", "coat", "shirt")]
    changes = [approved(service, key.id, key, value=70) for key in keys]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda change: opened(shared, clock).publish(change, "ann"), changes))
    assert [live(shared, key)["value"] for key in keys] == [70, 70, 70]
    artifact = shared.plan(str(shared.current()))
    assert artifact is not None
    values = {action.id: action.value for action in unpack_plan(artifact).catalog.actions}
    assert [values[key.id] for key in keys] == [70.0, 70.0, 70.0]
    assert service.verify_audit() is None


def test_of_two_who_publish_the_same_change_set_one_does(
    shared: ControlStore, clock: ManualClock
) -> None:
    change = approved(opened(shared, clock), "a", CARD, value=60)

    def attempt(_: int) -> bool:
        try:
            opened(shared, clock).publish(change, "ann")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(attempt, range(3))).count(True) == 1
    assert len(shared.publications(9)) == 2


def test_only_whoever_wrote_none_of_it_may_approve_under_four_eyes(
    control: ControlStore, clock: ManualClock
) -> None:
    service = opened(control, clock, four_eyes=True)
    change = edited(service, "a", CARD, value=60)
    service.put(change, "policy", "two_a_day", body(service, CAP, limit=1), "bob")
    service.submit(change, "ann")
    for author in ("ann", "bob"):
        with pytest.raises(ConflictError, match=f"'{author}' wrote some of change set 'a'"):
            service.approve(change, author)
    assert service.get(change).status is ChangeStatus.IN_REVIEW
    service.approve(change, "cat")
    service.reopen(change, "ann", "one more thing")
    assert service.get(change).approvals == ()
    with pytest.raises(ConflictError, match="it can become in_review or abandoned"):
        service.publish(change, "cat")


@pytest.mark.parametrize(
    ("reached", "allowed"),
    [
        ((), ("abandon", "put", "submit")),
        (("submit",), ("abandon", "approve", "reopen")),
        (("submit", "approve"), ("abandon", "publish", "reopen")),
        (("submit", "approve", "publish"), ()),
        (("abandon",), ()),
    ],
    ids=str,
)
def test_each_status_allows_its_steps_and_no_others(
    service: ChangeService, reached: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    steps: dict[str, Callable[[str], object]] = {
        "submit": lambda change: service.submit(change, "ann"),
        "approve": lambda change: service.approve(change, "bob"),
        "reopen": lambda change: service.reopen(change, "ann"),
        "abandon": lambda change: service.abandon(change, "ann"),
        "publish": lambda change: service.publish(change, "ann"),
        "put": lambda change: service.retire(change, "policy", "two_a_day", "ann"),
    }
    for name, step in steps.items():
        change = edited(service, f"{name}-{len(reached)}", CARD, value=len(name) + len(reached))
        for earlier in reached:
            steps[earlier](change)
        if name in allowed:
            step(change)
        else:
            with pytest.raises(ConflictError, match=f"change set '{change}' is "):
                step(change)


def test_nothing_is_submitted_that_edits_nothing(service: ChangeService) -> None:
    change = service.create("a", "", "ann")
    with pytest.raises(ConflictError, match="edits nothing yet"):
        service.submit(change.id, "ann")


def test_faults_are_those_of_files_at_the_object(service: ChangeService) -> None:
    change = edited(service, "a", CARD, terms=["product:cars"], purpose="fun")
    service.put(
        change,
        "policy",
        "new",
        {"kind": "eligibility", "description": "d", "condition": "customer.agee > 3"},
        "ann",
    )
    service.retire(change, "content", "coat.en", "ann")
    report = service.check(change)
    places = {fault.place for fault in report.faults}
    assert places >= {"action/card/terms/0", "action/card/purpose", "content/coat.at/placements/0"}
    assert not report.publishable
    with pytest.raises(DefinitionError):
        service.submit(change, "ann")
    assert service.get(change).status is ChangeStatus.OPEN


def test_what_became_wrong_after_approval_is_not_published(
    service: ChangeService, control: ControlStore
) -> None:
    fine = approved(service, "a", CARD, purpose="service")
    key = ObjectKey(ObjectKind.PROJECT, "project")
    parcel = ObjectKey(ObjectKind.ACTION, "parcel")
    other = edited(service, "b", key, purposes=["marketing"])
    service.put(other, "action", "parcel", body(service, parcel, purpose="marketing"), "ann")
    service.submit(other, "ann")
    service.approve(other, "bob")
    service.publish(other, "ann")
    now = control.current()
    with pytest.raises(DefinitionError, match="action/card/purpose: purpose 'service'"):
        service.publish(fine, "ann")
    assert control.current() == now


def test_a_change_that_empties_the_catalog_is_refused(service: ChangeService) -> None:
    change = service.create("away with it", "", "ann")
    for held in service.objects():
        service.retire(change.id, held.key.kind, held.key.id, "ann")
    assert service.check(change.id).faults
    with pytest.raises(DefinitionError, match="no file describes the project"):
        service.submit(change.id, "ann")
    kept = service.create("all but a project", "", "ann")
    for held in service.objects():
        if held.key.kind is not ObjectKind.PROJECT and held.key.id != "no_action":
            service.retire(kept.id, held.key.kind, held.key.id, "ann")
    with pytest.raises(DefinitionError):
        service.submit(kept.id, "ann")


@pytest.mark.parametrize(
    ("kind", "object_id", "given", "place"),
    [
        ("action", "new", {"name": 3}, "/name"),
        ("action", "new", {"name": "n", "vaule": 3}, "/vaule"),
        ("action", "new", {"name": "n", "id": "other"}, "/id"),
        ("action", "new", {"name": "n", "value": float("nan")}, ""),
        ("action", "new", ["name"], ""),
        ("action", " ", {"name": "n"}, "/id"),
        ("action", "x" * 129, {"name": "n"}, "/id"),
        ("content", "new", {"action": "card"}, "/group"),
        ("dimension", "new", {"terms": ["a"]}, "/terms"),
        ("policy", "new", {"description": "no kind"}, "/kind"),
        (
            "policy",
            "new",
            {"kind": "contact_cap", "description": "d", "limit": -1, "window": "7d"},
            "/limit",
        ),
        ("segment", "new", {"condition": "true"}, "/description"),
        ("project", "project", {"name": "x"}, "/currency"),
    ],
)
def test_a_body_that_does_not_fit_is_told_by_pointer(
    service: ChangeService, kind: str, object_id: str, given: Any, place: str
) -> None:
    change = service.create("a", "", "ann")
    with pytest.raises(InputError) as told:
        service.put(change.id, kind, object_id, given, "ann")
    assert place in [fault.place for fault in told.value.faults]
    assert service.get(change.id).items == ()


def test_what_is_not_there_is_told_with_what_is(service: ChangeService) -> None:
    change = service.create("a", "", "ann")
    for attempt, told in (
        (lambda: service.get("b"), "there is no change set 'b'"),
        (lambda: service.publish("b", "ann"), "there is no change set 'b'"),
        (lambda: service.objects("polcy"), "there is no kind 'polcy'; known: action"),
        (lambda: service.put(change.id, "polcy", "x", {}, "ann"), "did you mean 'policy'"),
        (lambda: service.put(change.id, "project", "x", {}, "ann"), "there is no project 'x'"),
        (lambda: service.retire(change.id, "action", "crad", "ann"), "did you mean 'card'"),
        (lambda: service.discard(change.id, "action", "card", "ann"), "does not edit action/card"),
        (lambda: service.versions("action", "x"), "there is no action/x, and there never was"),
    ):
        with pytest.raises(NotFoundError, match=told):
            attempt()


def test_before_anything_is_live_there_is_nothing_to_change(clock: ManualClock) -> None:
    service = opened(MemoryControlStore(), clock)
    change = service.create("a", "", "ann")
    with pytest.raises(NotFoundError, match="no plan is live yet"):
        service.put(change.id, "action", "card", {"name": "Card"}, "ann")


def test_a_term_is_renamed_and_merged_wherever_it_is_used(
    service: ChangeService, control: ControlStore
) -> None:
    change = service.create("terms", "", "ann")
    service.rename(change.id, "product:credit/card", "product:credit/visa", "ann")
    service.merge(change.id, "product:fashion", "service", "ann")
    assert {str(found.field) for found in service.diff(change.id)} >= {"/terms"}
    service.submit(change.id, "ann")
    service.approve(change.id, "bob")
    service.publish(change.id, "ann")
    assert live(control, CARD)["terms"] == ["product:credit/visa"]
    assert live(control, ObjectKey(ObjectKind.ACTION, "coat"))["terms"] == ["product:service"]
    again = service.create("again", "", "ann")
    with pytest.raises(InputError, match="no term 'credit/card'"):
        service.rename(again.id, "product:credit/card", "x", "ann")


def test_the_latest_edit_of_an_object_counts(service: ChangeService) -> None:
    change = edited(service, "a", CARD, value=60)
    service.put(change, "action", "card", body(service, CARD, value=70), "bob")
    (item,) = service.get(change).items
    assert (item.author, item.base_version) == ("bob", 1)
    service.retire(change, "action", "card", "ann")
    (item,) = service.get(change).items
    assert (item.operation, item.body) == ("retire", None)


def test_two_change_sets_of_one_name_have_ids_of_their_own(service: ChangeService) -> None:
    ids = {service.create("Größe 1!", "", "ann").id for _ in range(2)}
    assert ids == {"gr-e-1", f"gr-e-1-{NOW_MS}"}
    with pytest.raises(InputError, match="no name"):
        service.create(" ", "", "ann")


def test_a_published_change_keeps_the_live_models(tmp_path: Path) -> None:
    shop = Shop(write_project(tmp_path / "shop"))
    shop.promote(stump(-2.0, 0.5))
    service = opened(shop.control, shop.clock)
    publication = service.publish(approved(service, "a", CARD, value=60), "ann")
    artifact = shop.control.plan(publication.version)
    assert artifact is not None
    assert unpack_plan(artifact).model_versions == {"conversion": "1"}


def test_a_model_promoted_after_a_change_does_not_undo_it(tmp_path: Path) -> None:
    shop = Shop(write_project(tmp_path / "shop"))
    service = opened(shop.control, shop.clock)
    service.publish(approved(service, "a", CARD, value=60), "ann")
    registry: MemoryModelRegistry = shop.registry
    registry.set_alias("conversion", "live", registry.register(stump(-2.0, 0.5)))
    plan = shop.publisher.promote(note="", author="worker")
    assert {action.id: action.value for action in plan.catalog.actions}["card"] == 60.0
    assert live(shop.control, CARD)["value"] == 60


def test_files_that_are_pushed_are_the_plan_that_files_publish(
    service: ChangeService, control: ControlStore, tmp_path: Path, clock: ManualClock
) -> None:
    changed = load_project(
        write_project(tmp_path / "b", policies=("limit: 2", "limit: 1"), catalog=("50", "51"))
    )
    change = push_files(service, changed.objects, "files", "", "ann", publish=True)
    assert change is not None
    assert {str(item.key) for item in change.items} == {"action/card", "policy/two_a_day"}
    digest = control.current()
    Publisher(control, None, alias="live", clock=clock).publish(changed, note="", author="x")
    assert control.current() == digest
    assert push_files(service, changed.objects, "files", "", "ann") is None


def test_under_four_eyes_files_change_nothing_that_is_live_by_themselves(
    control: ControlStore, tmp_path: Path, clock: ManualClock
) -> None:
    changed = load_project(write_project(tmp_path / "b", policies=("limit: 2", "limit: 1")))
    publisher = Publisher(control, None, alias="live", clock=clock, four_eyes=True)
    now = control.current()
    with pytest.raises(ConflictError, match=r"1 live objects .* policy/two_a_day; `nba policies"):
        publisher.publish(changed, note="", author="ann")
    service = opened(control, clock, four_eyes=True)
    with pytest.raises(ConflictError, match="somebody else must approve it"):
        push_files(service, changed.objects, "files", "", "ann", publish=True)
    assert control.current() == now
    service.approve("files", "bob")
    service.publish("files", "bob")
    publisher.publish(changed, note="", author="ann")
    assert live(control, CAP)["limit"] == 1


def test_both_plans_of_a_change_set_are_there_to_compare(service: ChangeService) -> None:
    change = edited(service, "a", CARD, value=60)
    before, after = service.plans(change)
    values = [
        {action.id: action.value for action in plan.catalog.actions} for plan in (before, after)
    ]
    assert [found["card"] for found in values] == [50.0, 60.0]
