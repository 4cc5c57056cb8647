"""What the API answers to what is right."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

HERO = [{"id": "web.home.hero"}]
NEVER_MADE = "00018bcfe5680000000000ff"
OLD = {"at": "2023-11-14T22:13:30Z"}  # ten seconds after the moment in NEVER_MADE


def decide(api: httpx.Client, customer: str, **more: Any) -> dict[str, Any]:
    reply = api.post("/v1/decisions", json={"customer_id": customer, "placements": HERO, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


def report(api: httpx.Client, *outcomes: dict[str, Any]) -> list[dict[str, Any]]:
    reply = api.post("/v1/outcomes", json={"outcomes": outcomes})
    assert reply.status_code == 200, reply.text
    return reply.json()["results"]


def send(api: httpx.Client, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    reply = api.post("/v1/events", json={"batch": messages})
    assert reply.status_code == 200, reply.text
    return reply.json()["results"]


def timeline(api: httpx.Client, customer: str, **query: Any) -> list[dict[str, Any]]:
    reply = api.get(f"/v1/customers/{customer}/timeline", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()["timeline"]


def measured(api: httpx.Client) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(api.get("/metrics").text)
        for sample in family.samples
    }


# Decisions


def test_a_decision_answers_all_it_says_it_does(api: httpx.Client) -> None:
    answer = decide(api, "whole")
    assert set(answer) == {
        *("decision_id", "customer_id", "at", "expires_at", "plan_version", "choices"),
        *("holdout", "fallback", "degraded", "not_before", "mode"),
    }
    (choice,) = answer["choices"]
    assert (choice["placement"], choice["rank"]) == ("web.home.hero", 1)
    assert 0 < choice["probability"] <= 1
    assert (choice["content"] is None) == (choice["content_probability"] is None)
    assert re.fullmatch(r"[0-9a-f]{24}", answer["decision_id"])
    assert answer["plan_version"] == api.get("/readyz").json()["plan_version"]


def test_a_decision_is_kept_explained_and_replayed_to_the_byte(api: httpx.Client) -> None:
    body = {"customer_id": "kept", "placements": HERO, "context": {"device": "mobile"}}
    given = api.post("/v1/decisions", json=body)
    path = f"/v1/decisions/{given.json()['decision_id']}"
    assert api.get(path).content == given.content
    assert api.get(f"{path}/replay").content == given.content
    explained = api.get(f"{path}/explain").json()
    assert explained["replayed"] is True
    assert explained["answer"] == given.json()


def test_a_filter_leaves_only_what_it_names(api: httpx.Client) -> None:
    (choice,) = decide(api, "filtered", actions=["no_action"])["choices"]
    assert (choice["action"], choice["probability"]) == ("no_action", 1.0)


def test_the_same_request_id_gives_the_same_answer_and_another_body_is_a_conflict(
    api: httpx.Client,
) -> None:
    first = decide(api, "retried", request_id="r1")
    assert decide(api, "retried", request_id="r1") == first
    body = {"customer_id": "retried", "placements": [{"id": "app.inbox"}], "request_id": "r1"}
    reply = api.post("/v1/decisions", json=body)
    assert reply.status_code == 409
    assert reply.json()["type"] == "urn:nba:problem:conflict"


def test_a_dry_run_leaves_nothing_behind(api: httpx.Client) -> None:
    answer = decide(api, "dry", mode="dry_run")
    assert answer["mode"] == "dry_run"
    assert api.get(f"/v1/decisions/{answer['decision_id']}").status_code == 404
    assert timeline(api, "dry") == []
    assert api.get("/v1/customers/dry/export").status_code == 404


# Outcomes


def test_the_same_outcome_five_times_is_recorded_once(api: httpx.Client) -> None:
    decision = decide(api, "five", actions=["no_action"])["decision_id"]
    outcome = {"outcome_id": "five-1", "decision_id": decision, "kind": "convert", "value": 9.5}
    found = [report(api, outcome)[0]["status"] for _ in range(5)]
    assert found == ["recorded"] + ["duplicate"] * 4
    together = [{**outcome, "outcome_id": "five-2"}] * 5
    assert [r["status"] for r in report(api, *together)] == ["recorded"] + ["duplicate"] * 4
    mine = [entry for entry in timeline(api, "five") if entry["type"] == "outcome"]
    assert sorted(entry["id"] for entry in mine) == ["five-1", "five-2"]


def test_an_outcome_id_used_for_another_outcome_is_rejected(api: httpx.Client) -> None:
    decision = decide(api, "reused", actions=["no_action"])["decision_id"]
    outcome = {"outcome_id": "reused-1", "decision_id": decision, "kind": "convert", "value": 1.0}
    report(api, outcome)
    (result,) = report(api, {**outcome, "value": 2.0})
    assert (result["status"], result["error"]["pointer"]) == ("rejected", "/outcomes/0/outcome_id")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"decision_id": "nonsense"}, "/decision_id"),
        ({"decision_id": "fff18bcfe5680000000000ff"}, "/decision_id"),
        ({"at": "2999-01-01T00:00:00Z"}, "/at"),
        ({"at": "2001-01-01T00:00:00Z"}, "/at"),
        ({"at": "2026-01-01T00:00:00"}, "/at"),
        ({"at": 7}, "/at"),
        ({"choice": 1}, "/choice"),
        ({"choice": -1}, "/choice"),
        ({"choice": 0.5}, "/choice"),
        ({"kind": "click"}, "/kind"),
        ({"kind": ""}, "/kind"),
        ({"kind": "x" * 129}, "/kind"),
        ({"outcome_id": "x" * 129}, "/outcome_id"),
        ({"value": "9"}, "/value"),
        ({"value": 1e10}, "/value"),
        ({"colour": "red"}, ""),
    ],
)
def test_a_wrong_outcome_is_rejected_alone_and_refused_on_its_own(
    api: httpx.Client, change: dict[str, Any], place: str
) -> None:
    decision = decide(api, "wrong-outcome", actions=["no_action"])["decision_id"]
    good = {"outcome_id": f"good-{decision}", "decision_id": decision, "kind": "convert"}
    bad = {**good, "outcome_id": f"bad-{decision}", **change}
    first, second, third = report(api, good, bad, {**good, "outcome_id": f"last-{decision}"})
    assert [first["status"], second["status"], third["status"]] == [
        *("recorded", "rejected", "recorded")
    ]
    assert second["error"]["pointer"] == f"/outcomes/1{place}"
    alone = api.post("/v1/outcomes", json=bad)
    assert alone.status_code == 422
    assert [e["pointer"] for e in alone.json()["errors"]] == [place]


def test_an_item_that_is_no_object_stops_no_other(api: httpx.Client) -> None:
    decision = decide(api, "odd-item", actions=["no_action"])["decision_id"]
    good = {"outcome_id": "odd-1", "decision_id": decision, "kind": "convert"}
    reply = api.post("/v1/outcomes", json={"outcomes": [None, 7, good]})
    assert [r["status"] for r in reply.json()["results"]] == ["rejected", "rejected", "recorded"]


def test_an_outcome_of_a_decision_that_never_was_is_unmatched(api: httpx.Client) -> None:
    outcome = {"outcome_id": "orphan", "decision_id": NEVER_MADE, "kind": "convert", **OLD}
    assert report(api, outcome) == [{"outcome_id": "orphan", "status": "unmatched"}]


def test_clocks_may_disagree_by_five_minutes(api: httpx.Client) -> None:
    decision = decide(api, "clocks", actions=["no_action"])["decision_id"]
    now = datetime.now(UTC)
    outcome = {"decision_id": decision, "kind": "convert"}
    moments = {"ahead": 240, "behind": -240, "too-far-ahead": 360, "too-far-behind": -360}
    results = report(
        api,
        *(
            {**outcome, "outcome_id": name, "at": (now + timedelta(seconds=by)).isoformat()}
            for name, by in moments.items()
        ),
    )
    assert [r["status"] for r in results] == ["recorded"] * 2 + ["rejected"] * 2


def test_a_thousand_outcomes_are_taken_at_once(api: httpx.Client) -> None:
    decision = decide(api, "thousand", actions=["no_action"])["decision_id"]
    outcomes = [
        {"outcome_id": f"k{n}", "decision_id": decision, "kind": "convert"} for n in range(1_000)
    ]
    assert {r["status"] for r in report(api, *outcomes)} == {"recorded"}


# Events


def test_a_batch_of_messages_is_taken_in_each_with_its_result(api: httpx.Client) -> None:
    viewed = {"type": "track", "userId": "batch", "event": "Product Viewed"}
    results = send(
        api,
        {"type": "identify", "userId": "batch", "traits": {"age": 40, "shoe_size": 44}},
        {**viewed, "messageId": "v1", "properties": {"category": "home", "colour": "red"}},
        {**viewed, "messageId": "v1", "properties": {"category": "home"}},
        {**viewed, "messageId": "v2", "event": "Moon Landed"},
        {**viewed, "messageId": "v3", "timestamp": "yesterday"},
        {**viewed, "messageId": "v4"},
    )
    assert [r["status"] for r in results] == [
        *("recorded", "recorded", "duplicate", "ignored", "rejected", "recorded")
    ]
    assert results[0]["ignored"] == ["shoe_size"]
    assert results[1]["ignored"] == ["colour"]
    assert [e["pointer"] for e in results[4]["errors"]] == ["/batch/4/timestamp"]
    profile = api.get("/v1/customers/batch").json()
    assert profile["attributes"]["age"] == 40
    assert profile["aggregates"]["views_7d"] == 2
    assert profile["aggregates"]["views_home_7d"] == 1


def test_one_message_may_be_sent_as_it_is(api: httpx.Client) -> None:
    message = {"type": "track", "userId": "single", "event": "App Opened", "messageId": "s1"}
    for status in ("recorded", "duplicate"):
        reply = api.post("/v1/events", json=message)
        assert (reply.status_code, reply.json()) == (200, {"results": [{"status": status}]})


def test_messages_without_an_id_are_each_their_own(api: httpx.Client) -> None:
    message = {"type": "track", "userId": "nameless", "event": "App Opened"}
    assert [r["status"] for r in send(api, message, message)] == ["recorded", "recorded"]
    assert api.get("/v1/customers/nameless").json()["aggregates"]["app_opens_30d"] == 2


def test_an_identify_message_carries_zone_and_locale(api: httpx.Client) -> None:
    context = {"timezone": "Europe/Berlin", "locale": "de", "ip": "8.8.8.8"}
    send(api, {"type": "identify", "userId": "zone", "traits": {"age": 1}, "context": context})
    profile = api.get("/v1/customers/zone").json()
    assert (profile["time_zone"], profile["locale"]) == ("Europe/Berlin", "de")


# Customers


def test_a_profile_is_changed_in_parts_and_null_clears(api: httpx.Client) -> None:
    path = "/v1/customers/parts"
    body = {
        "attributes": {"age": 40, "region": "north"},
        "consents": {"email": {"marketing": "granted"}, "sms": {"marketing": "denied"}},
        "time_zone": "Europe/Berlin",
    }
    assert api.put(path, json=body).json() == {"status": "recorded", "ignored": []}
    assert api.put(path, json={"attributes": {"age": None, "shoe_size": 1}}).json() == {
        "status": "recorded",
        "ignored": ["shoe_size"],
    }
    profile = api.get(path).json()
    assert profile["attributes"]["age"] is None
    assert profile["attributes"]["region"] == "north"
    assert profile["consents"]["email"]["marketing"] == "granted"
    assert profile["consents"]["sms"]["marketing"] == "denied"
    assert profile["time_zone"] == "Europe/Berlin"


def test_a_customer_id_may_hold_slashes(api: httpx.Client) -> None:
    api.put("/v1/customers/shop/7", json={"attributes": {"age": 30}})
    assert api.get("/v1/customers/shop%2F7").json()["customer_id"] == "shop/7"
    assert api.get("/v1/customers/shop/7/timeline").json()["customer_id"] == "shop/7"


def test_a_timeline_is_newest_first_and_only_of_its_customer(api: httpx.Client) -> None:
    decision = decide(api, "line", actions=["no_action"])["decision_id"]
    decide(api, "somebody-else")
    report(api, {"outcome_id": "line-o", "decision_id": decision, "kind": "convert"})
    send(api, {"type": "track", "userId": "line", "event": "App Opened", "messageId": "line-e"})
    entries = timeline(api, "line")
    assert [(e["type"], e["id"]) for e in entries] == [
        ("event", "line-e"),
        ("outcome", "line-o"),
        ("decision", decision),
    ]
    assert entries[-1]["choices"][0]["content_probability"] is None
    assert timeline(api, "line", limit=1) == entries[:1]
    export = api.get("/v1/customers/line/export").json()
    assert [entry["message_id"] for entry in export["events"]] == ["line-e"]
    assert [entry["outcome_id"] for entry in export["outcomes"]] == ["line-o"]
    assert [entry["decision_id"] for entry in export["decisions"]] == [decision]


def test_erasing_leaves_nothing_to_read(api: httpx.Client) -> None:
    api.put("/v1/customers/gone", json={"attributes": {"age": 40}})
    decisions = [decide(api, "gone")["decision_id"] for _ in range(2)]
    reply = api.delete("/v1/customers/gone")
    assert (reply.status_code, reply.json()["decisions"]) == (202, 2)
    assert api.get("/v1/customers/gone").status_code == 404
    assert api.get("/v1/customers/gone/export").status_code == 404
    assert timeline(api, "gone") == []
    assert [api.get(f"/v1/decisions/{d}").status_code for d in decisions] == [404, 404]
    again = api.delete("/v1/customers/gone")
    assert (again.status_code, again.json()["decisions"]) == (202, 0)
    place = again.json()["erasure"]
    assert place == "/v1/customers/gone/erasure"
    found = api.get(place).json()
    assert (found["status"], found["searched"], found["ids"]) == ("pending", [], 1)
    assert "gone" not in found["pseudonym"]
    assert api.get("/v1/customers/never-erased/erasure").status_code == 404


def test_an_export_has_everything_in_clear_and_nothing_of_others(api: httpx.Client) -> None:
    body = {
        "attributes": {"age": 40, "gender": "other"},
        "consents": {"email": {"marketing": "granted"}},
    }
    api.put("/v1/customers/complete", json=body)
    api.put("/v1/customers/another", json=body)
    decision = decide(api, "complete", request_id="w1")["decision_id"]
    export = api.get("/v1/customers/complete/export").json()
    assert export["profile"]["attributes"]["gender"] == "other"
    (update,) = export["updates"]
    assert update["attributes"] == {"age": 40, "gender": "other"}
    assert (update["customer_id"], update["source"]) == ("complete", "api")
    (decided,) = export["decisions"]
    assert decided["decision_id"] == decision
    assert decided["features"]["gender"] == "other"
    assert decided["asked"]["request_id"] == "w1"
    assert export["aliases"] == []
    assert "another" not in json.dumps(export)


def test_consents_say_since_when_they_stand_and_where_they_are_from(api: httpx.Client) -> None:
    path = "/v1/customers/words"
    for word, source in (("denied", "call"), ("granted", "form 7"), ("granted", "letter")):
        body = {"consents": {"email": {"marketing": word}}, "consent_source": source}
        assert api.put(path, json=body).is_success
    found = api.get(f"{path}/consents").json()
    words = [(word["consent"], word["source"]) for word in found["history"]]
    assert words == [("denied", "call"), ("granted", "form 7"), ("granted", "letter")]
    standing = found["standing"]["email"]["marketing"]
    assert (standing["consent"], standing["source"]) == ("granted", "form 7")
    assert standing["since"] == found["history"][1]["at"]
    assert api.get(f"{path}/export").json()["consents"] == found["history"]
    assert api.get("/v1/customers/nobody-at-all/consents").status_code == 404


def test_lists_are_shown_exported_and_erased_and_are_no_consents(api: httpx.Client) -> None:
    path = "/v1/customers/listed"
    consents = {"email": {"marketing": "granted"}}
    api.put(
        path, json={"consents": consents, "audiences": {"members/gold": True, "families": True}}
    )
    api.put(path, json={"audiences": {"families": False}})
    profile = api.get(path).json()
    assert (profile["audiences"], profile["consents"]) == (["members/gold"], consents)
    assert list(api.get(f"{path}/consents").json()["standing"]) == ["email"]
    export = api.get(f"{path}/export").json()
    assert export["profile"]["audiences"] == ["members/gold"]
    assert [update["audiences"] for update in export["updates"]] == [
        {"members/gold": True, "families": True},
        {"families": False},
    ]
    assert api.delete(path).status_code == 202
    assert api.get(path).status_code == 404


def test_a_source_of_consents_is_checked(api: httpx.Client) -> None:
    for source in ("", "x" * 129, "alias:somebody"):
        reply = api.put("/v1/customers/unsourced", json={"consent_source": source})
        assert reply.status_code == 422
        assert reply.json()["errors"][0]["pointer"] == "/consent_source"


# Operations


def test_it_says_that_it_lives_and_that_it_can_decide(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "alive"}
    ready = api.get("/readyz").json()
    assert ready["status"] == "ready"
    assert re.fullmatch(r"[0-9a-f]{10}\.0", ready["plan_version"])


def test_what_is_done_is_counted_and_timed(api: httpx.Client) -> None:
    decision = decide(api, "counted", actions=["no_action"])["decision_id"]
    outcome = {"outcome_id": "counted-1", "decision_id": decision, "kind": "convert"}
    message = {"type": "track", "userId": "counted", "event": "App Opened", "messageId": "c1"}
    report(api, outcome)
    send(api, message)
    before = measured(api)
    decide(api, "counted")
    api.post("/v1/decisions", content=b"{")
    report(api, outcome)
    send(api, message)
    after = measured(api)
    grown = {key: value - before[key] for key, value in after.items()}
    assert grown["nba_decisions_total", ("answered",)] == 1
    assert grown["nba_decisions_total", ("refused",)] == 1
    assert grown["nba_decision_seconds_count", ()] == 1
    for stage in ("read", "features", "decide", "encode", "reserve"):
        assert grown["nba_decision_stage_seconds_count", (stage,)] == 1
    assert grown["nba_outcomes_total", ("duplicate",)] == 1
    assert grown["nba_events_total", ("duplicate",)] == 1
    live = [api.get("/readyz").json()["plan_version"]]
    shown = measured(api)
    live.append(api.get("/readyz").json()["plan_version"])  # a snapshot may come in between
    digest = live[0].partition(".")[0]
    assert shown["nba_plan_snapshot", (digest,)] in {float(v.partition(".")[2]) for v in live}


def test_every_documented_operation_is_answered_and_every_other_method_is_not(
    api: httpx.Client,
) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert len(document["paths"]) == 46
    for path, operations in document["paths"].items():
        real = path.replace("{decision_id}", NEVER_MADE).replace("{customer_id}", "documented")
        for method in ("get", "put", "post", "delete", "patch"):
            status = api.request(method, real).status_code
            assert (status != 405) == (method in operations), (method, path)
            assert status < 500


def test_every_reference_in_the_document_leads_somewhere(api: httpx.Client) -> None:
    reply = api.get("/openapi.json")
    schemas = reply.json()["components"]["schemas"]
    named = set(re.findall(r'"#/components/schemas/(\w+)"', reply.text))
    assert named <= set(schemas)


def test_the_page_of_the_documentation_needs_no_other_host(api: httpx.Client) -> None:
    page = api.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 3
    for asset in assets:
        assert api.get(asset).status_code == 200, asset
    assert len(api.get(assets[-1]).content) > 100_000


# Shadow


def test_what_another_system_took_is_kept_replayed_and_forgotten(api: httpx.Client) -> None:
    taken = [{"placement": "web.home.hero", "action": "no_action", "probability": 0.5}]
    answer = decide(api, "shadowed", mode="shadow", taken=taken)
    (ours,), (theirs,) = answer["choices"], answer["taken"]
    assert (theirs["action"], theirs["probability"]) == ("no_action", 0.5)
    assert theirs["agrees"] == (ours["action"] == "no_action")
    path = f"/v1/decisions/{answer['decision_id']}"
    given = api.get(path).content
    assert json.loads(given) == answer
    assert api.get(f"{path}/replay").content == given
    assert api.get(f"{path}/explain").json()["placements"][0]["taken"] == theirs
    (entry,) = timeline(api, "shadowed")
    assert entry["choices"][0]["action"] == "no_action"
    assert entry["choices"][0]["shadow_action"] == ours["action"]
    (exported,) = api.get("/v1/customers/shadowed/export").json()["decisions"]
    assert exported["choices"][0]["shadow_action"] == ours["action"]
    assert exported["asked"]["taken"][0]["action"] == "no_action"
    assert api.delete("/v1/customers/shadowed").status_code in {200, 202}
    assert api.get(path).status_code == 404


def test_what_cannot_have_been_taken_is_refused_with_a_pointer(api: httpx.Client) -> None:
    body = {"customer_id": "wrong", "placements": HERO, "mode": "shadow"}
    wrong = {"placement": "web.home.hero", "action": "boat", "probability": 0}
    reply = api.post("/v1/decisions", json={**body, "taken": [wrong]})
    assert reply.status_code == 422
    pointers = [fault["pointer"] for fault in reply.json()["errors"]]
    assert pointers == ["/taken/0/action", "/taken/0/probability"]


def test_a_report_of_nothing_in_shadow_is_refused(api: httpx.Client) -> None:
    reply = api.get("/v1/reports/shadow")
    assert reply.status_code == 422
    assert reply.json()["type"] == "urn:nba:problem:evaluation-refused"
