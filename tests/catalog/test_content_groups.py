"""Variants of a master: stale once it says something else, until somebody confirms them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from nba.catalog.content_groups import confirm, fingerprint_of, stale_variants, variants
from nba.domain.catalog import Catalog, Content, StaleContent
from nba.domain.ids import ActionId, ContentId, PlacementId
from nba.domain.taxonomy import Taxonomy
from nba.errors import InputError, NotFoundError

TEXT = {"title": "Warm", "url": "https://a.example/"}


def content(name: str, *, group: str = "coats", **more: Any) -> Content:
    return Content(
        id=ContentId(name),
        action=ActionId("coat"),
        group=group,
        placements=(PlacementId("web"),),
        **{"locale": "en", "slots": TEXT, **more},
    )


MASTER = content("coat.en", master=True)
FRESH = content("coat.de", locale="de", confirmed_against=MASTER.fingerprint)
NEVER = content("coat.fr", locale="fr")
ALONE = content("hat.en", group="hats")


def catalog(*contents: Content, stale: StaleContent = StaleContent.SHOW) -> Catalog:
    return Catalog(
        currency="EUR",
        default_locale="en",
        taxonomy=Taxonomy(),
        actions=(),
        contents=contents,
        placements=(),
        stale_content=stale,
    )


def bodies(*contents: Content) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {
        ("content", item.id): {
            "group": item.group,
            "slots": dict(item.slots),
            "master": item.master,
            "confirmed_against": item.confirmed_against,
        }
        for item in contents
    }


def test_only_what_was_confirmed_against_the_master_as_it_is_is_fresh() -> None:
    found = catalog(MASTER, FRESH, NEVER, ALONE)
    assert found.stale == {"coat.fr"}
    assert [(v.content, v.is_stale, v.master) for v in variants(found)] == [
        ("coat.de", False, "coat.en"),
        ("coat.fr", True, "coat.en"),
    ]


def test_a_master_that_says_something_else_makes_all_its_variants_stale() -> None:
    changed = replace(MASTER, slots={**TEXT, "title": "Warmer"}, version=1)
    found = stale_variants(catalog(changed, FRESH, NEVER, ALONE))
    assert [variant.content for variant in found] == ["coat.de", "coat.fr"]
    assert {variant.master_fingerprint for variant in found} == {changed.fingerprint}


def test_what_does_not_change_what_a_master_says_makes_nothing_stale() -> None:
    changed = replace(
        MASTER,
        version=7,
        starts="2026-01-01",
        placements=(),
        slots=dict(reversed(TEXT.items())),
    )
    assert stale_variants(catalog(changed, FRESH)) == ()


def test_another_revision_of_a_master_held_elsewhere_is_another_text() -> None:
    held = content("coat.en", master=True, slots={}, source="cms", external_id="7", revision="1")
    variant = replace(FRESH, confirmed_against=held.fingerprint)
    assert catalog(held, variant).stale == set()
    assert catalog(replace(held, revision="2"), variant).stale == {"coat.de"}


def test_stale_variants_are_withheld_only_where_the_project_says_so() -> None:
    contents = (MASTER, FRESH, NEVER, ALONE)
    assert catalog(*contents).withheld == set()
    withheld = catalog(*contents, stale=StaleContent.WITHHOLD)
    assert withheld.withheld == {"coat.fr"}
    assert [v.is_withheld for v in variants(withheld)] == [False, True]


def test_confirming_makes_a_variant_fresh_and_changes_nothing_else() -> None:
    objects = bodies(MASTER, FRESH, NEVER, ALONE)
    changed = confirm(objects, ["coat.fr", "coat.de"])
    assert changed == {
        ("content", "coat.fr"): {
            **objects["content", "coat.fr"],
            "confirmed_against": MASTER.fingerprint,
        }
    }
    assert confirm(objects, groups=["coats"]) == changed
    assert confirm({**objects, **changed}, groups=["coats"]) == {}


def test_a_body_has_the_fingerprint_of_its_content() -> None:
    assert fingerprint_of(bodies(MASTER)["content", "coat.en"]) == MASTER.fingerprint
    held = {"source": "cms", "external_id": "7", "revision": "1"}
    assert fingerprint_of(held) == content("x", slots={}, **held).fingerprint


def test_what_cannot_be_confirmed_is_refused() -> None:
    objects = bodies(MASTER, FRESH, ALONE)
    with pytest.raises(NotFoundError, match=r"content 'coat\.dee' is not in the catalog; did you"):
        confirm(objects, ["coat.dee"])
    with pytest.raises(NotFoundError, match="group 'coat' is not in the catalog"):
        confirm(objects, groups=["coat"])
    with pytest.raises(InputError, match=r"content/coat\.en: it is the master of group 'coats'"):
        confirm(objects, ["coat.en"])
    with pytest.raises(InputError, match=r"content/hat\.en: its group 'hats' has no master"):
        confirm(objects, ["hat.en"])
    with pytest.raises(InputError, match="group 'hats': it has no master"):
        confirm(objects, groups=["hats"])
