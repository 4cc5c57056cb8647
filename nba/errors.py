"""Every error this system raises on purpose.

::

    NbaError
    ├── DefinitionError        files or definitions are wrong; carries every fault with its place
    ├── InputError             a request or record is wrong; carries every fault with its pointer
    ├── UnauthenticatedError   nobody known asks: no credentials, or none that count
    ├── AccessDeniedError      whoever asks may not do this
    ├── NotFoundError          the thing named does not exist
    ├── ConflictError          the thing changed meanwhile, or an idempotency key was reused
    ├── OverloadedError        try again later; carries ``retry_after_seconds``
    ├── UnavailableError       cannot answer safely: a store is down or no plan is live
    ├── EvaluationRefusedError the data cannot carry the conclusion asked for; says what would
    └── CorruptRecordError     a stored record cannot be read back

The tree knows nothing of HTTP; ``nba.serving.problems`` maps it to status codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, where it is, and what would be right.

    ``place`` is a file position (``policies/caps.yaml:12``) or a JSON pointer (``/items/0/id``).
    """

    place: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.place}: {self.found}; {self.expected}"


class NbaError(Exception):
    """Base of every error raised on purpose."""


class FaultsError(NbaError):
    """An error made of faults, each with its place."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class DefinitionError(FaultsError):
    """Definitions (catalog, features, policies, models, mappings) are wrong."""


class InputError(FaultsError):
    """A request or record is wrong; each fault carries a JSON pointer."""


class UnauthenticatedError(NbaError):
    """Nobody known asks: there are no credentials, or none that count."""


class AccessDeniedError(NbaError):
    """Whoever asks is known, and may not do this."""


class NotFoundError(NbaError):
    """The thing named does not exist."""


class ConflictError(NbaError):
    """The thing changed meanwhile, or an idempotency key was reused with another body."""


class OverloadedError(NbaError):
    """Too much at once; try again after ``retry_after_seconds``."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(NbaError):
    """The system cannot answer safely now: a store is down or no plan is live."""


class EvaluationRefusedError(NbaError):
    """The data cannot carry the conclusion asked for; the message says what would be enough."""


class CorruptRecordError(NbaError):
    """A stored record cannot be read back."""
