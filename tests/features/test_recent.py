"""The guess at a profile: the latest written here, and never more than that."""

from __future__ import annotations

from nba.features.recent import MAX_PROFILE_BYTES, RecentProfiles


def test_the_latest_written_is_given_back_and_what_was_never_written_is_not():
    recent = RecentProfiles()
    recent.put("anna", b"one")
    recent.put("anna", b"two")
    assert recent.get("anna") == b"two"
    assert recent.get("boris") is None


def test_beyond_the_limit_the_one_written_longest_ago_is_forgotten():
    recent = RecentProfiles(limit=2)
    for customer in ("anna", "boris"):
        recent.put(customer, b"one")
    recent.put("anna", b"two")
    recent.put("clara", b"one")
    assert [recent.get(name) for name in ("anna", "boris", "clara")] == [b"two", None, b"one"]


def test_a_long_profile_is_not_kept_nor_its_older_form():
    recent = RecentProfiles()
    recent.put("anna", b"one")
    recent.put("anna", b"x" * (MAX_PROFILE_BYTES + 1))
    assert recent.get("anna") is None


def test_all_are_forgotten_at_once():
    recent = RecentProfiles()
    recent.put("anna", b"one")
    recent.put("boris", b"one")
    recent.clear()
    assert [recent.get(name) for name in ("anna", "boris")] == [None, None]


def test_a_profile_forgotten_is_gone():
    recent = RecentProfiles()
    recent.put("anna", b"one")
    recent.forget("anna")
    recent.forget("boris")
    assert recent.get("anna") is None
