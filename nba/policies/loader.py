"""Read ``policies/*.yaml`` into policies, every fault with its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nba.documents import Document, convert, read
from nba.errors import DefinitionError, Fault
from nba.policies.kind import PolicyKind
from nba.policies.kinds import KINDS
from nba.policies.suggestions import nearest

_KEY = "policies"
_MINUTES_PER_HOUR = 60


@dataclass(frozen=True, slots=True)
class LocatedPolicy:
    """A policy and where it was written."""

    policy: PolicyKind
    document: Document
    position: int

    def place(self, *location: str | int) -> str:
        """Return ``file:line`` of the policy, or of something inside it."""
        return self.document.place(_KEY, self.position, *location)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies as they were read, file by file in the order of their names."""

    located: tuple[LocatedPolicy, ...] = ()

    @property
    def policies(self) -> tuple[PolicyKind, ...]:
        """The policies alone."""
        return tuple(item.policy for item in self.located)

    def __iter__(self) -> Iterator[LocatedPolicy]:
        return iter(self.located)

    def __len__(self) -> int:
        return len(self.located)


def load_policies(directory: Path, *, root: Path, faults: list[Fault]) -> PolicySet:
    """Read every ``*.yaml`` of a folder; what cannot be read is a fault and is left out.

    Places are relative to ``root``. What a policy needs from the catalog and the features is
    checked by :func:`nba.policies.check.check_policies`.
    """
    if not directory.is_dir():
        name = directory.relative_to(root).as_posix()
        faults.append(Fault(name, "the folder is missing", "add it, with YAML files in it"))
        return PolicySet()
    documents = []
    for path in sorted(directory.glob("*.yaml")):
        try:
            documents.append(read(path, root=root))
        except DefinitionError as error:
            faults.extend(error.faults)
    return read_policies(documents, faults)


def read_policies(documents: Iterable[Document], faults: list[Fault]) -> PolicySet:
    """Return the policies in documents, wherever they came from."""
    return PolicySet(
        tuple(located for document in documents for located in _read_document(document, faults))
    )


def _read_document(document: Document, faults: list[Fault]) -> Iterator[LocatedPolicy]:
    faults.extend(
        Fault(document.place(key), f"unknown key {key!r}", f"known: {_KEY}")
        for key in document.data
        if key != _KEY
    )
    if not isinstance(document.data.get(_KEY), list):
        faults.append(Fault(document.place(_KEY), f"no list under {_KEY!r}", "add one"))
    for position, item in document.items(_KEY):
        policy = _read_policy(document, position, item, faults)
        if policy is not None:
            yield LocatedPolicy(policy, document, position)


def _read_policy(
    document: Document, position: int, item: Any, faults: list[Fault]
) -> PolicyKind | None:
    place = document.place(_KEY, position)
    if not isinstance(item, Mapping):
        faults.append(Fault(place, f"found {type(item).__name__}", "a policy is a mapping"))
        return None
    kind = str(item.get("kind", ""))
    if kind not in KINDS:
        found = f"unknown kind {kind!r}" if kind else "no kind"
        place = document.place(_KEY, position, "kind")
        faults.append(Fault(place, found, nearest(kind, KINDS)))
        return None
    return convert(document, _with_times(item), KINDS[kind], faults, _KEY, position)


def _with_times(item: Mapping[str, Any]) -> dict[str, Any]:
    """Undo what YAML 1.1 makes of a bare ``21:00``: the number 1260."""
    times: dict[str, Any] = {
        name: f"{item[name] // _MINUTES_PER_HOUR:02d}:{item[name] % _MINUTES_PER_HOUR:02d}"
        for name in ("start", "end")
        if type(item.get(name)) is int
    }
    if isinstance(periods := item.get("periods"), list):
        times["periods"] = [
            _with_times(period) if isinstance(period, Mapping) else period for period in periods
        ]
    return {**item, **times}
