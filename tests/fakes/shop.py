"""A small shop: a project written by hand, and the whole service on memory stores around it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba.catalog.memory import MemoryControlStore
from nba.decision.noting import open_profiles
from nba.decision.outcomes import OutcomeService
from nba.decision.plan import Plan
from nba.decision.plans import PlanPointer, PlanRepository, read_pointer
from nba.decision.project import Project, load_project
from nba.decision.service import DecisionService
from nba.domain.clock import ManualClock
from nba.domain.customer import Consent, Event, ProfileUpdate
from nba.domain.decision import DecisionRequest, PlacementRequest
from nba.domain.ids import CustomerId, DecisionId, OutcomeId, PlacementId
from nba.domain.outcome import Outcome
from nba.features import MemoryProfileStore
from nba.ledger.log import DecisionLog
from nba.ledger.memory import MemoryLedger
from nba.ledger.memory_log import MemoryLog
from nba.ledger.store import LedgerStore
from nba.models import (
    Calibration,
    MemoryModelRegistry,
    ModelInput,
    PropensityModel,
    parse_lightgbm,
)
from nba.worker.lessons import Lesson, Lessons, Place
from nba.worker.publisher import Publisher
from nba.worker.runner import Worker

NOW_MS = 1_750_000_000_000  # Sunday 2025-06-15, 15:06:40 UTC
DAY_MS = 86_400_000

_CATALOG = """
project:
  name: Shop
  currency: EUR
  default_locale: en
  locales: [en, de, de-AT]
  purposes: [marketing, service]
taxonomy:
  product:
    description: What it is about.
    required_for: [action]
    terms: {credit: Credit, credit/card: Card, fashion: Fashion, service: Service}
  channel:
    description: Where.
    terms: {email: E-mail, web: Web, desk: Desk}
placements:
  - {id: email.body, channel: email, direction: outbound, slots: [title]}
  - {id: web.hero, channel: web, direction: inbound, slots: [title], max_count: 3}
  - {id: web.rules, channel: web, direction: inbound, slots: [title], autonomy: rules, max_count: 2}
  - {id: desk.screen, channel: desk, direction: inbound, slots: [title], autonomy: assisted}
actions:
  - {id: no_action, name: Nothing, terms: [product:service], base_rate: 0.001}
  - id: card
    name: Card
    terms: [product:credit/card]
    value: 50
    cost: 0.5
    base_rate: 0.02
    desired_outcome: convert
    horizon: 7d
    priority: 2
  - id: coat
    name: Coat
    terms: [product:fashion]
    value: 20
    base_rate: 0.05
    desired_outcome: click
    negative_outcomes: [reject, complain]
    horizon: 1d
    priority: 5
  - id: shirt
    name: Shirt
    terms: [product:fashion]
    value: 8
    base_rate: 0.1
    desired_outcome: click
    horizon: 1d
    priority: 5
  - id: parcel
    name: Parcel
    terms: [product:service]
    message_class: transactional
    purpose: service
    value: 1
    base_rate: 0.3
    desired_outcome: click
    horizon: 1d
contents:
  - {id: card.en, action: card, group: card, locale: en, placements: &all
     [email.body, web.hero, web.rules, desk.screen], slots: {title: The card}}
  - {id: card.de, action: card, group: card, locale: de, placements: *all,
     slots: {title: Die Karte}}
  - {id: coat.en, action: coat, group: coat, locale: en, placements: *all, slots: {title: A coat}}
  - {id: coat.de, action: coat, group: coat, locale: de, placements: *all,
     slots: {title: Ein Mantel}}
  - {id: coat.at, action: coat, group: coat, locale: de-AT, placements: *all,
     slots: {title: Ein Janker}}
  - {id: shirt.en.a, action: shirt, group: shirt, locale: en, placements: *all,
     slots: {title: A shirt}}
  - {id: shirt.en.b, action: shirt, group: shirt, locale: en, placements: *all,
     slots: {title: Your shirt}}
  - {id: parcel.en, action: parcel, group: parcel, locale: en, placements: *all,
     slots: {title: Your parcel}}
"""

_FEATURES = """
events:
  - name: Order
    description: An order was paid.
    properties: {revenue: number}
features:
  - {name: age, kind: attribute, type: number, description: Age., unit: years, owner: crm}
  - {name: tier, kind: attribute, type: enum, values: [none, gold], description: Tier., owner: crm}
  - {name: orders_30d, kind: aggregate, event: Order, function: count, window: 30d,
     description: Orders., unit: events, owner: crm}
  - {name: device, kind: context, type: enum, values: [desktop, mobile], description: Device.,
     owner: web}
  - {name: basket, kind: context, type: number, minimum: 0, description: Basket value., unit: EUR,
     owner: web}
  - {name: action_id, kind: action, source: action.id, description: The action., owner: ds}
  - {name: action_value, kind: action, source: action.value, description: Value., owner: ds}
