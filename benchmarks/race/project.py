"""The project that is raced for: caps of 1 to 3, and budgets of money, volume and stock.

Version n of it differs from the others in what its contents say and in which actions may be said
at all, so that an answer shows which version it is of.
"""

from __future__ import annotations

from pathlib import Path

ACTIONS = ("card", "coat", "shirt", "lamp", "book", "trip")
PLACEMENTS = ("web.hero", "web.side", "app.card", "desk.screen")
COSTS = (0.07, 0.35, 0.11, 0.13, 0.5, 1.01)

_CATALOG = """
project: {{name: Race, currency: EUR, default_locale: en, locales: [en], purposes: [marketing]}}
taxonomy:
  product:
    description: What it is about.
    terms: {{goods: Goods, money: Money}}
  channel:
    description: Where.
    terms: {{web: Web, app: App, desk: Desk}}
placements:
{placements}
actions:
  - {{id: no_action, name: Nothing, terms: [product:goods], base_rate: 0.0001}}
{actions}
contents:
{contents}
"""

_FEATURES = """
features:
  - {name: age, kind: attribute, type: number, description: Age., unit: years, owner: crm}
"""

_BANDIT = """
bandit: {explorer: softmax, features: []}
"""

POLICIES = """
policies:
  - id: three_a_minute
    kind: contact_cap
    description: At most three contacts a minute.
    limit: 3
    window: PT1M
  - id: one_of_each
    kind: contact_cap
    description: The card at most once in two minutes.
    applies_to: {actions: [card]}
    limit: 1
    window: PT2M
  - id: two_shown
    kind: contact_cap
    description: At most two coats or shirts delivered a minute.
    applies_to: {actions: [coat, shirt]}
    limit: 2
    window: PT1M
    counting: delivered
    hold: PT1M
    release: [bounced]
  - id: money
    kind: budget
    description: So much money a minute.
    limit: 39.99
    unit: money
    period: 1m
  - id: paced
    kind: budget
    description: Spread over five minutes.
    applies_to: {placements: [web.hero]}
    limit: 60
    period: 5m
    pacing: even
  - id: coats
    kind: budget
    description: Coats in stock, delivered or not taken.
    applies_to: {actions: [coat]}
    limit: 40
    unit: stock
    counting: delivered
    release: [bounced]
    hold: PT2S
  - id: trips
    kind: budget
    description: Trips in all, less those that bounced.
    applies_to: {actions: [trip]}
    limit: 20
    unit: stock
    release: [bounced]
    hold: PT30S
"""

_ALLOWED = """
  - id: of_this_version
    kind: eligibility
    description: What version {number} may say.
    applies_to: {{actions: [{actions}]}}
    condition: 1 > 2
"""


def forbidden(number: int) -> tuple[str, ...]:
    """Return what version n may not say: one action in turn."""
    return (ACTIONS[number % len(ACTIONS)],)


def write_project(root: Path, number: int) -> Path:
    """Write version n."""
    places = ", ".join(PLACEMENTS)
    placements = "\n".join(
        f"  - {{id: {name}, channel: {name.split('.')[0]}, direction: inbound, slots: [title], "
        "max_count: 2}"
        for name in PLACEMENTS
    )
    actions = "\n".join(
        f"  - {{id: {name}, name: {name}, terms: [product:goods], value: 10, cost: {cost}, "
        "base_rate: 0.3, desired_outcome: click, horizon: 1d}"
        for name, cost in zip(ACTIONS, COSTS, strict=True)
    )
    contents = "\n".join(
        f"  - {{id: {name}.en, action: {name}, group: {name}, locale: en, "
        f"placements: [{places}], slots: {{title: version {number}}}}}"
        for name in ACTIONS
    )
    files = {
        "catalog/catalog.yaml": _CATALOG.format(
            placements=placements, actions=actions, contents=contents
        ),
        "features/features.yaml": _FEATURES,
        "policies/policies.yaml": POLICIES
        + _ALLOWED.format(number=number, actions=", ".join(forbidden(number))),
        "models/bandit.yaml": _BANDIT,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    return root
