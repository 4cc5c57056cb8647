"""What a customer was put through is forgotten after a week; lapses stay."""

from nba.domain.customer import Consent
from nba.domain.ids import CustomerId
from nba.measurement.evidence import ConsentChange, TimeZoneChange
from nba.simulator.memory import FATIGUE_WINDOW_MS, JourneyMemory
from nba.simulator.truth import Exposure


def test_contacts_are_felt_for_seven_days():
    memory = JourneyMemory()
    memory.contacted(1, at_ms=1_000, weight=1.0)
    memory.contacted(1, at_ms=2_000, weight=0.25)
    memory.contacted(2, at_ms=2_000, weight=1.0)
    assert memory.exposure(1, at_ms=2_000) == Exposure(1.25, 0)
    assert memory.exposure(1, at_ms=999 + FATIGUE_WINDOW_MS) == Exposure(1.25, 0)
    assert memory.exposure(1, at_ms=1_000 + FATIGUE_WINDOW_MS) == Exposure(0.25, 0)
    assert memory.exposure(3, at_ms=0) == Exposure()


def test_lapses_stay():
    memory = JourneyMemory()
    memory.lapsed(1)
    memory.lapsed(1)
    assert memory.exposure(1, at_ms=10 * FATIGUE_WINDOW_MS).lapses == 2


def test_evidence_is_what_was_remembered():
    anna = CustomerId("anna")
    change = ConsentChange(anna, 5, "email", "marketing", Consent.DENIED)
    memory = JourneyMemory(consents=[change], time_zones=[TimeZoneChange(anna, 0, "Europe/Lisbon")])
    evidence = memory.evidence()
    assert evidence.consent("anna", "email", "marketing", at_ms=5) is Consent.DENIED
    assert evidence.time_zone("anna", at_ms=5) == "Europe/Lisbon"
