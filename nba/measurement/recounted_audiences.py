"""Who was in an audience, recounted: segments from what decisions used, lists from what was said.

A segment is the condition its file states, walked for the features in the log. A list is what
customers' profiles were told (:class:`~nba.measurement.evidence.AudienceChange`); what changed
within moments of a decision may or may not have been known to it, so neither is held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from nba.domain.taxonomy import Taxonomy
from nba.measurement.evidence import Evidence
from nba.measurement.said import SETTLING_MS, Contact

PolicyData = Mapping[str, Any]
Found = Iterator[tuple[Contact, str]]

_DIMENSION = "audience"


class Answer(StrEnum):
    """Whether a customer is in an audience; ``UNTOLD`` where the log and evidence do not say."""

    IN = "in"
    OUT = "out"
    MISSING = "missing"
    UNTOLD = "untold"


class Membership:
    """Says who was in audiences, by the names that policies use.

    Parameters
    ----------
    taxonomy
        Declares the lists.
    evidence
        Says who was on which list; without any of that, nobody can tell.
    in_segment
        Says of a segment's name and a contact whether it held, ``None`` where data is missing.
    segments
        Names of all segments.

    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        evidence: Evidence,
        in_segment: Callable[[str, Contact], bool | None],
        segments: Iterable[str],
    ) -> None:
        self._dimension = taxonomy.dimensions.get(_DIMENSION)
        self._evidence = evidence
        self._in_segment = in_segment
        self._segments = frozenset(segments)

    def among(self, names: Iterable[str], contact: Contact) -> Answer:
        """Say whether the customer is in any of some audiences."""
        answers = {self._one(name, contact) for name in names}
        for answer in (Answer.IN, Answer.UNTOLD, Answer.MISSING):
            if answer in answers:
                return answer
        return Answer.OUT

    def _one(self, name: str, contact: Contact) -> Answer:
        if name in self._segments:
            holds = self._in_segment(name, contact)
            return Answer.MISSING if holds is None else Answer.IN if holds else Answer.OUT
        present = self._present(name)
        if present is None or not self._evidence.tells_audiences:
            return Answer.UNTOLD
        was, became = (
            self._is_on(present, contact.customer_id, contact.at_ms + shift)
            for shift in (-SETTLING_MS, SETTLING_MS)
        )
        if was != became:
            return Answer.UNTOLD
        return Answer.IN if was else Answer.OUT

    def _is_on(self, present: str, customer_id: str, at_ms: int) -> bool:
        """Say whether a customer is on a list or any below it, whatever they were called then."""
        lists = self._evidence.audiences(customer_id, at_ms=at_ms)
        now = [self._present(name) or "" for name in lists]
        return any(name == present or name.startswith(f"{present}/") for name in now)

    def _present(self, name: str) -> str | None:
        return None if self._dimension is None else self._dimension.present(name)


def audiences(policy: PolicyData, contacts: list[Contact], membership: Membership) -> Found:
    """Yield contacts with customers that an action is not for."""
    wanted, unwanted = policy.get("in") or (), policy.get("not_in") or ()
    open_when_missing = policy.get("missing", "closed") == "open"
    for contact in contacts:
        excluded = membership.among(unwanted, contact)
        inside = membership.among(wanted, contact) if wanted else Answer.IN
        if excluded is Answer.IN:
            yield contact, f"the customer was in one of {', '.join(unwanted)}"
        elif inside is Answer.OUT:
            yield contact, f"the customer was in none of {', '.join(wanted)}"
        elif Answer.UNTOLD in {excluded, inside} or open_when_missing:
            continue
        elif Answer.MISSING in {excluded, inside}:
            yield contact, "data was missing to say which audiences the customer was in"
