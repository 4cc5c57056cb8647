"""The catalog loader: the reference catalog is sound, and every fault is found where it is."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.catalog.loader import load_catalog
from nba.catalog.reference import reference_root
from nba.catalog.suggestions import nearest
from nba.domain.catalog import Catalog, Goal
from nba.domain.ids import hash32
from nba.errors import Fault

COLLIDING = ("offer_74944", "offer_79905")
"""Two ids of one 32-bit code, found by trying."""

SMALL = {
    "project.yaml": """\
        project:
          name: Small
          currency: EUR
          default_locale: en
          locales: [en, de]
          purposes: [marketing]
        """,
    "taxonomy.yaml": """\
        taxonomy:
          product:
            required_for: [action]
            terms: {fashion: Fashion, fashion/women: Women}
          channel:
            terms: {email: E-mail, web: Web}
        """,
    "placements.yaml": """\
        placements:
          - {id: email.body, channel: email, direction: outbound, slots: [subject, body]}
          - {id: web.hero, channel: web, direction: inbound, slots: [title]}
        """,
    "actions/all.yaml": """\
        actions:
          - {id: no_action, name: Nothing}
          - id: coat
            name: Coat
            terms: [product:fashion/women]
            value: 30
        """,
    "contents/all.yaml": """\
        contents:
          - id: coat.en
            action: coat
            group: coat
            placements: [email.body, web.hero]
            locale: en
            slots: {subject: A coat, body: Warm., title: A coat}
        """,
}


def write(root: Path, changes: dict[str, tuple[str, str]] | None = None) -> Path:
    """Write the small catalog, with one replacement per file."""
    for name, text in SMALL.items():
        path = root / "catalog" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = dedent(text)
        if changes and name in changes:
            old, new = changes[name]
            assert content.count(old) == 1, f"{old!r} in {name}"
            content = content.replace(old, new)
        path.write_text(content, encoding="utf-8")
    return root


def load(root: Path) -> tuple[Catalog | None, list[str]]:
    faults: list[Fault] = []
    catalog = load_catalog(root / "catalog", root=root, faults=faults)
    return catalog, [str(fault) for fault in faults]


@pytest.fixture(scope="module")
def reference() -> Catalog:
    """Load the catalog this repository ships."""
    faults: list[Fault] = []
    root = reference_root()
    catalog = load_catalog(root / "catalog", root=root, faults=faults)
    assert faults == []
    assert catalog is not None
    return catalog


def test_the_reference_catalog_is_as_large_as_promised(reference: Catalog) -> None:
    branches = {
        (a.term_in("product", depth=1), a.term_in("desired_action", depth=1))
        for a in reference.actions
        if not a.is_no_action
    }
    assert len(reference.actions) >= 24
    assert len(branches) >= 6
    assert len(reference.contents) >= 60
    assert len({content.locale for content in reference.contents}) >= 2
    assert {placement.channel for placement in reference.placements} == {
        "email", "push", "sms", "web", "app", "call_center", "sales",
    }  # fmt: skip


def test_two_reference_placements_offer_24_candidates(reference: Catalog) -> None:
    pairs = {(place, c.action) for c in reference.contents for place in c.placements}
    actions = Counter(place for place, _ in pairs)
    assert actions["email.body"] >= 23
    assert actions["web.home.hero"] >= 23


def test_every_reference_content_is_there_in_both_languages(reference: Catalog) -> None:
    locales: dict[tuple[str, tuple[str, ...], str], set[str]] = {}
    for content in reference.contents:
        key = (content.group, content.placements, content.action)
        locales.setdefault(key, set()).add(content.locale)
    assert {frozenset(found) for found in locales.values()} == {frozenset({"en", "de"})}


def test_some_reference_actions_have_variants_to_learn_between(reference: Catalog) -> None:
    variants = Counter(
        (content.action, place, content.locale)
        for content in reference.contents
        for place in content.placements
    )
    assert len({action for (action, _, _), count in variants.items() if count >= 2}) >= 2


def test_a_reference_text_message_fits_into_one_message(reference: Catalog) -> None:
    lengths = [
        len(content.slots["body"]) + 1 + len(content.slots["url"])
        for content in reference.contents
        if "sms.text" in content.placements
    ]
    assert lengths
    assert max(lengths) <= 160


def test_a_small_catalog_is_read_as_written(tmp_path: Path) -> None:
    catalog, faults = load(write(tmp_path))
    assert faults == []
    assert catalog is not None
    assert catalog.currency == "EUR"
    assert catalog.default_locale == "en"
    assert [action.id for action in catalog.actions] == ["no_action", "coat"]
    assert catalog.actions[1].value == 30.0
    assert "product:fashion/women" in catalog.taxonomy
    assert catalog.contents[0].placements == ("email.body", "web.hero")
    assert list(catalog.placements[1].slots) == ["title"]


def test_goals_and_where_a_value_comes_from_are_read_as_written(tmp_path: Path) -> None:
    root = write(tmp_path)
    written = (
        "value: 30\n    value_from: outcomes\n    value_cap: 300\n"
        "    goals: {click: {value: 0.05, base_rate: 0.08}, reject: {value: -15, base_rate: 0.01}}"
    )
    edit(root, "catalog/actions/all.yaml", "value: 30", written)
    catalog, faults = load(root)
    assert faults == []
    assert catalog is not None
    nothing, coat = catalog.actions
    assert (nothing.goals, nothing.value_from, nothing.value_cap) == ({}, "declared", None)
    assert (coat.value_from, coat.value_cap) == ("outcomes", 300.0)
    assert coat.goals == {
        "click": Goal(value=0.05, base_rate=0.08),
        "reject": Goal(value=-15.0, base_rate=0.01),
    }
    assert coat.outcomes == {"convert", "reject", "click"}


FAULTS = [
    # file, old text, new text, all that is said about it
    ("project.yaml", "EUR", "Euro",
     ("catalog/project.yaml:3: currency 'Euro'; "
     "three capital letters of ISO 4217 are expected, such as EUR")),
    ("project.yaml", "default_locale: en\n", "default_locale: en\n  naem: x\n",
     ("catalog/project.yaml:5: project.naem: Unexpected keyword argument; "
     "remove it or correct its name")),
    ("project.yaml", "project:", "projekt:",
     ("catalog/project.yaml:1: key 'projekt' is not known; did you mean 'project'?\n"
     "catalog: no file describes the project; add project.yaml with `project:`")),
    ("taxonomy.yaml", "{fashion: Fashion, fashion/women: Women}", "{fashion/women: Women}",
     "catalog/taxonomy.yaml:4: term 'fashion/women' has no parent; add the term 'fashion'"),
    ("taxonomy.yaml", "required_for: [action]", "requierd_for: [action]",
     "catalog/taxonomy.yaml:3: key 'requierd_for' is not known; did you mean 'required_for'?"),
    ("taxonomy.yaml", "email: E-mail, ", "email: E-mail, Sky: Sky, ",
     ("catalog/taxonomy.yaml:6: term 'Sky'; "
     "lower-case words of a-z, 0-9 and _, levels separated by /")),
    ("placements.yaml", "channel: web", "channel: wbe",
     ("catalog/placements.yaml:3: term 'channel:wbe' is not in the taxonomy; "
     "did you mean 'channel:web'?")),
    ("placements.yaml", "direction: inbound", "direction: inbound, max_count: 0",
     "catalog/placements.yaml:3: max_count 0; 1 or more is expected"),
    ("placements.yaml", "direction: inbound",
     "direction: inbound, autonomy: assisted, branch: {dimension: produkt}",
     "catalog/placements.yaml:3: unknown dimension 'produkt'; did you mean 'product'?"),
    ("placements.yaml", "direction: inbound",
     "direction: inbound, autonomy: assisted, branch: {dimension: product, depth: 0}",
     "catalog/placements.yaml:3: depth 0; 1 or more is expected"),
    ("placements.yaml", "direction: inbound", "direction: inbound, branch: {dimension: product}",
     ("catalog/placements.yaml:3: a branch, with autonomy autonomous; only with "
      "`autonomy: assisted` there are branches")),
    ("placements.yaml", "direction: inbound", "direction: inbound, context_weight: .nan",
     "catalog/placements.yaml:3: context_weight nan; a number above 0 is expected"),
    ("placements.yaml", "direction: inbound",
     "direction: inbound, position_effects: [0.9, 0.5, 0, 1.1]",
     ("catalog/placements.yaml:3: effect 0.9 of rank 1; 1 is expected: "
      "the others are relative to the first rank\n"
      "catalog/placements.yaml:3: effect 0 of rank 3; a number above 0 and up to 1 is expected\n"
      "catalog/placements.yaml:3: effect 1.1 of rank 4; "
      "a number above 0 and up to 1 is expected")),
    ("placements.yaml", "direction: inbound", "direction: inbound, position_effects: [1, .nan]",
     ("catalog/placements.yaml:3: effect nan of rank 2; "
      "a number above 0 and up to 1 is expected")),
    ("actions/all.yaml", "product:fashion/women", "product:fashion/woman",
     ("catalog/actions/all.yaml:5: term 'product:fashion/woman' is not in the taxonomy; "
     "did you mean 'product:fashion/women'?")),
    ("actions/all.yaml", "[product:fashion/women]", "[channel:web]",
     ("catalog/actions/all.yaml:5: action 'coat' has no term in 'product'; "
     "add a term product:…")),
    ("actions/all.yaml", "value: 30", "value: -1",
     "catalog/actions/all.yaml:6: value -1; an amount of 0 or more is expected"),
    ("actions/all.yaml", "value: 30", "cost: .inf",
     "catalog/actions/all.yaml:6: cost inf; an amount of 0 or more is expected"),
    ("actions/all.yaml", "value: 30", "base_rate: 1",
     "catalog/actions/all.yaml:6: base_rate 1; a probability above 0 and below 1 is expected"),
    ("actions/all.yaml", "value: 30", "horizon: 0d",
     "catalog/actions/all.yaml:6: horizon 0:00:00; a duration above 0 is expected, such as 7d"),
    ("actions/all.yaml", "value: 30", "goals: {convert: {value: 1, base_rate: 0.1}}",
     ("catalog/actions/all.yaml:6: goal 'convert'; another kind: what the desired outcome is "
      "worth is the action's `value`")),
    ("actions/all.yaml", "value: 30", "goals: {click: {value: .nan, base_rate: 0.1}}",
     ("catalog/actions/all.yaml:6: value nan of goal 'click'; an amount is expected, below 0 to "
      "avoid it")),
    ("actions/all.yaml", "value: 30", "goals: {click: {value: -1, base_rate: 0}}",
     ("catalog/actions/all.yaml:6: base_rate 0 of goal 'click'; a probability above 0 and below 1 "
      "is expected")),
    ("actions/all.yaml", "value: 30", "goals: {click: {value: 1, base_rate: 0.1, cap: 2}}",
     ("catalog/actions/all.yaml:6: actions.1.goals.click.cap: Unexpected keyword argument; remove "
      "it or correct its name")),
    ("actions/all.yaml", "value: 30", "value_from: outcomes",
     ("catalog/actions/all.yaml:6: value_from outcomes without value_cap; the amount at which a "
      "reported one is cut off is expected")),
    ("actions/all.yaml", "value: 30", "value: 30\n    value_cap: 90",
     ("catalog/actions/all.yaml:7: value_cap 90, and the value is the declared one; add "
      "`value_from: outcomes`, or remove it")),
    ("actions/all.yaml", "value: 30", "value: 30\n    value_from: outcomes\n    value_cap: 20",
     ("catalog/actions/all.yaml:8: value_cap 20; an amount above 0 is expected, and the value, 30, "
      "is within it")),
    ("actions/all.yaml", "value: 30", "purpose: credit",
     "catalog/actions/all.yaml:6: purpose 'credit' is not known; known: marketing"),
    ("actions/all.yaml", "value: 30", "launched_on: 'soon'",
     "catalog/actions/all.yaml:6: launched_on 'soon'; a date YYYY-MM-DD is expected"),
    ("actions/all.yaml", "value: 30", "priority: 0",
     "catalog/actions/all.yaml:6: priority 0; a number above 0 is expected"),
    ("actions/all.yaml", "value: 30", "message_class: loud",
     ("catalog/actions/all.yaml:6: actions.1.message_class: Input should be 'promotional', "
     "'transactional' or 'mandatory', found 'loud'; correct the value")),
    ("actions/all.yaml", "  - {id: no_action, name: Nothing}\n", "",
     ("catalog: no action 'no_action'; "
     "add it: its value and base_rate are those of a purchase nobody asked for")),
    ("actions/all.yaml", "value: 30", "value: 30\n  - {id: no_action, name: Again}",
     ("catalog/actions/all.yaml:7: action 'no_action' is given twice; "
     "first at catalog/actions/all.yaml:2")),
    ("actions/all.yaml", "value: 30",
     "value: 30\n  - {id: hat, name: Hat, terms: [product:fashion]}",
     "catalog/actions/all.yaml:7: action 'hat' has no content; add content, or remove the action"),
    ("contents/all.yaml", "action: coat", "action: coot",
     ("catalog/contents/all.yaml:3: action 'coot' is not in the catalog; did you mean 'coat'?\n"
     "catalog/actions/all.yaml:3: action 'coat' has no content; "
     "add content, or remove the action")),
    ("contents/all.yaml", "action: coat", "action: no_action",
     ("catalog/contents/all.yaml:3: content for no_action; remove it: it says nothing\n"
     "catalog/actions/all.yaml:3: action 'coat' has no content; "
     "add content, or remove the action")),
    ("contents/all.yaml", "web.hero", "web.zero",
     ("catalog/contents/all.yaml:5: placement 'web.zero' is not in the catalog; "
     "did you mean 'web.hero'?\n"
     "catalog/placements.yaml:3: placement 'web.hero' has no content; "
     "add content, or remove the placement")),
    ("contents/all.yaml", ", title: A coat", "",
     ("catalog/contents/all.yaml:7: slot 'title', which 'web.hero' shows, is missing; "
     "add its text")),
    ("contents/all.yaml", "body: Warm.", "body: ' '",
     ("catalog/contents/all.yaml:7: slot 'body', which 'email.body' shows, is empty; "
     "add its text")),
    ("contents/all.yaml", "locale: en", "locale: fr",
     ("catalog/contents/all.yaml:6: locale 'fr' is not known; known: de, en\n"
     "catalog/contents/all.yaml:5: action 'coat' has content in 'email.body', "
     "but not in the default locale; add it in locale 'en'\n"
     "catalog/contents/all.yaml:5: action 'coat' has content in 'web.hero', "
     "but not in the default locale; add it in locale 'en'")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"), FAULTS, ids=[case[3][8:60] for case in FAULTS]
)
def test_a_fault_is_told_once_and_where_it_is(
    file: str, old: str, new: str, expected: str, tmp_path: Path
) -> None:
    catalog, faults = load(write(tmp_path, {file: (old, new)}))
    assert catalog is None
    assert faults == expected.split("\n")


def test_a_file_that_cannot_be_read_is_the_only_fault(tmp_path: Path) -> None:
    root = write(tmp_path, {"actions/all.yaml": ("actions:", "actions: [")})
    catalog, faults = load(root)
    assert catalog is None
    assert len(faults) == 1
    assert faults[0].startswith("catalog/actions/all.yaml:2: not readable as YAML")


def test_an_item_that_cannot_be_read_is_not_missed_elsewhere(tmp_path: Path) -> None:
    changes = {"actions/all.yaml": ("value: 30", "value: many"),
               "placements.yaml": ("direction: inbound", "direction: sideways")}  # fmt: skip
    _, faults = load(write(tmp_path, changes))
    assert [fault.partition(": ")[0] for fault in faults] == [
        "catalog/actions/all.yaml:6",
        "catalog/placements.yaml:3",
    ]


def test_a_list_that_is_none_is_told(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "catalog" / "more.yaml").write_text("contents: later\n", encoding="utf-8")
    _, faults = load(root)
    assert faults == ["catalog/more.yaml:1: contents is a str; a list is expected"]


def test_a_second_description_of_the_project_is_told(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "catalog" / "x.yaml").write_text("project: {name: Other}\n", encoding="utf-8")
    _, faults = load(root)
    assert faults == ["catalog/x.yaml:1: the project is described twice; describe it once"]


def test_an_identifier_has_at_most_128_characters(tmp_path: Path) -> None:
    new = "value: 30\n  - {id: " + "x" * 129 + ", name: Long, terms: [product:fashion]}"
    _, faults = load(write(tmp_path, {"actions/all.yaml": ("value: 30", new)}))
    expected = (
        "catalog/actions/all.yaml:7: action id of 129 characters; 1 to 128 characters are expected"
    )
    assert faults[0] == expected


def test_two_actions_of_one_code_are_refused(tmp_path: Path) -> None:
    first, second = COLLIDING
    assert hash32(first) == hash32(second)
    new = "value: 30" + "".join(
        f"\n  - {{id: {identifier}, name: X, terms: [product:fashion]}}" for identifier in COLLIDING
    )
    _, faults = load(write(tmp_path, {"actions/all.yaml": ("value: 30", new)}))
    expected = (
        f"catalog/actions/all.yaml:8: action {second!r} has the same 32-bit code as {first!r}; "
        "give one of them another id"
    )
    assert faults[0] == expected


def edit(root: Path, name: str, old: str, new: str) -> str:
    """Replace the first occurrence in a file; return the place of what was written."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    at = text.index(old)
    path.write_text(text[:at] + new + text[at + len(old) :], encoding="utf-8")
    kept = len(new) - len(new.lstrip())
    return f"{name}:{text[:at].count(chr(10)) + new[:kept].count(chr(10)) + 1}"


