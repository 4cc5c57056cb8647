"""Changing what is live over HTTP: who may take which step, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from in_process import running, until
from shop import write_project

from nba.access import Role, Scope
from nba.bootstrap import load_settings, open_keys, open_runtime, system_clock
from nba.decision.project import load_project
from nba.settings import Settings
from nba.worker.pointing import Pointing
from nba.worker.publisher import Publisher

RULES = "web.rules"
CAP = {
    "kind": "contact_cap",
    "description": "At most one promotion a day.",
    "applies_to": {"message_classes": ["promotional"]},
    "limit": 1,
    "window": "1d",
}
NO_FASHION = {
    "kind": "eligibility",
    "description": "No fashion in this shop.",
    "applies_to": {"terms": ["product:fashion"]},
    "condition": "customer.age > 200",
}


@dataclass(frozen=True)
class Api:
    """A running API, asked with one key after another."""

    client: httpx.AsyncClient
    texts: dict[str, str]
    as_: str = "admin"

    def by(self, name: str) -> Api:
        """Return the same API, asked with another key."""
        return replace(self, as_=name)

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """Ask once."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["authorization"] = f"Bearer {self.texts[self.as_]}"
        return await self.client.request(method, path, json=body, headers=named)

    async def done(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Ask once and return what was answered; it must have been done."""
        reply = await self.ask(method, path, body, **headers)
        assert reply.is_success, reply.text
        return reply.json()

    async def refused(
        self, status: int, method: str, path: str, body: object = None, **headers: str
    ) -> Any:
        """Ask once and return the problem; it must not have been done."""
        reply = await self.ask(method, path, body, **headers)
        assert reply.status_code == status, reply.text
        problem = reply.json()
        assert problem["type"].startswith("urn:nba:problem:")
        return problem

    async def choices(self, customer: str) -> tuple[str, set[str]]:
        """Return the plan that decided, and the actions of an answer."""
        placements = [{"id": RULES, "count": 2}]
        asked = {"customer_id": customer, "placements": placements, "mode": "dry_run"}
        answer = await self.by("web").done("POST", "/v1/decisions", asked)
        plan = answer["plan_version"].partition(".")[0]
        return plan, {choice["action"] for choice in answer["choices"]}


Story = Callable[[Api], Awaitable[None]]


@pytest.fixture
def play(valkey: str, tmp_path: Path) -> Callable[[Story], None]:
    """Return what plays a story on an API of its own, whose access is by keys."""
    settings = load_settings(
        project_dir=write_project(tmp_path / "project", policies=("share: 0.1", "share: 0.0")),
        data_dir=tmp_path / "data",
        redis_url=valkey,
        key_prefix=tmp_path.name,
        poll_seconds=0.02,
        access="keys",
        access_poll_seconds=0.02,
        four_eyes=True,
    )
    texts = make_keys(settings)

    async def main(story: Story) -> None:
        async with open_runtime(settings) as runtime:
            publisher = Publisher(runtime.control, None, alias="champion", clock=system_clock)
            publisher.publish(load_project(settings.project_dir), note="the files", author="files")
            await Pointing(runtime.ledger, runtime.control).at_current()
        async with running(settings) as client:
            api = Api(client, texts)

            async def ready() -> bool:
                return (await client.get("/readyz")).is_success

            await until(ready)
            profile = {"attributes": {"age": 30}}
            await api.by("web").done("PUT", "/v1/customers/anna", profile)
            await story(api)

    return lambda story: asyncio.run(main(story))


def make_keys(settings: Settings) -> dict[str, str]:
    with open_keys(settings) as service:
        texts = {"web": service.create("web", Scope.DECIDE, by="tests").text}
        for role in Role:
            texts[role] = service.create(role, Scope.MANAGE, roles=[role], by="tests").text
        for name in ("ada", "bob"):
            roles = [Role.MARKETER, Role.APPROVER]
            texts[name] = service.create(name, Scope.MANAGE, roles=roles, by="tests").text
    return texts


async def in_review(api: Api, name: str, *items: tuple[str, str, object]) -> str:
    """Make a change set of items, as whoever asks, and submit it."""
    change = (await api.done("POST", "/v1/changes", {"name": name, "note": "why not"}))["id"]
    for kind, object_id, body in items:
        await api.done("PUT", f"/v1/changes/{change}/items/{kind}/{object_id}", {"body": body})
    submitted = await api.done("POST", f"/v1/changes/{change}/submit")
    assert submitted["status"] == "in_review"
    return change


def test_a_campaign_from_its_first_edit_to_its_rollback(play: Callable[[Story], None]) -> None:
    async def story(api: Api) -> None:
        marketer, approver = api.by("marketer"), api.by("approver")
        before, actions = await api.choices("anna")
        assert actions == {"coat", "shirt"}

        made = await marketer.done("POST", "/v1/changes", {"name": "No fashion", "note": "spring"})
        assert (made["id"], made["status"], made["author"], made["base"]) == (
            *("no-fashion", "open", "key:marketer", before),
        )
        place = f"/v1/changes/{made['id']}"
        item = {"body": NO_FASHION, "note": "sold out"}
        edited = await marketer.done("PUT", f"{place}/items/policy/no_fashion", item)
        (kept,) = edited["items"]
        assert (kept["kind"], kept["id"], kept["operation"]) == ("policy", "no_fashion", "put")
        assert kept["body"] == {"id": "no_fashion", **NO_FASHION}

        diff = await marketer.done("GET", f"{place}/diff")
        assert [(one["kind"], one["id"], one["before"]) for one in diff["differences"]] == [
            ("policy", "no_fashion", None)
        ]
        checked = await marketer.done("GET", f"{place}/check")
        assert (checked["publishable"], checked["faults"], checked["conflicts"]) == (True, [], [])
        codes = {finding["code"] for finding in checked["findings"]}
        assert all(codes)

        submitted = await marketer.done("POST", f"{place}/submit", {"note": "please look"})
        assert submitted["status"] == "in_review"
        problem = await marketer.refused(403, "POST", f"{place}/approve")
        assert problem["detail"] == "key:marketer may not approve"
        await marketer.refused(403, "POST", f"{place}/publish")
        await approver.refused(409, "POST", f"{place}/publish")
        approved = await approver.done("POST", f"{place}/approve", {"note": "fine"})
        assert approved["approvals"][0]["actor"] == "key:approver"
        assert (await api.choices("anna"))[0] == before

        published = await approver.done("POST", f"{place}/publish?wait=true", {"note": "go"})
        assert (published["source"], published["change_set"]) == ("change", "no-fashion")
        assert published["live"] is True
        plan, actions = await api.choices("anna")
        assert plan == published["version"] != before
        assert not actions & {"coat", "shirt"}
        assert (await marketer.done("GET", place))["status"] == "published"

    play(story)


def test_a_plan_rolled_back_to_is_live_with_its_objects_and_all_of_it_is_told(
    play: Callable[[Story], None],
) -> None:
    async def story(api: Api) -> None:
        marketer, approver = api.by("marketer"), api.by("approver")
        before, _ = await api.choices("anna")
        change = await in_review(marketer, "No fashion", ("policy", "no_fashion", NO_FASHION))
        await approver.done("POST", f"/v1/changes/{change}/approve")
        await approver.done("POST", f"/v1/changes/{change}/publish?wait=true", {"note": "go"})
        plan, _ = await api.choices("anna")

        listed = (await marketer.done("GET", "/v1/plans"))["plans"]
        assert [row["version"] for row in listed] == [plan, before]
        assert [row["live"] for row in listed] == [True, False]
        assert [row["note"] for row in listed] == ["No fashion: go", "the files"]

        back = f"/v1/plans/{before}/rollback"
        await marketer.refused(403, "POST", back)
        rolled = await approver.done("POST", f"{back}?wait=true", {"note": "too bold"})
        assert (rolled["version"], rolled["source"], rolled["live"]) == (before, "rollback", True)
        plan, actions = await api.choices("anna")
        assert plan == before
        assert actions == {"coat", "shirt"}
        await approver.refused(404, "GET", "/v1/objects/policy/no_fashion")

        rows = (await approver.done("GET", "/v1/audit"))["rows"]
        told = [
            (row["actor"], row["verb"]) for row in reversed(rows) if row["verb"] != "key.create"
        ]
        assert told == [
            ("files", "publish"),
            ("key:marketer", "change.create"),
            ("key:marketer", "change.put"),
            ("key:marketer", "change.submit"),
            ("key:approver", "change.approve"),
            ("key:approver", "publish"),
            ("key:approver", "rollback"),
        ]
        assert rows[0]["detail"] == "too bold"
        verified = await approver.done("GET", "/v1/audit/verify")
        assert verified == {"intact": True, "break": None}

    play(story)


def test_four_eyes_see_a_change_and_not_the_same_two_twice(play: Callable[[Story], None]) -> None:
    async def story(api: Api) -> None:
        ada, bob = api.by("ada"), api.by("bob")
        change = await in_review(ada, "Ada's", ("policy", "no_fashion", NO_FASHION))
        place = f"/v1/changes/{change}"
        problem = await ada.refused(409, "POST", f"{place}/approve")
        assert "somebody else must approve it" in problem["detail"]
        await bob.done("POST", f"{place}/reopen", {"note": "let me add one"})
        await bob.done("PUT", f"{place}/items/policy/two_a_day", {"body": CAP})
        await bob.done("POST", f"{place}/submit")
        for both in (ada, bob):
            await both.refused(409, "POST", f"{place}/approve")
        await api.by("approver").done("POST", f"{place}/approve")

    play(story)


def test_a_stale_edit_and_a_stale_step_are_refused(play: Callable[[Story], None]) -> None:
    async def story(api: Api) -> None:
        ada = api.by("ada")
        seen = await ada.ask("GET", "/v1/objects/policy/two_a_day")
        assert (seen.headers["etag"], seen.json()["version"]) == ('"1"', 1)
        assert seen.json()["body"]["limit"] == 2
        change = await ada.done("POST", "/v1/changes", {"name": "Cap"})
        item = f"/v1/changes/{change['id']}/items/policy/two_a_day"
        problem = await ada.refused(409, "PUT", item, {"body": CAP}, if_match='"7"')
        assert "was edited from version 7, but version 1 is live" in problem["detail"]
        await ada.refused(409, "PUT", item, {"body": CAP}, if_none_match="*")
        for wrong in ("7", 'W/"1"', '"x"', "*"):
            problem = await ada.refused(422, "PUT", item, {"body": CAP}, if_match=wrong)
            assert problem["errors"][0]["pointer"] == "If-Match"
        await ada.done("PUT", item, {"body": CAP}, if_match='"1"')
        place = f"/v1/changes/{change['id']}"
        kept = await ada.ask("GET", place)
        assert kept.headers["etag"] == f'"{kept.json()["revision"]}"'
        await ada.refused(409, "POST", f"{place}/submit", if_match='"1"')
        await ada.done("POST", f"{place}/submit", if_match=kept.headers["etag"])

    play(story)


def test_two_who_edit_the_same_do_not_overwrite_each_other_and_others_rebase(
    play: Callable[[Story], None],
) -> None:
    async def story(api: Api) -> None:
        ada, bob, approver = api.by("ada"), api.by("bob"), api.by("approver")
        first = await in_review(ada, "First", ("policy", "two_a_day", CAP))
        second = await in_review(bob, "Second", ("policy", "two_a_day", {**CAP, "limit": 3}))
        third = await in_review(bob, "Third", ("policy", "no_fashion", NO_FASHION))
        for change in (first, second, third):
            await approver.done("POST", f"/v1/changes/{change}/approve")
        await approver.done("POST", f"/v1/changes/{first}/publish")
        problem = await approver.refused(409, "POST", f"/v1/changes/{second}/publish")
        assert "policy/two_a_day was version 1 when it was edited" in problem["detail"]
        assert "'First'" in problem["detail"] or "'first'" in problem["detail"]
        await approver.done("POST", f"/v1/changes/{third}/publish")
        versions = (await ada.done("GET", "/v1/objects/policy/two_a_day/versions"))["versions"]
        assert [one["body"]["limit"] for one in versions] == [2, 1]
        assert versions[-1]["change_set"] == "first"

    play(story)


def test_an_item_that_does_not_fit_is_refused_with_pointers(play: Callable[[Story], None]) -> None:
    async def story(api: Api) -> None:
        ada = api.by("ada")
        await ada.done("POST", "/v1/changes", {"name": "Wrong"})
        items = "/v1/changes/wrong/items"
        for path, body, pointer in (
            ("policy/cap", {"body": {**CAP, "limit": 0}}, "/body/limit"),
            ("policy/cap", {"body": {**CAP, "id": "other"}}, "/body/id"),
            ("policy/cap", {"body": {**CAP, "colour": "red"}}, "/body/colour"),
            ("policy/cap", {"body": 7}, "/body"),
            ("policy/cap", {}, "/body"),
            ("policy/cap", {"operation": "retire", "body": {}}, "/body"),
            ("policy/cap", {"operation": "rename", "target": "x"}, "/operation"),
            ("dimension/product:credit/card", {"operation": "rename"}, "/target"),
            ("policy/cap", {"operation": "erase"}, "/operation"),
            ("policy/cap", {"body": CAP, "why": "?"}, ""),
        ):
            problem = await ada.refused(422, "PUT", f"{items}/{path}", body)
            assert pointer in [error["pointer"] for error in problem["errors"]], (path, body)
        await ada.refused(404, "PUT", f"{items}/wish/cap", {"body": CAP})
        await ada.refused(404, "PUT", f"{items}/policy/none", {"operation": "retire"})
        await ada.refused(404, "PUT", "/v1/changes/none/items/policy/cap", {"body": CAP})
        await ada.refused(404, "DELETE", f"{items}/policy/cap")
        assert (await ada.done("GET", "/v1/changes/wrong"))["items"] == []
        await ada.refused(409, "POST", "/v1/changes/wrong/submit")

    play(story)


def test_faults_that_show_only_together_keep_it_from_being_submitted(
    play: Callable[[Story], None],
) -> None:
    async def story(api: Api) -> None:
        ada = api.by("ada")
        await ada.done("POST", "/v1/changes", {"name": "Typo"})
        wrong = {**NO_FASHION, "condition": "customer.agee > 200"}
        await ada.done("PUT", "/v1/changes/typo/items/policy/typo", {"body": wrong})
        checked = await ada.done("GET", "/v1/changes/typo/check")
        assert checked["publishable"] is False
        assert [fault["place"] for fault in checked["faults"]] == ["policy/typo/condition"]
        problem = await ada.refused(422, "POST", "/v1/changes/typo/submit")
        assert problem["errors"][0]["pointer"] == "policy/typo/condition"
        await ada.done("DELETE", "/v1/changes/typo/items/policy/typo")
        assert (await ada.done("GET", "/v1/changes/typo/check"))["publishable"] is True

    play(story)


def test_terms_are_renamed_and_objects_retired(play: Callable[[Story], None]) -> None:
    async def story(api: Api) -> None:
        ada, approver = api.by("ada"), api.by("approver")
        await ada.done("POST", "/v1/changes", {"name": "Words"})
        items = "/v1/changes/words/items"
        renamed = {"operation": "rename", "target": "credit/cards"}
        await ada.done("PUT", f"{items}/dimension/product:credit/card", renamed)
        await ada.done("PUT", f"{items}/policy/push_credit", {"operation": "retire"})
        await ada.done("POST", "/v1/changes/words/submit")
        await approver.done("POST", "/v1/changes/words/approve")
        await approver.done("POST", "/v1/changes/words/publish")
        (product,) = [
            one
            for one in (await ada.done("GET", "/v1/taxonomy"))["objects"]
            if one["id"] == "product"
        ]
        assert "credit/cards" in product["body"]["terms"]
        (card,) = [
            one
            for one in (await ada.done("GET", "/v1/catalog?kind=action"))["objects"]
            if one["id"] == "card"
        ]
        assert card["body"]["terms"] == ["product:credit/cards"]
        below = (await ada.done("GET", "/v1/catalog?kind=action&term=product:credit"))["objects"]
        assert [one["id"] for one in below] == ["card"]
        assert (await ada.done("GET", "/v1/policies?term=product:credit"))["objects"] == []
        policies = [one["id"] for one in (await ada.done("GET", "/v1/policies"))["objects"]]
        assert "push_credit" not in policies
        problem = await ada.refused(404, "GET", "/v1/objects/policy/push_credit")
        assert "retired" in problem["detail"]

    play(story)


def test_lists_are_as_long_as_asked_and_of_what_was_asked(play: Callable[[Story], None]) -> None:
    async def story(api: Api) -> None:
        ada = api.by("ada")
        for name in ("one", "two", "three"):
            await ada.done("POST", "/v1/changes", {"name": name})
        await ada.done("POST", "/v1/changes/two/abandon", {"note": "no"})
        listed = await ada.done("GET", "/v1/changes?limit=2")
        assert [change["id"] for change in listed["changes"]] == ["three", "two"]
        listed = await ada.done("GET", "/v1/changes?status=open")
        assert [change["id"] for change in listed["changes"]] == ["three", "one"]
        seen: list[int] = []
        page: Any = {"next_before": 1 << 40}
        while page["next_before"] is not None:
            before = page["next_before"]
            page = await ada.done("GET", f"/v1/audit?limit=3&before={before}")
            seen += [row["sequence"] for row in page["rows"]]
        assert seen == list(range(len(seen), 0, -1))
        kinds = {one["kind"] for one in (await ada.done("GET", "/v1/catalog"))["objects"]}
        assert kinds == {"project", "placement", "action", "content"}
        for path, pointer in (
            ("/v1/changes?limit=0", "/limit"),
            ("/v1/changes?limit=1001", "/limit"),
            ("/v1/changes?status=lost", "/status"),
            ("/v1/plans?limit=x", "/limit"),
            ("/v1/audit?before=-1", "/before"),
            ("/v1/catalog?kind=policy", "/kind"),
        ):
            problem = await ada.refused(422, "GET", path)
            assert [error["pointer"] for error in problem["errors"]] == [pointer]
        await ada.refused(404, "GET", "/v1/objects/wish/x")
        await ada.refused(404, "GET", "/v1/objects/policy/none")
        await api.by("approver").refused(404, "POST", "/v1/plans/nothing/rollback")

    play(story)


def test_keys_are_made_rotated_and_revoked_by_whoever_may(play: Callable[[Story], None]) -> None:
    async def story(api: Api) -> None:
        body = {"name": "shop", "scope": "decide", "only": ["report"]}
        await api.by("engineer").refused(403, "POST", "/v1/keys", body)
        reply = await api.ask("POST", "/v1/keys", body)
        assert (reply.status_code, reply.headers["cache-control"]) == (201, "no-store")
        made = reply.json()
        assert made["key"].startswith(f"nba_{made['id']}_")
        assert (made["permissions"], made["created_by"]) == (["report"], "key:admin")
        await api.refused(409, "POST", "/v1/keys", body)
        for wrong, pointer in (
            ({**body, "name": "x", "scope": "all"}, "/scope"),
            ({**body, "name": "x", "roles": ["viewer"]}, "/roles"),
            ({"name": "x", "scope": "manage", "roles": ["boss"]}, "/roles/0"),
            ({"name": "x", "scope": "manage"}, "/roles"),
            ({**body, "name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ):
            problem = await api.refused(422, "POST", "/v1/keys", wrong)
            assert problem["errors"][0]["pointer"] == pointer
        rotated = await api.done("POST", "/v1/keys/shop/rotate", {"grace_seconds": 0})
        assert rotated["key"] != made["key"]
        listed = (await api.done("GET", "/v1/keys"))["keys"]
        assert "shop" in [key["name"] for key in listed]
        assert not any("key" in key or "secret_hash" in key for key in listed)
        assert (await api.done("POST", "/v1/keys/shop/revoke"))["revoked_at"] is not None
        await api.refused(404, "POST", "/v1/keys/none/revoke")
        rows = (await api.done("GET", "/v1/audit?limit=3"))["rows"]
        assert [(row["verb"], row["subject"]) for row in rows] == [
            ("key.revoke", "key/shop"),
            ("key.rotate", "key/shop"),
            ("key.create", "key/shop"),
        ]

    play(story)


def test_a_simulation_says_what_would_change_and_changes_nothing(
    play: Callable[[Story], None],
) -> None:
    async def story(api: Api) -> None:
        ada = api.by("ada")
        await ada.done("POST", "/v1/changes", {"name": "What if"})
        await ada.done("PUT", "/v1/changes/what-if/items/policy/no_fashion", {"body": NO_FASHION})
        place = "/v1/changes/what-if/simulate"
        replies = await asyncio.gather(
            ada.ask("POST", place, {"decisions": 10}), ada.ask("POST", place)
        )
        done, refused = sorted(replies, key=lambda reply: reply.status_code)
        assert (done.status_code, refused.status_code) == (200, 429), done.text
        report = done.json()
        assert (report["available"], report["decisions"], report["unchanged"]) == (0, 0, True)
        assert (await ada.done("GET", "/v1/changes/what-if"))["status"] == "open"
        await ada.refused(404, "POST", "/v1/changes/none/simulate")
        problem = await ada.refused(422, "POST", place, {"decisions": 0})
        assert problem["errors"][0]["pointer"] == "/decisions"
        await api.by("viewer").refused(403, "POST", place)

    play(story)
