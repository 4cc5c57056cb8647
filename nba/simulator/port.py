"""The port through which the journey engine speaks to a decisioning service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Body = Mapping[str, Any]
"""A JSON object as the HTTP interface has it."""


class JourneyPort(Protocol):
    """What a journey engine needs of the service; bodies are those of the HTTP interface.

    Every call may be repeated with the same ids and then changes nothing.
    """

    async def put_customer(self, customer_id: str, body: Body) -> None:
        """Create or change a customer's profile."""

    async def events(self, batch: Sequence[Body]) -> None:
        """Report what happened, as Segment ``track`` bodies."""

    async def decide(self, request: Body) -> Body:
        """Ask for a decision and return the answer."""

    async def outcomes(self, batch: Sequence[Body]) -> Sequence[Body]:
        """Report what became of decisions and return one result each."""
