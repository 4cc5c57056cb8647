"""Evidence answers as things stood at a moment."""

from nba.domain.customer import Consent
from nba.domain.ids import CustomerId
from nba.measurement.evidence import ConsentChange, Evidence, TimeZoneChange

ANNA = CustomerId("anna")


def test_consent_is_the_latest_word_before_the_moment():
    evidence = Evidence.of(
        [
            ConsentChange(ANNA, 200, "email", "marketing", Consent.DENIED),
            ConsentChange(ANNA, 100, "email", "marketing", Consent.GRANTED),
        ],
        [],
    )
    found = [evidence.consent("anna", "email", "marketing", at_ms=at) for at in (99, 100, 199, 200)]
    assert found == [Consent.UNKNOWN, Consent.GRANTED, Consent.GRANTED, Consent.DENIED]
    assert evidence.consent("anna", "sms", "marketing", at_ms=300) is Consent.UNKNOWN
    assert evidence.consent("bert", "email", "marketing", at_ms=300) is Consent.UNKNOWN


def test_time_zone_moves_with_the_customer():
    moves = [TimeZoneChange(ANNA, 0, "Europe/Berlin"), TimeZoneChange(ANNA, 50, None)]
    evidence = Evidence.of([], moves)
    assert evidence.time_zone("anna", at_ms=49) == "Europe/Berlin"
    assert evidence.time_zone("anna", at_ms=50) is None
    assert evidence.time_zone("bert", at_ms=50) is None
