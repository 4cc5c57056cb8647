"""The journey engine's port over HTTP: bounded concurrency, and retries that change nothing twice.

Every request carries its own ids (``request_id``, ``outcome_id``, ``messageId``), so a request
whose answer was lost is simply sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from nba.errors import Fault, InputError, UnavailableError
from nba.simulator.port import Body

_RETRYABLE = frozenset({429, 502, 503, 504})
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 5.0
_REFUSED = 400


class HttpPort:
    """Speaks to a running service; ``client`` carries the base URL and the timeout.

    At most ``concurrency`` requests are under way. A request that meets 429, 502, 503, 504 or a
    transport error is repeated unchanged up to ``attempts`` times, waiting as ``Retry-After`` says
    or twice as long each time. Raises :class:`UnavailableError` when no attempt was answered, and
    :class:`InputError` when the service refuses the request.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        concurrency: int = 32,
        attempts: int = 8,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(concurrency)
        self._attempts = attempts
        self._sleep = sleep

    async def put_customer(self, customer_id: str, body: Body) -> None:
        """Create or change a customer's profile."""
        await self._send("PUT", f"/v1/customers/{customer_id}", body)

    async def events(self, batch: Sequence[Body]) -> None:
        """Report what happened in one request."""
        await self._send("POST", "/v1/events", {"batch": list(batch)})

    async def decide(self, request: Body) -> Body:
        """Ask for a decision."""
        answer: Body = await self._send("POST", "/v1/decisions", request)
        return answer

    async def outcomes(self, batch: Sequence[Body]) -> Sequence[Body]:
        """Report outcomes in one request."""
        answer = await self._send("POST", "/v1/outcomes", {"outcomes": list(batch)})
        results: Sequence[Body] = answer["results"]
        return results

    async def _send(self, method: str, path: str, body: Body) -> Any:
        wait_seconds = _FIRST_WAIT_SECONDS
        last = "no attempt was made"
        for _ in range(self._attempts):
            asked: float | None = None
            try:
                async with self._slots:
                    response = await self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                last = f"{type(error).__name__} {error}".strip()
            else:
                if response.status_code not in _RETRYABLE:
                    return _content(response, f"{method} {path}")
                last = f"status {response.status_code}"
                asked = _retry_after(response)
            await self._sleep(wait_seconds if asked is None else asked)
            wait_seconds = min(wait_seconds * 2, _LONGEST_WAIT_SECONDS)
        raise UnavailableError(f"{method} {path}: {last} after {self._attempts} attempts")


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None


def _content(response: httpx.Response, what: str) -> Any:
    if response.status_code >= _REFUSED:
        found = f"status {response.status_code}: {response.text[:500]}"
        raise InputError([Fault(what, found, "the service accepts every request of the journey")])
    return response.json() if response.content else None
