"""A customer's past in words, and each policy that looks back judged on it: slow and obvious."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nba.domain.catalog import Action, Catalog, Content, Direction, Placement
from nba.domain.history import Entry, event_code, outcome_code, pack_history
from nba.domain.ids import ActionId, PlacementId, hash32
from nba.domain.policy import Selector
from nba.policies.kinds import (
    ContactCap,
    Diversity,
    Exclusion,
    Rotation,
    SequencePolicy,
    Suppression,
)

ANY_PLACE = Placement(id=PlacementId(""), channel="", direction=Direction.INBOUND)
ANY_ACTION = Action(id=ActionId(""), name="")


@dataclass(frozen=True, kw_only=True)
class Told:
    """One entry: a contact (``decision``), an outcome (``outcome/…``), an event (``event/…``).

    ``of`` names the decision, or the message of an event.
    """

    at_s: int
    what: str = "decision"
    of: str
    action: str = ""
    placement: str = ""
    content: str = ""

    def entry(self):
        """Return it as the history keeps it."""
        kind, _, name = self.what.partition("/")
        codes = {"decision": 0, "outcome": outcome_code(name), "event": event_code(name)}
        if kind == "event":
            return Entry(self.at_s, 0, 0, codes[kind], hash32(self.of), 0)
        content = hash32(self.content) if self.content else 0
        parts = (hash32(self.action), hash32(self.placement))
        return Entry(self.at_s, *parts, codes[kind], hash32(self.of), content)

    def came_to(self, kind: str, at_s: int) -> Told:
        """Return an outcome of this contact."""
        return replace(self, at_s=at_s, what=f"outcome/{kind}")


def packed(past: Sequence[Told], *, complete_since_s: int = 0):
    """Return the history of a past."""
    return pack_history([told.entry() for told in past], complete_since_s=complete_since_s)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the judges look at: the past, of which ``answer`` is this answer's own."""

    now_s: int
    catalog: Catalog
    earlier: Sequence[Told]
    answer: Sequence[Told] = ()
    complete_since_s: int = 0
    window_start_s: int | None = None
    """Where a calendar window begins; ``None`` where the time zone is not known."""

    @property
    def past(self) -> list[Told]:
        """What was before the answer, and what it made."""
        return [*self.earlier, *self.answer]

    def selected(self, selector: Selector, told: Told, *, unknown: bool) -> bool:
        """Say whether a selector selects an entry; what is not in the catalog is ``unknown``."""
        if told.what.startswith("event/") or told.action == "no_action":
            return False
        actions = {action.id: action for action in self.catalog.actions}
        places = {place.id: place for place in self.catalog.placements}
        contents = {content.id: content for content in self.catalog.contents}
        of_actions = replace(
            selector, channels=(), placements=(), directions=(), contents=(), groups=()
        )
        of_places = Selector(
            channels=selector.channels,
            placements=selector.placements,
            directions=selector.directions,
        )
        by_action = unknown
        if told.action in actions:
            by_action = of_actions.matches(actions[told.action], ANY_PLACE)
        by_place = unknown
        if told.placement in places:
            by_place = of_places.matches(ANY_ACTION, places[told.placement])
        by_content = True
        if selector.contents or selector.groups:
            if told.action in actions:
                own = [item for item in contents.values() if item.action == told.action]
                by_action &= any(names(selector, item) for item in own)
            by_content = unknown
            if told.content in contents:
                by_content = names(selector, contents[told.content])
        return by_action and by_place and by_content

    def contacts(self, selector: Selector) -> list[Told]:
        """Return contacts that may be selected."""
        return [
            told
            for told in self.past
            if told.what == "decision" and self.selected(selector, told, unknown=True)
        ]


def names(selector: Selector, content: Content) -> bool:
    """Say whether a selector names a content."""
    in_contents = not selector.contents or content.id in selector.contents
    return in_contents and (not selector.groups or content.group in selector.groups)


def seconds(duration) -> int:
    """Return whole seconds; the tests use no parts of one."""
    return 0 if duration is None else round(duration.total_seconds())


def cap_cause(cap: ContactCap, moment: Moment) -> str:
    """Judge a cap."""
    is_rolling = hasattr(cap.window, "total_seconds")
    since = moment.now_s - seconds(cap.window) if is_rolling else moment.window_start_s
    if since is None:
        return "contact_cap.time_zone_unknown"
    had: dict[tuple[str, ...], list[Told]] = {}
    for told in moment.past:
        if told.what.startswith("outcome/"):
            key = (told.of, told.action, told.placement, told.content)
            had.setdefault(key, []).append(told)
    count = 0
    for outcomes in had.values():
        # Each contact that was confirmed in the window, whether or not it is known itself.
        count += any(
            told.what == f"outcome/{cap.counting}"
            and told.at_s >= since
            and moment.selected(cap.applies_to, told, unknown=True)
            for told in outcomes
        )
    looked_at = since
    for contact in moment.contacts(cap.applies_to):
        key = (contact.of, contact.action, contact.placement, contact.content)
        kinds = {told.what.removeprefix("outcome/") for told in had.get(key, [])}
        if kinds & set(cap.release) or cap.counting in kinds:
            continue
        if cap.counting == "decision":
            count += contact.at_s >= since
        else:
            count += contact.at_s >= moment.now_s - (seconds(cap.hold) or 86_400)
    if cap.counting != "decision":
        looked_at = min(since, moment.now_s - (seconds(cap.hold) or 86_400))
    if count >= cap.limit:
        return "contact_cap.reached"
    return "contact_cap.unknown" if moment.complete_since_s > looked_at else ""


