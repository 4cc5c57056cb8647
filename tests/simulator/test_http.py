"""The HTTP driver repeats what was not answered, unchanged, and nothing else."""

import asyncio
import json

import httpx
import pytest

from nba.domain.clock import ManualClock
from nba.errors import InputError, UnavailableError
from nba.simulator.http import HttpPort
from nba.simulator.journey import Journey
from nba.simulator.pace import ManualPace

REQUEST = {"customer_id": "c1", "request_id": "r1", "placements": [{"id": "p", "count": 1}]}


class Server:
    """Answers as scripted, then with success; an exception in the script is raised."""

    def __init__(self, *script):
        self.script = list(script)
        self.received = []

    def __call__(self, request):
        """Answer."""
        self.received.append((request.method, request.url.path, json.loads(request.content)))
        answer = self.script.pop(0) if self.script else httpx.Response(200, json={"results": []})
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(server, call, **settings):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    async def go():
        transport = httpx.MockTransport(server)
        async with httpx.AsyncClient(transport=transport, base_url="http://nba") as client:
            return await call(HttpPort(client, sleep=sleep, **settings))

    return asyncio.run(go()), waits


def test_a_decision_is_asked_for_again_with_the_same_request_id():
    lost = httpx.ReadTimeout("lost")
    server = Server(httpx.Response(503), lost, httpx.Response(200, json={"decision_id": "d"}))
    answer, waits = run(server, lambda port: port.decide(REQUEST))
    assert answer == {"decision_id": "d"}
    assert server.received == [("POST", "/v1/decisions", REQUEST)] * 3
    assert waits == [0.05, 0.1]


def test_retry_after_is_honoured():
    server = Server(httpx.Response(429, headers={"Retry-After": "3"}))
    _, waits = run(server, lambda port: port.outcomes([{"outcome_id": "o"}]))
    assert waits == [3.0]
    assert server.received == [("POST", "/v1/outcomes", {"outcomes": [{"outcome_id": "o"}]})] * 2


def test_a_retry_after_that_is_a_date_falls_back_to_waiting():
    server = Server(httpx.Response(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    _, waits = run(server, lambda port: port.events([]))
    assert waits == [0.05]


def test_giving_up_names_the_request_and_the_last_failure():
    server = Server(*[httpx.Response(503)] * 3)
    with pytest.raises(UnavailableError, match=r"POST /v1/events: status 503 after 3 attempts"):
        run(server, lambda port: port.events([]), attempts=3)
    assert len(server.received) == 3


def test_a_refused_request_is_not_repeated():
    server = Server(httpx.Response(422, json={"detail": "no"}))
    with pytest.raises(InputError, match=r"PUT /v1/customers/c1: status 422.*no"):
        run(server, lambda port: port.put_customer("c1", {}))
    assert len(server.received) == 1


def test_an_empty_answer_is_none():
    server = Server(httpx.Response(204))
    assert run(server, lambda port: port.put_customer("c1", {"attributes": {}}))[0] is None
    assert server.received == [("PUT", "/v1/customers/c1", {"attributes": {}})]


def test_answers_lost_on_the_way_change_nothing(world, arrivals, clock, port):
    """Every third request is carried out but its answer is lost: the service ends up the same."""
    clean = type(port)(ManualClock(clock()))
    asyncio.run(Journey(world, clean, pace=ManualPace(clean.clock)).play(arrivals))
    requests = 0

    async def handle(request):
        nonlocal requests
        requests += 1
        body = json.loads(request.content)
        if request.url.path == "/v1/decisions":
            answer = await port.decide(body)
        elif request.url.path == "/v1/outcomes":
            answer = {"results": await port.outcomes(body["outcomes"])}
        elif request.url.path == "/v1/events":
            answer = await port.events(body["batch"])
        else:
            answer = await port.put_customer(request.url.path.rpartition("/")[2], body)
        if requests % 3 == 0:
            raise httpx.ReadTimeout("lost")
        return httpx.Response(200, json=answer)

    async def sleep(_seconds):
        await asyncio.sleep(0)

    async def go():
        transport = httpx.MockTransport(handle)
        async with httpx.AsyncClient(transport=transport, base_url="http://nba") as client:
            journey = Journey(world, HttpPort(client, sleep=sleep), pace=ManualPace(clock))
            await journey.play(arrivals)
            return journey.memory.played

    played = asyncio.run(go())
    assert requests > 1.3 * len(arrivals)
    assert len(played) == len(arrivals)
    assert port.asked == clean.asked
    assert port.reported == clean.reported
    assert port.tracked == clean.tracked


def test_concurrency_is_bounded():
    under_way, most = 0, 0

    async def handle(_request):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return httpx.Response(200, json={})

    async def go():
        transport = httpx.MockTransport(handle)
        async with httpx.AsyncClient(transport=transport, base_url="http://nba") as client:
            port = HttpPort(client, concurrency=4)
            await asyncio.gather(*(port.decide(REQUEST) for _ in range(20)))

    asyncio.run(go())
    assert most == 4