"""

_POLICIES = """
policies:
  - id: adults
    kind: eligibility
    description: Credit is for adults.
    applies_to: {terms: [product:credit]}
    condition: customer.age >= 18
  - id: consent_to_sell
    kind: consent
    description: Selling outbound needs consent.
    applies_to: {directions: [outbound], message_classes: [promotional]}
  - id: two_a_day
    kind: contact_cap
    description: At most two promotions a day.
    applies_to: {message_classes: [promotional]}
    limit: 2
    window: 1d
  - id: push_credit
    kind: lever
    description: Credit counts double.
    applies_to: {terms: [product:credit]}
    weight: 2
  - id: left_alone
    kind: holdout
    description: Some get no promotions.
    share: 0.1
    salt: shop
"""

_BANDIT = """
bandit:
  explorer: squarecb
  gamma: 20
  forest_outcomes: 5
  features: [age, orders_30d]
"""

_MODEL = """
model:
  name: conversion
  description: Probability of the desired outcome.
  owner: ds
  card: models/card.md
  outcome: convert
  applies_to: {}
  customer_features: [age]
  candidate_features: [action_value]
  parameters: {n_estimators: 1}
  calibration: logistic
  min_rows: 10
  min_positives: 1
"""

FILES = {
    "catalog/catalog.yaml": _CATALOG,
    "features/features.yaml": _FEATURES,
    "policies/policies.yaml": _POLICIES,
    "models/bandit.yaml": _BANDIT,
    "models/conversion.yaml": _MODEL,
    "models/card.md": "# The card\n",
}

GREEDY = {"models/bandit": ("explorer: squarecb", "explorer: greedy")}
"""Changes to the project that let the best score be chosen for certain, and still be learned."""


PRICED = {
    "catalog": (
        "negative_outcomes: [reject, complain]",
        """negative_outcomes: [reject, complain]
    goals: {buy: {value: 4, base_rate: 0.1}, complain: {value: -16, base_rate: 0.01}}
    value_from: outcomes
    value_cap: 60""",
    )
}
"""Changes that price what else comes of a coat, and let its value be learned."""

KIN = {
    **PRICED,
    "catalog/": (
        "value: 8\n",
        """value: 8
    goals: {complain: {value: -5, base_rate: 0.02}}
    value_from: outcomes
    value_cap: 40
