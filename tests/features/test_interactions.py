"""Decisions as features: which contacts count, for what, and for how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nba.domain.history import EMPTY_HISTORY, ContactHistory
from nba.features import FeatureSet

TILE = 300
NOW = 1_750_000_200
"""At the very start of a tile of an hour's window."""


def read(
    make: SimpleNamespace, history: ContactHistory | None, *features: Any, at: float = NOW
) -> dict[str, float]:
    compiled = FeatureSet(features, [], catalog=make.catalog)
    found: dict[str, float] = make.row(compiled, None, int(at * 1_000), history=history)
    return found


@pytest.mark.parametrize(
    ("contact_at", "asked_at", "counted"),
    [
        (NOW, NOW, 1),
        (NOW + 1, NOW, 1),
        (NOW, NOW + 12 * TILE - 1, 1),
        (NOW, NOW + 12 * TILE, 0),
        (NOW + TILE - 1, NOW + 12 * TILE - 1, 1),
        (NOW + TILE - 1, NOW + 12 * TILE, 0),
        (NOW - 1, NOW + 11 * TILE - 0.001, 1),
        (NOW - 1, NOW + 11 * TILE, 0),
    ],
)
def test_a_window_is_whole_tiles_as_it_is_for_events(
    make: SimpleNamespace, contact_at: int, asked_at: float, counted: int
) -> None:
    history = make.history((contact_at, "card", "web.home"))
    row = read(
        make,
        history,
        make.interaction("n", window="1h"),
        make.interaction("quiet", function="recency", window="1h"),
        at=asked_at,
    )
    assert row["n"] == counted
    days = max(asked_at - contact_at, 0) / 86_400
    np.testing.assert_equal(row["quiet"], np.float32(days) if counted else np.nan)


def test_nobody_contacted_is_0_and_missing(make: SimpleNamespace) -> None:
    features = (
        make.interaction("n", window="1d"),
        make.interaction("quiet", function="recency", window="1d"),
        make.interaction("quiet_or_long", function="recency", window="1d", default=99.0),
        make.interaction("fading", function="decayed_count", half_life="1h", window="1d"),
    )
    for history in (None, EMPTY_HISTORY):
        row = read(make, history, *features)
        expected = {"fading": 0.0, "n": 0.0, "quiet": np.nan, "quiet_or_long": 99.0}
        np.testing.assert_equal(row, expected)


def test_conditions_are_over_action_placement_and_channel(make: SimpleNamespace) -> None:
    history = make.history(
        (NOW - 900, "card", "email.body"),
        (NOW - 600, "loan", "web.home"),
        (NOW - 300, "card", "web.home"),
        (NOW - 200, "retired", "web.home"),  # no longer in the catalog
        (NOW - 100, "card", "gone.place"),
    )
    conditions = {
        "all": None,
        "cards": 'properties.action == "card"',
        "web": 'properties.channel == "web"',
        "body": 'properties.placement == "email.body" || properties.action == "loan"',
        "not_card": 'properties.action != "card"',
        "retired": 'properties.action == "retired"',
    }
    row = read(
        make,
        history,
        *(make.interaction(f"n_{k}", window="1d", where=v) for k, v in conditions.items()),
        make.interaction(
            "quiet", function="recency", window="1d", where='properties.action == "card"'
        ),
    )
    found = {name[2:]: value for name, value in row.items() if name != "quiet"}
    # What the catalog does not know meets no condition, and counts where there is none.
    assert found == {"all": 5, "cards": 2, "web": 2, "body": 2, "not_card": 1, "retired": 0}
    assert row["quiet"] == np.float32(300 / 86_400)


def test_crosses_count_the_candidates_own_group(make: SimpleNamespace) -> None:
    history = make.history(
        (NOW - 7_200, "card", "email.body"),
        (NOW - 3_600, "card", "web.home"),
        (NOW - 60, "loan", "web.home"),
        (NOW - 30, "no_action", "web.home"),
        (NOW - 10, "retired", "web.home"),
    )
    row = read(
        make,
        history,
        make.interaction("by_action", window="1d", by="action"),
        make.cross("same_action", "by_action"),
        make.interaction("by_line", window="1d", by="product@1"),
        make.cross("same_line", "by_line", "action.term:product@1"),
        make.interaction("by_channel", window="1h", by="channel"),
        make.cross("same_channel", "by_channel", "placement.channel"),
        make.interaction("since", function="recency", window="1d", by="placement"),
        make.cross("quiet_here", "since", "placement.id"),
        make.interaction("f", function="decayed_count", half_life="1h", window="1d", by="action"),
        make.cross("fading", "f"),
        make.interaction("w", window="1d", by="action", where='properties.channel == "web"'),
        make.cross("web_only", "w"),
    )
    day = 86_400
    expected = {
        "same_action[card]": 2,
        "same_action[loan]": 1,
        "same_action[no_action]": 1,
        "same_action[receipt]": 0,
        "same_line[credit]": 3,
        "same_line[service]": 0,
        "same_channel[email]": 0,
        "same_channel[web]": 2,  # not the retired action: its terms and groups are not known
        "quiet_here[email.body]": 7_200 / day,
        "quiet_here[web.home]": 30 / day,
        "fading[card]": 0.75,
        "fading[loan]": 2 ** (-1 / 60),
        "fading[no_action]": 2 ** (-1 / 120),
        "fading[receipt]": 0.0,
        "web_only[card]": 1,
        "web_only[loan]": 1,
        "web_only[no_action]": 1,
        "web_only[receipt]": 0,
    }
    assert row.keys() == expected.keys()
    np.testing.assert_allclose(list(row.values()), [expected[n] for n in row], rtol=1e-6)


def test_decay_is_over_the_window_only(make: SimpleNamespace) -> None:
    history = make.history((NOW - 7_200, "card", "web.home"), (NOW - 1_800, "card", "web.home"))
    fading = make.interaction("f", function="decayed_count", half_life="1h", window="1h")
    assert read(make, history, fading)["f"] == np.float32(2**-0.5)


def test_without_a_catalog_only_what_asks_nothing_of_it_is_counted(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [
            make.interaction("n", window="1d"),
            make.interaction("web", window="1d", where='properties.channel == "web"'),
            make.interaction("by_action", window="1d", by="action"),
            make.cross("same", "by_action"),
        ],
        [],
    )
    history = make.history((NOW - 60, "card", "web.home"))
    row = make.row(features, None, NOW * 1_000, history=history)
    assert row == {"n": 1.0, "web": 0.0}


def test_derived_values_and_segments_see_decisions(make: SimpleNamespace) -> None:
    features = FeatureSet(
        [make.interaction("n", window="1d"), make.derived("twice", "customer.n * 2.0")],
        [],
        segments=[make.segment("pressed", "customer.n > 1.0")],
        catalog=make.catalog,
    )
    history = make.history((NOW - 60, "card", "web.home"), (NOW - 50, "loan", "web.home"))
    row = make.row(features, None, NOW * 1_000, history=history)
    assert row == {"n": 2.0, "twice": 4.0, "segment_pressed": 1.0}