def suppression_cause(policy: Suppression, moment: Moment) -> str:
    """Judge a suppression."""
    watched = policy.of if policy.of is not None else policy.applies_to
    within = seconds(policy.within)
    pause = 365 * 86_400 if policy.pause is None else seconds(policy.pause)

    def begins(told: Told) -> bool:
        kind, _, name = told.what.partition("/")
        if kind == "event":
            return name in policy.events
        if (name or "decision") not in policy.outcomes:
            return False
        if not moment.selected(watched, told, unknown=True):
            return False
        return not any(
            other.what == f"outcome/{policy.without}"
            and (other.of, other.action, other.placement, other.content)
            == (told.of, told.action, told.placement, told.content)
            for other in moment.past
        )

    def ends(told: Told) -> bool:
        kind, _, name = told.what.partition("/")
        if told.at_s > moment.now_s:
            return False
        if kind == "event":
            return name in policy.until_events
        is_theirs = moment.selected(watched, told, unknown=False)
        return kind == "outcome" and name in policy.until_outcomes and is_theirs

    found = [told for told in moment.past if begins(told)]
    for at_s in {told.at_s for told in found}:
        recent = {
            (told.what, told.of, told.action, told.placement, told.content)
            for told in found
            if at_s - within <= told.at_s <= at_s
        }
        is_over = any(ends(told) and told.at_s > at_s for told in moment.past)
        if len(recent) >= policy.times and at_s >= moment.now_s - pause and not is_over:
            return "suppression.active"
    is_unknown = moment.complete_since_s > moment.now_s - pause - within
    return "suppression.unknown" if is_unknown and policy.missing == "closed" else ""


def sequence_cause(policy: SequencePolicy, moment: Moment) -> str:
    """Judge a sequence."""
    wanted = "decision" if policy.outcome == "decision" else f"outcome/{policy.outcome}"
    at_least, within = seconds(policy.at_least), seconds(policy.within)
    for told in moment.earlier:
        # A moment of second n lies anywhere until n + 1, so that what passed is known to a second.
        longest, shortest = moment.now_s - told.at_s + 1, moment.now_s - told.at_s - 1
        is_late_enough = shortest >= at_least if at_least else told.at_s <= moment.now_s
        if (
            told.what == wanted
            and is_late_enough
            and longest <= within
            and moment.selected(policy.after, told, unknown=False)
        ):
            return ""
    is_unknown = moment.complete_since_s > moment.now_s - within + 1
    return "sequence.unknown" if is_unknown else "sequence.not_yet"


def exclusion_cause(policy: Exclusion, moment: Moment, own: str, *, by_content: bool) -> str:
    """Judge one candidate, an action or a content, under an exclusion."""
    window = seconds(policy.window)
    said = [
        told
        for told in moment.contacts(policy.applies_to)
        if told in moment.answer or (window and told.at_s >= moment.now_s - window)
    ]
    if {told.content if by_content else told.action for told in said} - {own}:
        return "exclusion.other_said"
    is_unknown = window and moment.complete_since_s > moment.now_s - window
    return "exclusion.unknown" if is_unknown else ""


def diversity_cause(policy: Diversity, moment: Moment, action: Action) -> str:
    """Judge one candidate under a diversity policy."""
    actions = {item.id: item for item in moment.catalog.actions}

    def branches(item: Action) -> set[str]:
        terms = [term for term in item.terms if term.split(":")[0] == policy.dimension]
        return {"/".join(term.split(":")[1].split("/")[: policy.depth]) for term in terms}

    for branch in branches(action):
        said = [
            told
            for told in moment.answer
            if moment.selected(policy.applies_to, told, unknown=True)
            and told.action in actions
            and branch in branches(actions[told.action])
        ]
        if len(said) >= policy.limit:
            return "diversity.branch_full"
    return ""


def whose_turn(policy: Rotation, moment: Moment, left: Sequence[Content]) -> set[str]:
    """Return the contents of one action that stay."""
    since = moment.now_s - seconds(policy.window)

    def shown(content: Content) -> int:
        times = [
            told.at_s
            for told in moment.past
            if told.what == "decision" and told.content == content.id and told.at_s >= since
        ]
        return len(times) if policy.by == "fewest" else max(times, default=-1)

    return {item.id for item in left if shown(item) == min(shown(other) for other in left)}
