"""Rollouts in memory: for tests and simulations; nothing survives its process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, MutableMapping

from nba.domain.clock import MILLISECONDS_PER_SECOND, Clock
from nba.domain.ids import CustomerId
from nba.features.rollout import REPLICA_SECONDS, Followed, Rollout


class MemoryRolloutStore:
    """A :class:`~nba.features.rollout.RolloutStore` that lives as long as its process.

    Parameters
    ----------
    profiles
        Holds the profiles by customer, as :class:`nba.features.memory.MemoryProfileStore` does.
    clock
        Decides who spoke lately.

    """

    def __init__(self, profiles: MutableMapping[str, bytes], clock: Clock) -> None:
        self._profiles = profiles
        self._clock = clock
        self._rollout: Rollout | None = None
        self._replicas: dict[str, tuple[int, Followed]] = {}

    async def rollout(self) -> Rollout | None:
        """Return what is under way."""
        return self._rollout

    async def set_rollout(self, rollout: Rollout | None) -> None:
        """Say what is under way."""
        self._rollout = rollout

    async def beat(self, replica: str, followed: Followed) -> None:
        """Say that a replica is there, and what it follows."""
        self._replicas[replica] = (self._clock(), followed)

    async def leave(self, replica: str) -> None:
        """Say that a replica is gone."""
        self._replicas.pop(replica, None)

    async def replicas(self) -> Mapping[str, Followed]:
        """Return what each replica follows that spoke lately."""
        since_ms = self._clock() - REPLICA_SECONDS * MILLISECONDS_PER_SECOND
        found = self._replicas.items()
        return {name: followed for name, (at_ms, followed) in found if at_ms > since_ms}

    async def customers(self) -> AsyncIterator[list[CustomerId]]:
        """Iterate over the ids of all profiles."""
        yield [CustomerId(name) for name in list(self._profiles)]
