"""Key names. Everything one decision touches carries the customer's partition as its hash tag.

A partition is written ``{00f}``, so that Redis Cluster keeps all its keys in one slot and a script
may touch them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nba.domain.ids import CustomerId, decision_partition, partition_of
from nba.errors import Fault, InputError

_GLOB = re.compile(r"[\\*?\[\]]")


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix; ``partitions`` is fixed for the life of the stored data."""

    partitions: int = 16
    prefix: str = "nba"
    _heads: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        heads = tuple(f"{self.prefix}:{{{number:03x}}}" for number in range(self.partitions))
        object.__setattr__(self, "_heads", heads)

    def partition_of(self, customer_id: str) -> int:
        """Return the partition that holds everything about a customer."""
        return partition_of(customer_id, self.partitions)

    def partition_of_decision(self, decision_id: str) -> int:
        """Return the partition a decision id carries; :class:`InputError` where it carries none."""
        partition = decision_partition(decision_id)
        if partition is None or partition >= self.partitions:
            raise InputError(
                [
                    Fault(
                        "/decision_id",
                        f"{decision_id[:64]!r} is no decision id",
                        "use the answer's",
                    )
                ]
            )
        return partition

    def _key(self, partition: int, kind: str, name: str = "") -> str:
        return self._heads[partition] + kind + name

    def profile(self, customer_id: str) -> str:
        """Return the key of a customer's packed profile."""
        return self._key(self.partition_of(customer_id), "p:", customer_id)

    def history(self, customer_id: str) -> str:
        """Return the key of a customer's contact history."""
        return self._key(self.partition_of(customer_id), "h:", customer_id)

    def aliases(self, customer_id: str) -> str:
        """Return the key of the former ids that lead to a customer (a hash)."""
        return self._key(self.partition_of(customer_id), "a:", customer_id)

    def frozen_profile(self, customer_id: str) -> str:
        """Return the key of a former id's profile until it is merged."""
        return self._key(self.partition_of(customer_id), "fp:", customer_id)

    def frozen_history(self, customer_id: str) -> str:
        """Return the key of a former id's contact history until it is merged."""
        return self._key(self.partition_of(customer_id), "fh:", customer_id)

    def request(self, customer_id: str, request_id: str) -> str:
        """Return the key that remembers which decision answered a ``request_id``."""
        return self._key(self.partition_of(customer_id), "q:", f"{customer_id}\x00{request_id}")

    def decision(self, decision_id: str) -> str:
        """Return the key of a decision's record."""
        return self._key(self.partition_of_decision(decision_id), "d:", decision_id)

    def outcomes(self, decision_id: str) -> str:
        """Return the key of a decision's outcomes and resolutions (a hash)."""
        return self._key(self.partition_of_decision(decision_id), "o:", decision_id)

    def decisions_of(self, customer_id: str) -> str:
        """Return the key of the ids of a customer's decisions still held online (a sorted set)."""
        return self._key(self.partition_of(customer_id), "t:", customer_id)

    def pending(self, partition: int) -> str:
        """Return the key of choices that wait for their horizon (a sorted set)."""
        return self._key(partition, "pending")

    def ledger(self, partition: int) -> str:
        """Return the key of a partition's ledger stream."""
        return self._key(partition, "ledger")

    def progress(self, partition: int) -> str:
        """Return the key of how far each reader of a partition's ledger has come (a hash)."""
        return self._key(partition, "progress")

    def claim(self, name: str) -> str:
        """Return the key of whose a right is that one process has at a time."""
        return f"{self.prefix}:claim:{name}"

    def seen(self, partition: int, day: int) -> str:
        """Return the key of the message ids seen on a day."""
        return self._key(partition, "seen:", str(day))

    def ingestion(self, job: str) -> str:
        """Return the key of how far a file has come."""
        return f"{self.prefix}:ingest:{job}"

    def erasure(self, pseudonym: str) -> str:
        """Return the key of how far the erasure of a customer has come."""
        return self._key(self.partition_of(pseudonym), "x:", pseudonym)

    def budget(self, slot: str, part: str, name: str) -> str:
        """Return the key of a part of a budget's account; all parts lie in one hash slot."""
        return f"{self.prefix}:{{b{slot}}}{part}:{name}"

    @property
    def budgets(self) -> str:
        """The accounts of budgets that the worker looks after (a set)."""
        return f"{self.prefix}:budgets"

    def tallies(self, partition: int) -> str:
        """Return the key of what was counted of a partition's decisions (a hash)."""
        return self._key(partition, "tallies")

    @property
    def shared(self) -> str:
        """What follows from the tallies for every replica."""
        return f"{self.prefix}:shared"

    @property
    def clearing(self) -> str:
        """The erasures whose bytes are still to be cleared from the server's files (a set)."""
        return f"{self.prefix}:clearing"

    @property
    def alias_claims(self) -> str:
        """The aliases being made right now, by former id (a hash)."""
        return f"{self.prefix}:aliasing"

    @property
    def plan(self) -> str:
        """The pointer to the live plan: its version and bandit snapshot."""
        return f"{self.prefix}:plan"

    @property
    def rollout(self) -> str:
        """The change of layout under way."""
        return f"{self.prefix}:rollout"

    @property
    def replicas(self) -> str:
        """What each replica follows (a hash)."""
        return f"{self.prefix}:replicas"

    @property
    def all_profiles(self) -> str:
        """A pattern that the keys of all profiles match, and nothing else does."""
        return f"{_GLOB.sub(_escaped, self.prefix)}:{{???}}p:*"

    def customer_of_profile(self, key: str) -> CustomerId:
        """Return the customer of a profile's key."""
        return CustomerId(key.removeprefix(self.prefix).partition("}p:")[2])


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"
