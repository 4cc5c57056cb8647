"""Bodies become words of the domain, or faults with pointers; nothing else ever escapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bodies import parse, parse_value
from nba.domain.customer import Consent, ProfileUpdate
from nba.domain.decision import DecisionRequest, Mode, PlacementRequest, TakenAction
from nba.domain.outcome import Outcome
from nba.errors import InputError
from nba.ingestion.segment import SegmentBody
from nba.serving.schemas import (
    DecisionBody,
    OutcomeBody,
    ProfileBody,
)

BODIES = (DecisionBody, OutcomeBody, ProfileBody, SegmentBody)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([n for b in BODIES for n in b.__struct_encode_fields__]) | st.text(),
            inner,
        )
    ),
    max_leaves=12,
)


def place_of(body: bytes, kind: type[object]) -> str:
    with pytest.raises(InputError) as caught:
        parse(body, kind)
    (fault,) = caught.value.faults
    assert fault.found
    assert fault.expected
    return fault.place


def test_a_decision_request_with_its_defaults() -> None:
    body = parse(b'{"customer_id":"a","placements":[{"id":"p"}]}', DecisionBody)
    assert body.to_domain() == DecisionRequest(
        customer_id="a", placements=(PlacementRequest(id="p", count=1),)
    )


def test_a_decision_request_in_full() -> None:
    body = {
        "customer_id": "a",
        "placements": [{"id": "p", "count": 2}, {"id": "q"}],
        "context": {"device": "mobile", "n": 1.5, "b": True},
        "attributes": {"age": 40},
        "actions": ["x", "y"],
        "terms": ["product:z"],
        "locale": "de",
        "request_id": "r",
        "mode": "dry_run",
    }
    assert parse(json.dumps(body).encode(), DecisionBody).to_domain() == DecisionRequest(
        customer_id="a",
        placements=(PlacementRequest(id="p", count=2), PlacementRequest(id="q")),
        context={"device": "mobile", "n": 1.5, "b": True},
        attributes={"age": 40.0},
        actions=("x", "y"),
        terms=("product:z",),
        locale="de",
        request_id="r",
        mode=Mode.DRY_RUN,
    )


def test_what_another_system_took_is_part_of_a_request() -> None:
    taken = [{"placement": "p", "action": "x", "content": "x.en", "probability": 0.5}]
    body = {"customer_id": "a", "placements": [{"id": "p"}], "mode": "shadow", "taken": taken}
    assert parse(json.dumps(body).encode(), DecisionBody).to_domain() == DecisionRequest(
        customer_id="a",
        placements=(PlacementRequest(id="p", count=1),),
        mode=Mode.SHADOW,
        taken=(TakenAction(placement="p", action="x", content="x.en", probability=0.5),),
    )


@pytest.mark.parametrize(
    ("at", "at_ms"),
    [
        (None, 5_000),
        ("1970-01-01T00:00:02Z", 2_000),
        ("1970-01-01T01:00:02.500+01:00", 2_500),
    ],
)
def test_an_outcome_happened_when_it_says_or_when_it_came(at: str | None, at_ms: int) -> None:
    body = {"outcome_id": "o", "decision_id": "d", "kind": "click", "at": at, "value": 2}
    outcome = parse_value(body, OutcomeBody).to_domain(received_at_ms=5_000)
    assert outcome == Outcome(
        outcome_id="o",
        decision_id="d",
        kind="click",
        at_ms=at_ms,
        received_at_ms=5_000,
        choice=0,
        value=2.0,
    )


def test_a_profile_tells_absent_from_null() -> None:
    body = parse(b'{"attributes":{"age":null},"consents":{"email":{"m":"granted"}}}', ProfileBody)
    assert body.to_domain("a") == ProfileUpdate(
        customer_id="a", attributes={"age": None}, consents={"email": {"m": Consent.GRANTED}}
    )
    listed = parse(b'{"audiences":{"members/gold":true,"blocked":false}}', ProfileBody)
    assert listed.to_domain("a").audiences == {"members/gold": True, "blocked": False}


@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        (b"{", DecisionBody, ""),
        (b"[]", DecisionBody, ""),
        (b"{}", DecisionBody, ""),
        (b'{"customer_id":"a","placements":[{"id":"p","x":1}]}', DecisionBody, "/placements/0"),
        (b'{"attributes":{"a":1,"b/c":[1]}}', ProfileBody, "/attributes/b~1c/0"),
        (b'{"attributes":{"a":1,"b~c":{}}}', ProfileBody, "/attributes/b~0c"),
        (b'{"consents":{"email":{"x":"granted","y":"no"}}}', ProfileBody, "/consents/email/y"),
        (b'{"attributes":{"ok":1,"far":1e999}}', ProfileBody, "/attributes/far"),
    ],
)
def test_a_fault_points_at_what_is_wrong(body: bytes, kind: type[object], place: str) -> None:
    assert place_of(body, kind) == place


@given(st.binary(max_size=60))
def test_any_bytes_parse_or_are_refused(body: bytes) -> None:
    for kind in BODIES:
        try:
            parse(body, kind)
        except InputError as error:
            assert error.faults  # noqa: PT017  # both ends are right


@given(JSON_VALUES)
def test_any_json_parses_or_is_refused_at_a_place_that_is_there(value: object) -> None:
    body = json.dumps(value, allow_nan=False) if _finite(value) else None
    if body is None:
        return
    for kind in BODIES:
        try:
            parse(body.encode(), kind)
        except InputError as error:
            (fault,) = error.faults
            assert _holds(json.loads(body), fault.place)


def _finite(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _holds(node: Any, place: str) -> bool:
    for step in place.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        node = node[int(key)] if isinstance(node, list) else node[key]
    return True
