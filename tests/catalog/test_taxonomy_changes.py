"""Terms renamed and merged: everything that carries or selects by them follows, history stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.catalog.taxonomy_changes import merge_terms, presently, rename_term
from nba.domain.ids import PolicyId, Term
from nba.domain.policy import Selector
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.errors import InputError
from nba.policies.kinds import Eligibility, SequencePolicy

Objects = dict[tuple[str, str], Mapping[str, Any]]

PRODUCT = ("dimension", "product")
OBJECTS: Objects = {
    PRODUCT: {
        "description": "What it is about.",
        "required_for": ["action"],
        "terms": {
            "credit": "Credit",
            "credit/card": "Card",
            "credit/card/gold": "Gold card",
            "loan": "Loan",
            "loan/card": "Card of the loan desk",
            "home": "Home",
        },
    },
    ("dimension", "channel"): {"terms": {"web": "Web", "fax": "Fax"}},
    ("action", "apply"): {
        "id": "apply",
        "name": "product:credit/card",
        "terms": ["product:credit/card", "product:loan", "journey:credit/card"],
    },
    ("action", "sofa"): {"id": "sofa", "terms": ["product:home"]},
    ("content", "apply.en"): {
        "id": "apply.en",
        "slots": {"title": "product:credit/card"},
        "terms": ["product:credit/card/gold"],
    },
    ("placement", "web.hero"): {"id": "web.hero", "channel": "web", "terms": []},
    ("policy", "adults"): {
        "id": "adults",
        "kind": "eligibility",
        "description": "product:credit/card",
        "applies_to": {"terms": ["product:credit"], "except_terms": ["product:credit/card"]},
        "condition": "'product:credit/card' in action.terms && x == \"product:credit/card/x\"",
    },
    ("policy", "sequence"): {"id": "sequence", "after": {"terms": ["product:loan/card"]}},
    ("segment", "rich"): {"name": "rich", "condition": "customer.tier == 'product:credit/card'"},
}


def after(changes: Mapping[tuple[str, str], Mapping[str, Any]], objects: Objects) -> Objects:
    return {**objects, **changes}


def test_a_rename_takes_the_branch_and_everything_that_uses_it_along() -> None:
    changed = rename_term(OBJECTS, "product", "credit/card", "home/card")
    assert changed == {
        PRODUCT: {
            "description": "What it is about.",
            "required_for": ["action"],
            "terms": {
                "credit": "Credit",
                "home/card": "Card",
                "home/card/gold": "Gold card",
                "loan": "Loan",
                "loan/card": "Card of the loan desk",
                "home": "Home",
            },
            "renamed": {"credit/card": "home/card", "credit/card/gold": "home/card/gold"},
        },
        ("action", "apply"): {
            "id": "apply",
            "name": "product:credit/card",
            "terms": ["product:home/card", "product:loan", "journey:credit/card"],
        },
        ("content", "apply.en"): {
            "id": "apply.en",
            "slots": {"title": "product:credit/card"},
            "terms": ["product:home/card/gold"],
        },
        ("policy", "adults"): {
            "id": "adults",
            "kind": "eligibility",
            "description": "product:credit/card",
            "applies_to": {"terms": ["product:credit"], "except_terms": ["product:home/card"]},
            "condition": "'product:home/card' in action.terms && x == \"product:credit/card/x\"",
        },
    }


def test_what_was_renamed_twice_leads_to_its_present_name_at_once() -> None:
    first = rename_term(OBJECTS, "product", "home", "living")
    second = rename_term(after(first, OBJECTS), "product", "living", "house")
    assert second[PRODUCT]["renamed"] == {"home": "house", "living": "house"}
    assert second["action", "sofa"]["terms"] == ["product:house"]


def test_a_rename_taken_back_gives_everything_its_old_name_again() -> None:
    first = rename_term(OBJECTS, "product", "credit/card", "card")
    back = rename_term(after(first, OBJECTS), "product", "card", "credit/card")
    assert back[PRODUCT]["terms"] == OBJECTS[PRODUCT]["terms"]
    assert back[PRODUCT]["renamed"] == {"card": "credit/card", "card/gold": "credit/card/gold"}
    for key in (("action", "apply"), ("policy", "adults"), ("content", "apply.en")):
        assert back[key] == OBJECTS[key]


def test_a_merge_makes_one_of_both_branches_and_each_term_is_carried_once() -> None:
    changed = merge_terms(OBJECTS, "product", ["loan"], "credit")
    assert changed[PRODUCT]["terms"] == {
        "credit": "Credit",
        "credit/card": "Card",
        "credit/card/gold": "Gold card",
        "home": "Home",
    }
    assert changed[PRODUCT]["renamed"] == {"loan": "credit", "loan/card": "credit/card"}
    assert changed["action", "apply"]["terms"] == [
        "product:credit/card",
        "product:credit",
        "journey:credit/card",
    ]
    assert changed["policy", "sequence"]["after"] == {"terms": ["product:credit/card"]}
    assert ("action", "sofa") not in changed


def test_several_terms_merge_at_once_and_a_term_into_the_one_above_it() -> None:
    changed = merge_terms(OBJECTS, "product", ["credit", "loan"], "home")
    assert changed[PRODUCT]["terms"] == {
        "home": "Home",
        "home/card": "Card",
        "home/card/gold": "Gold card",
    }
    upwards = merge_terms(OBJECTS, "product", ["credit/card"], "credit")
    assert upwards[PRODUCT]["renamed"] == {
        "credit/card": "credit",
        "credit/card/gold": "credit/gold",
    }


RENAMES = [
    (("produkt", "home", "house"), ("dimension/produkt: no dimension 'produkt'; "
     "did you mean 'product'?")),
    (("product", "hoem", "house"), "dimension/product: no term 'hoem'; did you mean 'home'?"),
    (("product", "home", "My House"), ("dimension/product: new path 'My House'; "
     "lower-case words of a-z, 0-9 and _, levels separated by /")),
    (("product", "home", "home"), "dimension/product: 'home' is its name; another path"),
    (("product", "home", "home/x"), ("dimension/product: 'home/x' lies within 'home' itself; "
     "another path")),
    (("product", "home", "house/x"), ("dimension/product: no term 'house' to put it under; "
     "add that term first")),
    (("product", "home", "loan"), ("dimension/product: 'loan' is a term already; "
     "another path, or a merge")),
    (("channel", "web", "www"),
     ("dimension/channel: channel 'web' is that of placement 'web.hero'; "
     "a channel without placements: customers' consents are kept by its name")),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), RENAMES, ids=[case[0][2] for case in RENAMES])
def test_a_rename_that_cannot_be_is_refused(given: tuple[str, str, str], expected: str) -> None:
    with pytest.raises(InputError) as refused:
        rename_term(OBJECTS, *given)
    assert str(refused.value) == expected


def test_the_former_name_of_another_term_is_not_given_again() -> None:
    objects = after(rename_term(OBJECTS, "product", "home", "living"), OBJECTS)
    with pytest.raises(InputError, match="'home' is the former name of 'living'; another path"):
        rename_term(objects, "product", "loan", "home")


MERGES = [
    (["lone"], "home", "no term 'lone'; did you mean 'loan'?"),
    (["loan"], "hoem", "no term 'hoem'; did you mean 'home'?"),
    ([], "home", "no terms to merge; name those that become part of 'home'"),
    (["home"], "home", "'home' holds 'home', or is it; terms that do not hold the target"),
    (["credit"], "credit/card", ("'credit' holds 'credit/card', or is it; "
     "terms that do not hold the target")),
    (["credit", "credit/card"], "home", ("'credit/card' and 'credit' hold one another; "
     "the upper one alone")),
    (["loan", "loan"], "home", "'loan' and 'loan' hold one another; the upper one alone"),
]  # fmt: skip


@pytest.mark.parametrize(("sources", "target", "expected"), MERGES)
def test_a_merge_that_cannot_be_is_refused(sources: list[str], target: str, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        merge_terms(OBJECTS, "product", sources, target)
    assert str(refused.value) == f"dimension/product: {expected}"


def test_a_channel_nobody_uses_may_be_renamed() -> None:
    changed = rename_term(OBJECTS, "channel", "fax", "telefax")
    assert changed["dimension", "channel"]["renamed"] == {"fax": "telefax"}


def test_a_policy_says_the_same_in_present_terms() -> None:
    taxonomy = Taxonomy(
        {"product": Dimension({"cards": "Cards", "home": "Home"}, renamed={"credit/card": "cards"})}
    )
    policy = Eligibility(
        id=PolicyId("adults"),
        description="product:credit/card",
        applies_to=Selector(
            terms=("product:credit/card", "product:cards"), except_terms=("product:unknown",)
        ),
        condition="'product:credit/card' in action.terms && customer.tier == \"product\"",
    )
    present = presently(policy, taxonomy)
    assert present == replace(
        policy,
        applies_to=Selector(terms=("product:cards",), except_terms=("product:unknown",)),
        condition="'product:cards' in action.terms && customer.tier == \"product\"",
    )
    assert presently(present, taxonomy) is present
    sequence = SequencePolicy(
        id=PolicyId("cards_first"),
        description="",
        after=Selector(terms=("product:credit/card",)),
        within=timedelta(days=1),
    )
    carrying = replace(policy, terms=(Term("product:credit/card"), Term("product:unheard")))
    assert presently(carrying, taxonomy).terms == ("product:cards", "product:unheard")
    assert presently(sequence, taxonomy).after == Selector(terms=("product:cards",))


PATHS = ("a", "b", "c", "a/x", "b/x", "c/y", "a/x/z")


@given(
    st.sets(st.sampled_from(PATHS)),
    st.lists(
        st.one_of(
            st.tuples(st.just("rename"), st.sampled_from(PATHS), st.sampled_from((*PATHS, "d"))),
            st.tuples(st.just("merge"), st.sampled_from(PATHS), st.sampled_from(PATHS)),
        ),
        max_size=6,
    ),
)
def test_every_name_a_term_ever_had_leads_to_what_the_action_carries_now(
    paths: set[str], steps: list[tuple[str, str, str]]
) -> None:
    whole = {path[:end] for path in paths for end in range(1, len(path) + 1, 2)}
    objects: Objects = {PRODUCT: {"terms": dict.fromkeys(sorted(whole), "")}}
    for path in whole:
        objects["action", path] = {"terms": [f"product:{path}"]}
    names: dict[str, set[str]] = {path: {path} for path in whole}
    for what, one, other in steps:
        try:
            if what == "rename":
                objects |= rename_term(objects, "product", one, other)
            else:
                objects |= merge_terms(objects, "product", [one], other)
        except InputError:
            continue
        dimension = Dimension(**dict(objects[PRODUCT]))
        taxonomy = Taxonomy({"product": dimension})
        assert not dimension.renamed.keys() & dimension.terms.keys()
        assert all(path.rpartition("/")[0] in {"", *dimension.terms} for path in dimension.terms)
        for path, former in names.items():
            (term,) = objects["action", path]["terms"]
            former.add(term.partition(":")[2])
            assert term in taxonomy
            assert {taxonomy.resolve(f"product:{name}") for name in former} == {term}