""",
    ),
}
"""Changes that price a shirt too: both are fashion, and may be complained of."""


def write_project(root: Path, **changes: tuple[str, str]) -> Path:
    """Write the project; ``changes`` replace text: ``policies=("limit: 2", "limit: 1")``."""
    for name, text in FILES.items():
        changed = text
        for old, new in (pair for key, pair in changes.items() if name.startswith(key)):
            assert old in changed, f"{old!r} in {name}"
            changed = changed.replace(old, new)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed.lstrip(), encoding="utf-8")
    return root


def stump(
    low: float,
    high: float,
    *,
    name: str = "conversion",
    age: float = 40.0,
    trained_through_ms: int = 0,
) -> PropensityModel:
    """Return a model of one split: logit ``low`` up to an age (or if unknown), ``high`` above."""
    text = textwrap.dedent(
        f"""\
        tree
        version=v4
        num_class=1
        num_tree_per_iteration=1
        label_index=0
        max_feature_idx=1
        objective=binary sigmoid:1
        feature_names=age action_value
        feature_infos=[0:100] [0:100]
        tree_sizes=400

        Tree=0
        num_leaves=2
        num_cat=0
        split_feature=0
        split_gain=1
        threshold={age}
        decision_type=10
        left_child=-1
        right_child=-2
        leaf_value={low} {high}
        leaf_weight=1 1
        leaf_count=1 1
        internal_value=0
        internal_weight=2
        internal_count=2
        is_linear=0
        shrinkage=1


        end of trees
        """
    )
    return PropensityModel(
        name=name,
        version="",
        forest=parse_lightgbm(text),
        calibration=Calibration(1.0, 0.0),
        inputs=(ModelInput("age", "situation"), ModelInput("action_value", "candidate")),
        trained_through_ms=trained_through_ms,
        base_rate=0.05,
    )


class Shop:
    """The whole service in one thread, on memory; seeds count up, so that runs are the same."""

    def __init__(
        self,
        root: Path,
        *,
        log: DecisionLog | None = None,
        partitions: int = 4,
        grace_ms: int = 60_000,
    ) -> None:
        self.clock = ManualClock(NOW_MS)
        self.project: Project = load_project(root)
        self.registry = MemoryModelRegistry()
        self.control = MemoryControlStore()
        self.repository = PlanRepository(self.control)
        self.publisher = Publisher(self.control, self.registry, alias="live", clock=self.clock)
        self.log = log if log is not None else MemoryLog()
        self.grace_ms = grace_ms
        profiles: dict[str, bytes] = {}
        self.ledger = MemoryLedger(profiles, partitions=partitions, clock=self.clock)
        store = MemoryProfileStore(
            profiles,
            self.ledger.append_entry,
            self.clock,
            partitions=partitions,
            histories=self.ledger.histories,
        )
        self.store = store
        self.plan: Plan = self.publish()
        self.profiles, noting = open_profiles(
            store, lambda: self.plan.features, self.clock, self.ledger, lambda: self.plan
        )
        self.outcomes = OutcomeService(
            self.ledger,
            clock=self.clock,
            plan=lambda: self.plan,
            interact=self.profiles.interact,
            noting=noting,
        )
        self._bits = 0

    def publish(self) -> Plan:
        """Publish the project with its live models."""
        self.plan = self.publisher.publish(self.project, note="", author="test")
        return self.plan

    def promote(self, model: PropensityModel) -> Plan:
        """Register a model, make it live, and publish."""
        self.registry.set_alias(model.name, "live", self.registry.register(model))
        return self.publish()

    def random_bits(self, count: int) -> int:
        """Return bits that look random and are the same in every run."""
        self._bits += 1
        rng = np.random.default_rng(self._bits)
        return int(rng.integers(0, 1 << count, dtype=np.uint64))

    def service(self, ledger: LedgerStore | None = None) -> DecisionService:
        """Return a deciding service, on another ledger where one is given."""
        return DecisionService(
            lambda: self.plan,
            ledger if ledger is not None else self.ledger,
            clock=self.clock,
            random_bits=self.random_bits,
        )

    async def decide(self, customer_id: str = "anna", **changes: Any) -> dict[str, Any]:
        """Decide and return the answer, decoded."""
        return msgspec.json.decode(await self.service().decide(ask(customer_id, **changes)))

    async def put(
        self, customer_id: str = "anna", *, consents: Mapping[str, str] | None = None, **traits: Any
    ) -> None:
        """Change a profile; ``consents`` are those to marketing, by channel."""
        await self.profiles.put(
            ProfileUpdate(
                customer_id=CustomerId(customer_id),
                attributes=traits,
                consents={
                    channel: {"marketing": Consent(word)}
                    for channel, word in (consents or {}).items()
                },
            )
        )

    async def order(self, customer_id: str = "anna", message_id: str = "m1") -> None:
        """Let a customer order something."""
        await self.profiles.track(
            Event(
                customer_id=CustomerId(customer_id),
                name="Order",
                message_id=message_id,
                at_ms=self.clock(),
                received_at_ms=self.clock(),
                properties={"revenue": 10.0},
            )
        )

    async def report(
        self,
        decision_id: str,
        kind: str = "click",
        *,
        outcome_id: str = "o1",
        choice: int = 0,
        at_ms: int | None = None,
        value: float | None = None,
    ) -> str:
        """Report an outcome and return its status."""
        (result,) = await self.outcomes.report(
            [
                Outcome(
                    outcome_id=OutcomeId(outcome_id),
                    decision_id=DecisionId(decision_id),
                    kind=kind,
                    at_ms=self.clock() if at_ms is None else at_ms,
                    received_at_ms=self.clock(),
                    choice=choice,
                    value=value,
                )
            ]
        )
        return result.status.value

    def worker(
        self, ledger: LedgerStore | None = None, log: DecisionLog | None = None, **about: Any
    ) -> Worker:
        """Return a worker as a process that just started has it, of a share or with a fitter."""
        return Worker(
            ledger if ledger is not None else self.ledger,
            log if log is not None else self.log,
            self.control,
            self.repository,
            clock=self.clock,
            expiry_grace_ms=self.grace_ms,
            **about,
        )

    async def logged(self, plan: Plan | None = None) -> list[Lesson]:
        """Return what there is to learn under a plan by the log alone."""
        until = dict.fromkeys(range(self.ledger.partitions), "9999999999999-0")
        return (await Lessons(plan or self.plan).all(self.log, None, until=until)).lessons

    async def live(self) -> Plan:
        """Return the plan replicas follow, with the bandit's snapshot, and decide under it."""
        pointer: PlanPointer = read_pointer(await self.ledger.plan() or b"")
        self.plan = self.repository.get(pointer)
        return self.plan


def ask(customer_id: str = "anna", *placements: str | tuple[str, int], **changes: Any) -> Any:
    """Return a request; by default for one choice in ``web.hero``."""
    pairs = [(p, 1) if isinstance(p, str) else p for p in placements or ("web.hero",)]
    return DecisionRequest(
        customer_id=CustomerId(customer_id),
        placements=tuple(PlacementRequest(id=PlacementId(p), count=n) for p, n in pairs),
        **changes,
    )


def lesson(
    row: NDArray[np.float32],
    placement: str,
    action: str,
    label: float,
    content: str | None = None,
    **beside: Any,
) -> Lesson:
    """Return a lesson about a choice that was certain; ``beside`` is what else came of it."""
    place = Place(1, 0, 0, "d", 0)
    about = action, content, label, 10.0 * label, 1.0, (action,)
    return Lesson(place, row, placement, 1, *about, **beside)