def test_ten_faults_in_the_reference_catalog_are_all_found_and_nothing_else(tmp_path: Path) -> None:
    shutil.copytree(reference_root() / "catalog", tmp_path / "catalog")
    places = {
        edit(tmp_path, "catalog/project.yaml", "currency: EUR", "currency: eur"),
        edit(tmp_path, "catalog/taxonomy.yaml", "home/garden: Garden", "hame/garden: Garden"),
        edit(tmp_path, "catalog/placements.yaml", "channel: sms", "channel: smss"),
        edit(tmp_path, "catalog/actions/home.yaml", "value: 22", "value: -22"),
        edit(tmp_path, "catalog/actions/fashion.yaml", "base_rate: 0.035", "base_rate: 3.5"),
        edit(tmp_path, "catalog/actions/loyalty.yaml", "horizon: 5d", "horizon: soon"),
        edit(tmp_path, "catalog/actions/service.yaml", "- product:service/care", "- product:care"),
        edit(tmp_path, "catalog/actions/app.yaml", "purpose: marketing", "purpose: selling"),
        edit(tmp_path, "catalog/contents/credit.yaml", "locale: de", "locale: at"),
        edit(tmp_path, "catalog/contents/sales.yaml", "      subject:", "      sujet:"),
        edit(tmp_path, "catalog/contents/app.yaml", "[email.body]", "[email.body, mail]"),
    }  # fmt: skip
    catalog, faults = load(tmp_path)
    found = Counter(fault.partition(": ")[0] for fault in faults)
    # The renamed term is also missed by the action that uses it; the missing slot is told at
    # `slots`, one line above the one that was misspelt.
    garden = next(f for f in faults if "'product:home/garden' is not in the taxonomy" in f)
    sales = next(f for f in faults if f.startswith("catalog/contents/sales.yaml"))
    assert "slot 'subject', which 'email.body' shows, is missing" in sales
    slots = next(place for place in places if place.startswith("catalog/contents/sales.yaml"))
    file, _, line = slots.partition(":")
    expected = places - {slots} | {f"{file}:{int(line) - 1}", garden.partition(": ")[0]}
    assert catalog is None
    assert set(found) == expected
    assert sum(found.values()) == len(expected)


scalars = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["coat", "en", "", "x:y"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "name", "terms", "slots", "product"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(
    key=st.sampled_from(["project", "taxonomy", "actions", "contents", "placements"]), value=values
)
def test_whatever_is_written_the_answer_is_a_catalog_or_faults(
    key: str, value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = write(tmp_path_factory.mktemp("any"))
    text = yaml.safe_dump({key: value})
    (root / "catalog" / "zz.yaml").write_text(text, encoding="utf-8")
    catalog, faults = load(root)
    assert (catalog is None) == bool(faults)
    if key == "project":
        assert faults


@given(word=st.text(max_size=12), known=st.sets(st.text(min_size=1, max_size=8), max_size=12))
def test_a_suggestion_is_always_a_known_word_or_a_list_of_them(word: str, known: set[str]) -> None:
    said = nearest(word, known)
    assert said.startswith("known: ") or any(said == f"did you mean {name!r}?" for name in known)
