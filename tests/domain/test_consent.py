"""Consents over time: every word, and the one that stands."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nba.domain.consent import consent_code, consent_history, standing_consents


def update(at: str, source: str, word: str, channel: str = "email") -> dict[str, Any]:
    return {"received_at": at, "source": source, "consents": {channel: {"marketing": word}}}


def test_a_code_leaves_its_lowest_bit_free():
    assert consent_code("email", "marketing") % 2 == 0
    assert consent_code("email", "marketing") != consent_code("sms", "marketing")


def test_every_word_is_told_with_its_time_and_source():
    updates = [
        update("1", "call", "denied"),
        {"received_at": "2", "source": "api", "consents": {}},
        update("3", "form", "granted", "sms"),
    ]
    assert consent_history(updates) == [
        {"channel": "email", "purpose": "marketing", "consent": "denied", "at": "1"}
        | {"source": "call"},
        {"channel": "sms", "purpose": "marketing", "consent": "granted", "at": "3"}
        | {"source": "form"},
    ]


def test_a_word_given_again_stands_since_the_first_time():
    words = ["granted", "denied", "granted", "granted"]
    updates = [update(str(at), f"s{at}", word) for at, word in enumerate(words)]
    standing = standing_consents(consent_history(updates))
    assert standing == {
        "email": {"marketing": {"consent": "granted", "since": "2", "source": "s2"}}
    }


@given(
    st.lists(
        st.tuples(st.sampled_from(["email", "sms"]), st.sampled_from(["granted", "denied"])),
        max_size=12,
    )
)
def test_what_stands_is_the_last_word_since_its_run_began(words: list[tuple[str, str]]):
    updates = [update(f"{at:02}", f"s{at}", word, ch) for at, (ch, word) in enumerate(words)]
    standing = standing_consents(consent_history(updates))
    for channel in ("email", "sms"):
        mine = [(at, word) for at, (name, word) in enumerate(words) if name == channel]
        if not mine:
            assert channel not in standing
            continue
        begin = len(mine) - 1
        while begin and mine[begin - 1][1] == mine[-1][1]:
            begin -= 1
        at = mine[begin][0]
        expected = {"consent": mine[-1][1], "since": f"{at:02}", "source": f"s{at}"}
        assert standing[channel] == {"marketing": expected}
