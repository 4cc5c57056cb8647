"""Profile updates: what changes, what is dropped, what is refused, and when guards change."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from nba.domain.audience import membership_code
from nba.domain.catalog import Catalog
from nba.domain.consent import consent_code
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.errors import InputError
from nba.features import FeatureSet
from nba.features.profile import ProfileCodec, read_head


@pytest.fixture
def features(make: SimpleNamespace) -> FeatureSet:
    return FeatureSet(
        [
            make.attribute("age"),
            make.attribute("tier", "enum", values=("none", "gold")),
            make.attribute("since", "date"),
            make.attribute("member", "bool"),
            make.attribute("likes", "set", values=("a", "b", "c")),
            make.attribute("score", freshness="1d"),
            make.context("basket"),
        ],
        [],
    )


def change(
    features: FeatureSet, make: SimpleNamespace, profile: bytes | None, **more: Any
) -> bytes:
    return features.update(profile, make.update(**more), at_ms=make.now_ms)[0]


def kept(features: FeatureSet, make: SimpleNamespace, profile: bytes) -> dict[str, Any]:
    return features.describe(profile, at_ms=make.now_ms)


def test_what_is_absent_stays_and_null_clears(features: FeatureSet, make: SimpleNamespace) -> None:
    profile = change(
        features,
        make,
        None,
        attributes={"age": 41, "tier": "gold", "since": "2020-02-29", "member": True},
    )
    profile = change(features, make, profile, attributes={"tier": "none", "age": None})
    assert kept(features, make, profile)["attributes"] == {
        "age": None,
        "likes": None,
        "score": None,
        "member": True,
        "since": "2020-02-29",
        "tier": "none",
    }


def test_a_set_is_replaced_as_a_whole(features: FeatureSet, make: SimpleNamespace) -> None:
    def likes(profile: bytes) -> object:
        return kept(features, make, profile)["attributes"]["likes"]

    profile = change(features, make, None, attributes={"likes": ["c", "a"]})
    assert likes(profile) == ["a", "c"]
    profile = change(features, make, profile, attributes={"likes": ("b",)})
    assert likes(profile) == ["b"]
    profile = change(features, make, profile, attributes={"likes": []})
    assert likes(profile) == []
    assert likes(change(features, make, profile, attributes={"likes": None})) is None
    for wrong in ("a", ["a", "d"], [1], {"a": True}):
        with pytest.raises(
            InputError, match=r"/attributes/likes: found .*; a list of any of: a, b"
        ):
            change(features, make, profile, attributes={"likes": wrong})


def test_when_it_was_set_is_kept_of_what_grows_old(
    features: FeatureSet, make: SimpleNamespace
) -> None:
    codec = ProfileCodec(features.layout)
    profile = change(features, make, None, attributes={"age": 1})
    assert codec.unpack(profile).times.tolist() == [0]
    profile = change(features, make, profile, attributes={"score": 1})
    assert codec.unpack(profile).times.tolist() == [make.now_ms // 1_000]
    later_ms = make.now_ms + 60_000
    profile, _ = features.update(profile, make.update(attributes={"age": 2}), at_ms=later_ms)
    assert codec.unpack(profile).times.tolist() == [make.now_ms // 1_000]
    profile, _ = features.update(profile, make.update(attributes={"score": 1}), at_ms=later_ms)
    assert codec.unpack(profile).times.tolist() == [later_ms // 1_000]


def test_undeclared_attributes_are_dropped_and_named(
    features: FeatureSet, make: SimpleNamespace
) -> None:
    profile, dropped = features.update(
        None,
        make.update(attributes={"age": 1, "shoe_size": 44, "basket": 3.0}),
        at_ms=make.now_ms,
    )
    assert dropped == ("shoe_size", "basket")  # context is never kept
    assert kept(features, make, profile)["attributes"]["age"] == 1.0


def test_every_fault_is_named_by_its_pointer(features: FeatureSet, make: SimpleNamespace) -> None:
    with pytest.raises(InputError) as caught:
        change(
            features,
            make,
            None,
            attributes={"age": float("nan"), "tier": "Gold", "since": "yesterday", "member": 1},
            time_zone="Europe/Atlantis",
            locale="français",
        )
    assert [fault.place for fault in caught.value.faults] == [
        "/attributes/age",
        "/attributes/tier",
        "/attributes/since",
        "/attributes/member",
        "/time_zone",
        "/locale",
    ]
    assert caught.value.faults[1].expected == "one of: none, gold"


@pytest.mark.parametrize(
    "zone", ["../etc/passwd", "/etc/passwd", "Europe", "x" * 300, "a\0b", "🎁"]
)
def test_no_time_zone_but_a_real_one(
    features: FeatureSet, make: SimpleNamespace, zone: str
) -> None:
    with pytest.raises(InputError, match="IANA time zone"):
        change(features, make, None, time_zone=zone)


def test_empty_time_zone_and_locale_clear(features: FeatureSet, make: SimpleNamespace) -> None:
    profile = change(features, make, None, time_zone="Asia/Kolkata", locale="pt-BR")
    assert read_head(profile)[4:6] == ("Asia/Kolkata", "pt-BR")
    profile = change(features, make, profile, time_zone="", locale="")
    assert read_head(profile)[4:6] == (None, None)


def test_consents_are_kept_changed_and_forgotten(
    features: FeatureSet, make: SimpleNamespace
) -> None:
    email, sms = consent_code("email", "marketing"), consent_code("sms", "marketing")
    profile = change(
        features,
        make,
        None,
        consents={"email": {"marketing": make.granted}, "sms": {"marketing": make.denied}},
    )
    assert read_head(profile).consents == {email: True, sms: False}
    profile = change(features, make, profile, consents={"email": {"marketing": make.denied}})
    assert read_head(profile).consents == {email: False, sms: False}
    profile = change(features, make, profile, consents={"sms": {"marketing": make.unknown}})
    assert read_head(profile).consents == {email: False}


def test_more_consents_than_fit_are_refused(features: FeatureSet, make: SimpleNamespace) -> None:
    purposes = {f"p{i}": make.granted for i in range(256)}
    with pytest.raises(InputError, match="at most 255"):
        change(features, make, None, consents={"email": purposes})
    purposes.pop("p0")
    profile = change(features, make, None, consents={"email": purposes})
    assert len(read_head(profile).consents) == 255


def test_guard_version_rises_only_when_a_guard_changes(
    features: FeatureSet, make: SimpleNamespace
) -> None:
    def versions(profile: bytes) -> tuple[int, int]:
        return read_head(profile)[1:3]

    email = {"email": {"marketing": make.granted}}
    profile = change(features, make, None, attributes={"age": 1})
    assert versions(profile) == (1, 0)
    profile = change(features, make, profile, consents=email)
    assert versions(profile) == (2, 1)
    profile = change(features, make, profile, consents=email, locale="fr")
    assert versions(profile) == (3, 1)
    profile = change(features, make, profile, time_zone="Europe/Paris")
    assert versions(profile) == (4, 2)
    profile = change(features, make, profile, time_zone="Europe/Paris")
    assert versions(profile) == (5, 2)
    profile = change(features, make, profile, consents={"email": {"marketing": make.unknown}})
    assert versions(profile) == (6, 3)


LISTS = Catalog(
    currency="EUR",
    default_locale="en",
    taxonomy=Taxonomy(
        {"audience": Dimension({"vip": "V", "members/gold": "G"}, renamed={"best": "vip"})}
    ),
    actions=(),
    contents=(),
    placements=(),
)


def test_lists_are_joined_and_left_and_are_no_consents(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [], catalog=LISTS)
    email = {"email": {"marketing": make.granted}}
    profile = change(features, make, None, consents=email, audiences={"best": True})
    profile = change(features, make, profile, audiences={"members/gold": True})
    assert kept(features, make, profile)["audiences"] == ["members/gold", "vip"]
    names = {consent_code("email", "marketing"): ("email", "marketing")}
    described = features.describe(profile, at_ms=make.now_ms, consent_names=names)
    assert described["consents"] == {"email": {"marketing": "granted"}}
    profile = change(features, make, profile, audiences={"vip": False, "members/gold": False})
    assert kept(features, make, profile)["audiences"] == []
    assert list(read_head(profile).consents) == [consent_code("email", "marketing")]


def test_a_list_joined_under_a_former_name_is_left_under_its_own(make: SimpleNamespace) -> None:
    former = replace(LISTS, taxonomy=Taxonomy({"audience": Dimension({"best": "V"})}))
    before = FeatureSet([make.attribute("age")], [], catalog=former)
    features = before.for_catalog(LISTS)
    profile = change(before, make, None, audiences={"best": True})
    assert kept(features, make, profile)["audiences"] == ["vip"]
    profile = change(features, make, profile, audiences={"vip": False})
    assert read_head(profile).consents == {}


def test_an_unknown_list_is_refused_but_can_be_left(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [], catalog=LISTS)
    for joins in (True, False):
        with pytest.raises(
            InputError,
            match=r"/audiences/members~1gol: audience 'members/gol' is not declared; did you mean "
            r"members/gold\?",
        ):
            change(features, make, None, audiences={"members/gol": joins})
    profile = change(features, make, None, audiences={"vip": True})
    without = FeatureSet([make.attribute("age")], [])
    left = change(without, make, profile, audiences={"vip": False})
    assert read_head(left).consents == {}
    with pytest.raises(InputError, match="add audience:vip to the taxonomy"):
        change(without, make, profile, audiences={"vip": True})


def test_who_joins_or_leaves_is_decided_about_again(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [], catalog=LISTS)
    profile = change(features, make, None, audiences={"vip": True})
    again = change(features, make, profile, audiences={"vip": True})
    left = change(features, make, again, audiences={"vip": False})
    guards = [read_head(packed).guard_version for packed in (profile, again, left)]
    assert guards == [1, 1, 2]


def test_lists_of_two_ids_are_those_of_the_customer(make: SimpleNamespace) -> None:
    features = FeatureSet([make.attribute("age")], [], catalog=LISTS)
    one = change(features, make, None, audiences={"vip": True})
    other = change(features, make, None, audiences={"members/gold": True})
    merged = features.merge(one, other, at_ms=make.now_ms)
    assert read_head(merged).consents == {
        membership_code("vip"): True,
        membership_code("members/gold"): True,
    }
