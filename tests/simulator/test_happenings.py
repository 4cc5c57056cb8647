"""Events are declared, unique and on time; categories fall by their shares."""

from datetime import datetime

import pytest

from nba.domain.clock import from_datetime
from nba.simulator.happenings import past_events, pick_category, properties_of
from nba.simulator.population import draw_population
from nba.simulator.tastes import draw_tastes

START_MS = 1_741_000_000_000


@pytest.fixture
def tastes():
    return draw_tastes(5, 1_000)


@pytest.fixture
def records(tastes):
    return draw_population(tastes, seed=5, start_ms=START_MS)


def test_every_event_carries_what_is_declared(project):
    for name, event in project.features.events.items():
        assert set(properties_of(name, 0, 1.0, "r")) == set(event.properties)


def test_past_events_are_declared_unique_and_past(project, tastes, records):
    bodies = list(past_events(tastes, records, seed=5, start_ms=START_MS))
    assert len({body["messageId"] for body in bodies}) == len(bodies)
    moments = [from_datetime(datetime.fromisoformat(body["timestamp"])) for body in bodies]
    assert max(moments) <= START_MS
    assert min(moments) >= START_MS - 90 * 86_400_000
    for body in bodies:
        assert project.features.declares(body["event"])


@pytest.mark.parametrize(("draw", "category"), [(0.0, 0), (0.499, 0), (0.5, 1), (0.8, 2), (1.0, 2)])
def test_a_draw_falls_on_a_category_by_its_share(tastes, draw, category):
    tastes.categories[0] = [0.5, 0.25, 0.25]
    assert pick_category(tastes, 0, draw) == category
