"""The in-process driver turns bodies into the domain's types, as the HTTP layer would."""

import asyncio

from nba.decision.outcomes import OutcomeResult, OutcomeStatus
from nba.domain.customer import Consent
from nba.domain.ids import OutcomeId
from nba.simulator.local import LocalPort


class Service:
    """Remembers what it was given."""

    def __init__(self):
        self.given = []

    async def put_customer(self, update):
        """Remember."""
        self.given.append(update)

    async def record_events(self, events):
        """Remember."""
        self.given.extend(events)

    async def decide(self, request):
        """Answer with bytes, as the pipeline does."""
        self.given.append(request)
        return b'{"decision_id":"d1","choices":[]}'

    async def report(self, outcomes):
        """Answer each."""
        self.given.extend(outcomes)
        return [OutcomeResult(OutcomeId("o1"), OutcomeStatus.DUPLICATE)]


def call(method, *arguments):
    service = Service()
    port = LocalPort(service, clock=lambda: 9_000)
    answer = asyncio.run(getattr(port, method)(*arguments))
    return answer, service.given[0]


def test_a_profile_carries_consents_and_leaves_out_what_is_absent():
    body = {"attributes": {"age": 30.0}, "consents": {"email": {"marketing": "granted"}}}
    _, update = call("put_customer", "c1", body)
    assert update.customer_id == "c1"
    assert update.attributes == {"age": 30.0}
    assert update.consents == {"email": {"marketing": Consent.GRANTED}}
    assert update.time_zone is None


def test_events_are_stamped_when_received():
    body = {
        "userId": "c1",
        "event": "App Opened",
        "messageId": "m1",
        "timestamp": "1970-01-01T00:00:05.000Z",
        "properties": {"platform": "ios"},
    }
    _, event = call("events", [body])
    assert (event.at_ms, event.received_at_ms) == (5_000, 9_000)
    assert (event.name, event.message_id) == ("App Opened", "m1")


def test_a_request_keeps_its_id_and_the_answer_is_decoded():
    body = {
        "customer_id": "c1",
        "placements": [{"id": "email.body", "count": 1}],
        "context": {"month": 3.0},
        "request_id": "r1",
    }
    answer, request = call("decide", body)
    assert answer == {"decision_id": "d1", "choices": []}
    assert request.request_id == "r1"
    assert request.placements[0].id == "email.body"
    assert request.context == {"month": 3.0}


def test_outcomes_are_answered_one_by_one():
    body = {
        "outcome_id": "o1",
        "decision_id": "d1",
        "kind": "convert",
        "at": "1970-01-01T00:00:07.000Z",
        "choice": 0,
        "value": 12.5,
    }
    answer, outcome = call("outcomes", [body])
    assert answer == [{"outcome_id": "o1", "status": "duplicate"}]
    assert (outcome.at_ms, outcome.received_at_ms, outcome.value) == (7_000, 9_000, 12.5)
