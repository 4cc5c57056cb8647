"""What customers do on arriving is declared and depends on the arrival alone."""

from nba.simulator.visits import visit_events


def events(world, arrivals, index):
    return visit_events(world, arrivals, index, int(arrivals.at_ms[index]))


def named(world, arrivals, index):
    return [body["event"] for _, body in events(world, arrivals, index)]


def test_visits_are_the_same_each_time(world, arrivals):
    assert events(world, arrivals, 3) == events(world, arrivals, 3)


def test_every_event_is_declared_with_its_properties(project, world, arrivals):
    declared = project.features.events
    for index in range(len(arrivals)):
        for _, body in events(world, arrivals, index):
            assert set(body["properties"]) == set(declared[body["event"]].properties)


def test_the_web_and_the_app_show_products(world, arrivals):
    for index in range(len(arrivals)):
        names = named(world, arrivals, index)
        browsing = arrivals.channel(index) in {"web", "app"}
        assert ("Product Viewed" in names) == browsing
        assert ("App Opened" in names) == (arrivals.channel(index) == "app")
        assert ("Product Added" in names) == (browsing and arrivals.baskets[index] > 0)


def test_a_complaint_on_the_phone_opens_a_case_that_closes_later(world):
    arrivals = world.arrivals(stream=8, count=1_500, start_ms=world.start_ms, days=10.0)
    found = 0
    for index in range(len(arrivals)):
        placement = world.placement(int(arrivals.placements[index])).id
        complains = (
            placement == "call_center.desktop"
            and arrivals.context(index)["call_reason"] == "complaint"
        )
        names = named(world, arrivals, index)
        assert ("Complaint Opened" in names) == complains
        if complains:
            found += 1
            moments = {body["event"]: at_ms for at_ms, body in events(world, arrivals, index)}
            assert moments["Ticket Closed"] - moments["Ticket Opened"] == 48 * 3_600_000
    assert found > 3
