"""A project as a whole: the reference project is sound, and faults of all files come together."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from nba.catalog.reference import reference_root
from nba.decision.project import Project, load_project
from nba.domain.consent import consent_code
from nba.domain.history import EMPTY_HISTORY
from nba.errors import DefinitionError
from nba.features import ActionFeature
from nba.policies import Candidates, Situation, compile_guards

NOW_MS = 1_750_000_000_000  # 2025-06-15 15:06:40 UTC


@pytest.fixture(scope="module")
def reference() -> Project:
    """Load the project this repository ships."""
    return load_project(reference_root())


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy the reference project to a place where it may be broken."""
    for folder in ("catalog", "features", "policies", "models"):
        shutil.copytree(reference_root() / folder, tmp_path / folder)
    return tmp_path


def edit(root: Path, name: str, old: str, new: str) -> str:
    """Replace the first occurrence in a file; return the place of its line."""
    path = root / name
    before, found, after = path.read_text(encoding="utf-8").partition(old)
    assert found, f"{old!r} in {name}"
    path.write_text(before + new + after, encoding="utf-8")
    return f"{name}:{before.count(chr(10)) + 1}"


def faults_of(root: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load_project(root)
    return [str(fault) for fault in caught.value.faults]


def test_the_reference_project_is_as_large_as_promised(reference: Project) -> None:
    kinds = Counter(type(policy).__name__ for policy in reference.policies)
    assert len(reference.catalog.actions) >= 24
    assert len(reference.catalog.contents) >= 60
    assert len(reference.features.definitions) >= 30
    assert len(reference.policies) >= 12
    assert len(kinds) >= 14
    assert [spec.name for spec in reference.models] == ["conversion"]
    assert 8 <= len(reference.bandit.features) <= 10


def test_no_reference_model_sees_a_sensitive_feature(reference: Project) -> None:
    sensitive = {item.name for item in reference.features.definitions if "sensitive" in item.tags}
    assert sensitive == {"gender", "credit_score_band", "credit_utilisation"}
    seen = {name for spec in reference.models for name in spec.customer_features}
    assert not sensitive & (seen | set(reference.bandit.features))


def test_the_reference_model_knows_every_action_feature_but_the_direction(
    reference: Project,
) -> None:
    declared = [d.name for d in reference.features.definitions if isinstance(d, ActionFeature)]
    assert set(declared) - set(reference.models[0].candidate_features) == {"direction"}


def candidates_left(reference: Project, placement_id: str, *, consented: bool) -> set[str]:
    """Return what the guardrails leave for a customer of whom nothing else is known."""
    catalog, features = reference.catalog, reference.features
    placement = next(item for item in catalog.placements if item.id == placement_id)
    shown = {content.action for content in catalog.contents if placement_id in content.placements}
    nothing = next(action for action in catalog.actions if action.is_no_action)
    actions = (nothing, *(action for action in catalog.actions if action.id in shown))
    table = features.candidates(actions, placement)
    terms = catalog.taxonomy.terms()
    schema = {
        **features.schema(),
        **features.candidate_schema(catalog.actions, catalog.placements, terms=terms),
    }
    guards = compile_guards(
        reference.policies,
        Candidates(placement=placement, actions=actions, columns=table.columns),
        schema,
        catalog=catalog,
    )
    code = consent_code(placement.channel, "marketing")
    situation = Situation(
        customer_id="somebody",
        at_ms=NOW_MS,
        symbols=features.read(None, at_ms=NOW_MS).features.astype("float64"),
        consents={code: True} if consented else {},
        time_zone="Europe/Berlin",
        history=EMPTY_HISTORY,
        answer_from=0,
    )
    dropped = guards.evaluate(situation).dropped_by
    return {action.id for action, policy in zip(actions, dropped, strict=True) if policy < 0}


def test_the_reference_guardrails_leave_a_newcomer_plenty_on_the_web(reference: Project) -> None:
    left = candidates_left(reference, "web.home.hero", consented=False)
    assert {"no_action", "club_join", "app_install", "women_new_season", "sofa_styling"} <= left
    assert len(left) == 15
    assert not left & {"card_apply", "club_gold_upgrade", "payment_plan", "complaint_callback"}


def test_the_reference_guardrails_say_nothing_outbound_without_consent(reference: Project) -> None:
    assert candidates_left(reference, "email.body", consented=False) == {"no_action"}
    assert len(candidates_left(reference, "email.body", consented=True)) == 15


def test_every_condition_of_a_service_action_is_closed_by_default(reference: Project) -> None:
    service = {
        action.id for action in reference.catalog.actions if action.has_term("product:service")
    }
    for placement in reference.catalog.placements:
        assert not service & candidates_left(reference, placement.id, consented=True)


def test_faults_of_all_files_come_together_and_nothing_else(copied: Path) -> None:
    places = [
        edit(copied, "catalog/actions/home.yaml", "value: 22", "value: -22"),
        edit(copied, "features/context.yaml", "kind: context", "kind: kontext"),
        edit(copied, "features/purchases.yaml", "event: Order Completed", "event: Order Compleet"),
        edit(copied, "policies/contact.yaml", "kind: contact_cap", "kind: contact_lid"),
        edit(copied, "models/propensity.yaml", "num_leaves", "leaves"),
        edit(copied, "models/bandit.yaml", "forgetting: 0.9995", "forgetting: 2"),
    ]
    assert [fault.split(": ")[0] for fault in faults_of(copied)] == places


def test_what_files_say_about_each_other_is_checked_with_its_place(copied: Path) -> None:
    condition = edit(
        copied, "policies/suitability.yaml", "customer.complaints_14d", "customer.complains_14d"
    )
    term = edit(
        copied, "policies/eligibility.yaml", "terms: [product:credit/card]", "terms: [credit]"
    )
    unknown = edit(copied, "models/propensity.yaml", "    - age", "    - aeg")
    sensitive = edit(copied, "models/propensity.yaml", "    - region", "    - gender")
    selector = edit(
        copied, "models/propensity.yaml", "applies_to: {}", "applies_to: {actions: [cot]}"
    )
    enum = edit(copied, "models/bandit.yaml", "    - age", "    - region")
    typo = edit(copied, "models/bandit.yaml", "    - orders_90d", "    - orders_90")
    dimension = edit(
        copied,
        "models/bandit.yaml",
        "  content_floor: 0.1",
        "  dimensions: [produkt]\n  sharing: shared\n  learner: linear\n  reward_cap: 9",
    )
    faults = faults_of(copied)
    assert sorted(fault.split(": ")[0] for fault in faults) == sorted(
        [condition, term, unknown, sensitive, selector, enum, typo, dimension]
    )
    text = "\n".join(faults)
    assert f"{unknown}: feature 'aeg' is not declared; did you mean 'age'?" in text
    assert f"{sensitive}: feature 'gender' is sensitive, or computed from what is; " in text
    assert f"{selector}: actions: 'cot' is not in the catalog; " in text
    assert f"{enum}: feature 'region' is an enum; a number or bool is expected" in text
    expected = "'produkt' is no dimension of the taxonomy; did you mean 'product'?"
    assert f"{dimension}: {expected}" in text
    expected = "feature 'orders_90' is not one of the customer or the request; "
    assert f"{typo}: {expected}did you mean 'orders_90d'?" in text


def test_a_model_may_use_what_is_sensitive_only_where_it_says_so(copied: Path) -> None:
    place = edit(copied, "models/propensity.yaml", "    - region", "    - gender")
    (fault,) = faults_of(copied)
    assert fault.startswith(f"{place}: feature 'gender'")
    assert fault.endswith("leave it out, or name it in sensitive_features too if it may be used")
    edit(
        copied,
        "models/propensity.yaml",
        "  candidate_features:",
        "  sensitive_features: [gender]\n  candidate_features:",
    )
    assert "gender" in load_project(copied).models[0].customer_features


def test_the_bandit_may_not_use_it_at_all(copied: Path) -> None:
    place = edit(copied, "models/bandit.yaml", "    - age", "    - credit_utilisation")
    (fault,) = faults_of(copied)
    assert fault.startswith(f"{place}: feature 'credit_utilisation'")
    assert fault.endswith("leave it out: only guardrails may use it")


def test_a_file_that_cannot_be_read_is_told_once(copied: Path) -> None:
    place = edit(copied, "models/bandit.yaml", "bandit:", "bandit: [")
    faults = faults_of(copied)
    assert len(faults) == 1
    assert faults[0].startswith("models/bandit.yaml:")
    assert int(faults[0].split(":")[1]) >= int(place.split(":")[1])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    assert [fault.split(": ")[0] for fault in faults_of(tmp_path)] == [
        "features/",
        "policies/",
        "models/",
    ]
