"""Profiles as this process last wrote them: a guess that saves reading them again."""

from __future__ import annotations

from collections import OrderedDict

MAX_PROFILES = 20_000
"""Profiles kept, the latest written; at a usual 600 bytes each some 15 MB."""

MAX_PROFILE_BYTES = 4_096
"""Longer ones are not kept, so that all together stay below 80 MB."""


class RecentProfiles:
    """The latest profiles written, by customer. Only a guess: whoever writes must compare."""

    def __init__(self, limit: int = MAX_PROFILES) -> None:
        self._limit = limit
        self._profiles: OrderedDict[str, bytes] = OrderedDict()

    def get(self, customer_id: str) -> bytes | None:
        """Return a profile as it was last written here, ``None`` where that is not known."""
        return self._profiles.get(customer_id)

    def put(self, customer_id: str, profile: bytes | None) -> None:
        """Remember a profile; the one written longest ago is forgotten beyond the limit."""
        if profile is None or len(profile) > MAX_PROFILE_BYTES:
            self.forget(customer_id)
            return
        self._profiles[customer_id] = profile
        self._profiles.move_to_end(customer_id)
        if len(self._profiles) > self._limit:
            self._profiles.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._profiles.clear()

    def forget(self, customer_id: str) -> None:
        """Forget a profile."""
        self._profiles.pop(customer_id, None)
