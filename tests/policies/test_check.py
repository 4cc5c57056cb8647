"""Checking policies against catalog and schema."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nba.domain.catalog import Action, Catalog
from nba.domain.ids import ActionId, PlacementId
from nba.domain.taxonomy import Carrier, Dimension, Taxonomy
from nba.errors import Fault
from nba.expressions import Level, Schema, Symbol, ValueType
from nba.policies import check_policies, load_policies

POLICY = """\
policies:
  - id: {id}
    description: d
    applies_to: {applies_to}
    {fields}
"""


@pytest.fixture
def check(tmp_path: Path, catalog: Catalog, schema: Schema) -> Checking:
    return Checking(tmp_path, catalog, schema)


class Checking:
    """Writes policies to a file and returns the faults found in them."""

    def __init__(self, root: Path, catalog: Catalog, schema: Schema) -> None:
        self._root, self._catalog, self._schema = root, catalog, schema

    def __call__(self, fields: str, applies_to: str = "{}", id: str = "p") -> list[str]:  # noqa: A002
        """Check one policy."""
        return self.text(POLICY.format(id=id, applies_to=applies_to, fields=fields))

    @property
    def taxonomy(self) -> Taxonomy:
        """Return the taxonomy of the catalog."""
        return self._catalog.taxonomy

    def under(self, taxonomy: Taxonomy) -> Checking:
        """Return the same, with another taxonomy."""
        return Checking(self._root, replace(self._catalog, taxonomy=taxonomy), self._schema)

    def text(self, text: str) -> list[str]:
        """Check a file."""
        folder = self._root / "policies"
        folder.mkdir()
        (folder / "a.yaml").write_text(text)
        faults: list[Fault] = []
        policies = load_policies(folder, root=self._root, faults=faults)
        assert faults == []
        check_policies(policies, catalog=self._catalog, schema=self._schema, faults=faults)
        return [str(fault) for fault in faults]


SMS = PlacementId("sms.text")


def _fields(kind: str, **given: object) -> str:
    return "\n    ".join([f"kind: {kind}", *(f"{key}: {value}" for key, value in given.items())])


def test_good_policy_has_no_fault(check: Checking) -> None:
    fields = _fields("eligibility", condition="customer.age >= 18")
    assert check(fields, "{terms: [product:credit], channels: [email]}") == []


@pytest.mark.parametrize(
    ("selector", "fault"),
    [
        ("{actions: [crad]}", "applies_to: unknown action 'crad'; did you mean card?"),
        ("{actions: [no_action]}", "applies_to: unknown action 'no_action'; known: card"),
        ("{terms: [product:credits]}", "applies_to: unknown term 'product:credits'; did you mean"),
        ("{channels: [emial]}", "applies_to: unknown channel 'emial'; did you mean email?"),
        (
            "{placements: [web.home]}",
            "applies_to: unknown placement 'web.home'; did you mean web.hero",
        ),
        ("{directions: [out]}", "applies_to: unknown direction 'out'; known: inbound, outbound"),
        ("{message_classes: [promo]}", "applies_to: unknown message class 'promo'"),
        ("{except_actions: [shrit]}", "except: unknown action 'shrit'; did you mean shirt?"),
        ("{except_terms: [product:fish]}", "except: unknown term 'product:fish'; did you mean"),
        ("{terms: [product:unused]}", "the selector selects nothing; widen it"),
        ("{actions: [card], except_terms: [product:credit]}", "the selector selects nothing"),
        ("{channels: [web], directions: [outbound]}", "the selector selects nothing"),
        ("{actions: [notice]}", "everything selected is mandatory, which no holdout concerns"),
        ("{actions: [survey, notice]}", "is mandatory or transactional, which no holdout concerns"),
    ],
)
def test_selector_that_means_nothing_is_a_fault_at_its_line(
    check: Checking, selector: str, fault: str
) -> None:
    (found,) = check(_fields("holdout", share=0.1, salt="s"), selector)
    assert found.startswith("policies/a.yaml:4: ")
    assert fault in found


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        (
            "customer.agee > 1",
            "condition, line 1, column 1: unknown name customer.agee; did you mean",
        ),
        ("customer.age > true", "condition, line 1, column 16: the right of >"),
        ("customer.age", "condition, line 1, column 1: the expression is a number"),
        ("\"'product:card' in action.terms\"", 'unknown word "product:card" of action.terms'),
    ],
)
def test_condition_that_does_not_fit_is_a_fault_at_its_line(
    check: Checking, condition: str, fault: str
) -> None:
    (found,) = check(_fields("suitability", condition=condition))
    assert found.startswith("policies/a.yaml:6: ")
    assert fault in found


@pytest.mark.parametrize(
    ("fields", "line", "fault"),
    [
        (_fields("contact_cap", limit=0, window="7d"), 6, "limit 0; at least 1"),
        (_fields("contact_cap", limit=-1, window="7d"), 6, "limit -1; at least 1"),
        (_fields("contact_cap", limit=1, window="0d"), 7, "window 0:00:00; between 1 minute"),
        (_fields("contact_cap", limit=1, window="3650d"), 7, "window 3650 days, 0:00:00; between"),
        (_fields("holdout", share=1.5, salt="s"), 6, "share 1.5; between 0 and 1"),
        (_fields("lever", weight=0), 6, "weight 0; between 0.1 and 10"),
        (_fields("exploration", floor=0.5), 6, "floor 0.5; between 0 and 0.2"),
        (_fields("quiet_hours", start='"08:00"', end='"08:00"'), 7, "start and end are both"),
        (_fields("budget", limit=0), 6, "limit 0; above 0"),
        (_fields("budget", limit=5, unit="money"), 7, "everything selected has a cost of 0"),
        (_fields("fairness", by="gender", max_ratio=1.2), 6, "no groups by 'gender'"),
        (_fields("consent", purposes="[credits]"), 6, "no action has the purpose 'credits'; did"),
    ],
)
def test_value_out_of_bounds_is_a_fault_at_its_line(
    check: Checking, fields: str, line: int, fault: str
) -> None:
    found = check(fields)[0]
    assert found.startswith(f"policies/a.yaml:{line}: ")
    assert fault in found


def test_repeated_id_names_both_places(check: Checking) -> None:
    once = POLICY.format(id="p", applies_to="{}", fields=_fields("lever", weight=2))
    (found,) = check.text(once + once.removeprefix("policies:\n"))
    assert found == "policies/a.yaml:7: policy 'p' is there twice; first at policies/a.yaml:2"


@pytest.mark.parametrize("name", ['""', "x" * 129])
def test_id_has_a_length(check: Checking, name: str) -> None:
    (found,) = check(_fields("lever", weight=2), id=name)
    assert "characters; 1 to 128 are expected" in found


def test_floors_that_cannot_all_be_kept_are_a_fault(
    tmp_path: Path, catalog: Catalog, schema: Schema
) -> None:
    names = [ActionId(f"a{number}") for number in range(6)]
    shown = catalog.contents[0]
    wide = replace(
        catalog,
        actions=(catalog.actions[0], *(Action(id=name, name=name) for name in names)),
        contents=tuple(replace(shown, action=name, placements=(SMS,)) for name in names),
    )
    fields = _fields("exploration", floor=0.2)
    (found,) = Checking(tmp_path, wide, schema)(fields)
    assert found == (
        "policies/a.yaml:6: exploration floors in sms.text sum to 1.20; they may sum to at most 1"
    )


def test_floors_that_sum_to_one_can_be_kept(check: Checking) -> None:
    assert check(_fields("exploration", floor=0.2)) == []


def test_every_fault_is_told_at_once(check: Checking) -> None:
    fields = _fields("eligibility", condition="customer.agee > 1")
    assert len(check(fields, "{actions: [crad], channels: [fax]}")) == 3


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("kind: audience\n    in: [vpi]", "unknown audience 'vpi'; did you mean vip?"),
        (
            "kind: audience\n    not_in: [regular]",
            "unknown audience 'regular'; did you mean regulars",
        ),
        ("kind: audience\n    in: [both]", "'both' is both a segment and an uploaded list"),
        ("kind: audience", "no audience is named"),
        (
            "kind: holdout\n    share: 0.1\n    salt: s\n    exempt: {audiences: [vpi]}",
            "unknown audie",
        ),
    ],
)
def test_unknown_audience_is_named(
    tmp_path: Path, catalog: Catalog, schema: Schema, fields: str, fault: str
) -> None:
    lists = Taxonomy({"audience": Dimension({"vip": "", "both": ""})})
    segments = {
        f"segment.{name}": Symbol(f"segment.{name}", ValueType.BOOL, Level.SITUATION, 0)
        for name in ("regulars", "both")
    }
    checking = Checking(tmp_path, replace(catalog, taxonomy=lists), {**schema, **segments})
    found = checking(fields)
    assert len(found) == 1
    assert fault in found[0]
    assert found[0].startswith("policies/a.yaml:")


def test_known_audiences_have_no_fault(tmp_path: Path, catalog: Catalog, schema: Schema) -> None:
    listed = replace(catalog, taxonomy=Taxonomy({"audience": Dimension({"vip": ""})}))
    checking = Checking(tmp_path, listed, schema)
    assert checking("kind: audience\n    in: [vip]\n    missing: open") == []


@pytest.mark.parametrize(
    ("fields", "applies_to", "is_wrong"),
    [
        ("missing: open", "{}", True),
        ("missing: open", "{message_classes: [transactional]}", False),
        ("missing: open\n    purposes: [service]", "{}", False),
        ("missing: closed", "{}", False),
    ],
)
def test_silence_is_no_consent_to_be_sold_to(
    check: Checking, fields: str, applies_to: str, *, is_wrong: bool
) -> None:
    found = check(f"kind: consent\n    {fields}", applies_to)
    assert len(found) == is_wrong
    assert all("missing: open, for promotions such as 'card'" in fault for fault in found)


def test_floors_add_up_only_where_they_hold_at_once(check: Checking) -> None:
    def floor(action: str, floor: float, **dates: str) -> str:
        written = "".join(f", {name}: '{day}'" for name, day in dates.items())
        return (
            f"  - {{id: {action}-{len(dates)}, description: d, kind: exploration, "
            f"floor: {floor}, applies_to: {{actions: [{action}]}}{written}}}\n"
        )

    assert (
        check.text(
            "policies:\n"
            + floor("card", 0.2)
            + floor("shirt", 0.2, ends="2026-06-01")
            + floor("survey", 0.2, starts="2026-06-01")
        )
        == []
    )


def test_contents_are_not_weighed(check: Checking) -> None:
    (fault,) = check(_fields("lever", weight=2), "{contents: [card.en]}")
    assert "a lever that selects contents" in fault


def test_dates_that_are_none_or_the_wrong_way_round_are_told(check: Checking) -> None:
    fields = "kind: exploration\n    floor: 0.1\n    starts: 2026-06-01\n    ends: 2026-05-01"
    (fault,) = check(fields)
    assert "is not after starts" in fault


def test_terms_of_a_policy_are_in_the_taxonomy_by_any_name(check: Checking) -> None:
    dimension = Dimension({"spring": "", "spring/sale": ""}, renamed={"easter": "spring"})
    taxonomy = replace(check.taxonomy, dimensions={"campaign": dimension})
    checking = check.under(taxonomy)
    known = _fields("lever", weight=2, terms="[campaign:spring/sale, campaign:easter]")
    assert checking(known) == []


def test_a_term_of_a_policy_that_is_none_is_a_fault_at_its_line(check: Checking) -> None:
    taxonomy = replace(check.taxonomy, dimensions={"campaign": Dimension({"spring": ""})})
    (fault,) = check.under(taxonomy)(_fields("lever", weight=2, terms="[campaign:sprin]"))
    assert fault == (
        "policies/a.yaml:7: term 'campaign:sprin' is not in the taxonomy; did you mean "
        "campaign:spring?"
    )


def test_a_dimension_may_demand_a_term_of_every_policy(check: Checking) -> None:
    demanding = Dimension({"spring": ""}, required_for=(Carrier.POLICY,))
    taxonomy = replace(check.taxonomy, dimensions={"campaign": demanding})
    checking = check.under(taxonomy)
    (fault,) = checking(_fields("lever", weight=2))
    assert fault.endswith("policy 'p' has no term in 'campaign'; add a term campaign:…")
