"""Answering what makes a plan live: at once, or once this process decides with it.

Replicas are pointed at it before the answer. Where that fails it is published all the same, and the
worker points them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from nba.catalog.publications import Publication
from nba.domain.clock import to_rfc3339
from nba.errors import NbaError
from nba.serving.endpoint import Call
from nba.serving.follower import PlanFollower
from nba.serving.problems import Reply
from nba.serving.reading import yes_or_no
from nba.worker.pointing import Pointing

WAIT_SECONDS = 10.0
"""How long an answer waits for the plan at most."""

_POLL_SECONDS = 0.01

_logger = logging.getLogger(__name__)


class Following:
    """Points replicas at what was published, and waits until this process follows it."""

    def __init__(self, follower: PlanFollower, pointing: Pointing) -> None:
        self._follower = follower
        self._pointing = pointing

    async def answer(self, call: Call, publish: Callable[[], Publication]) -> Reply:
        """Publish off the loop and answer; ``?wait=true`` until the plan is followed here.

        ``live`` says whether it is: what was published and is not followed in time is published
        all the same.
        """
        wait = yes_or_no(call, "wait")
        publication = await asyncio.to_thread(publish)
        try:
            await self._pointing.at_current()
        except NbaError as error:
            _logger.warning("plan %s waits for the worker: %s", publication.version, error)
        if wait:
            await self._until(publication.version)
        answer = {**shown(publication), "live": self._follows(publication.version)}
        return Reply(msgspec.json.encode(answer))

    async def _until(self, version: str) -> None:
        for _ in range(round(WAIT_SECONDS / _POLL_SECONDS)):
            if self._follows(version):
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _follows(self, version: str) -> bool:
        plan = self._follower.plan()
        return plan is not None and plan.digest == version


def shown(publication: Publication) -> dict[str, Any]:
    """Return a publication as it is answered."""
    return {
        "publication": publication.id,
        "version": publication.version,
        "source": publication.source,
        "change_set": publication.change_set,
        "actor": publication.actor,
        "at": to_rfc3339(publication.at_ms),
    }
