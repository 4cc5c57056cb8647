"""Public holidays by country, as the dates that a plan carries.

They are looked up when a plan is made, never when deciding, so that a decision can be replayed
whatever the calendars say later.
"""

from __future__ import annotations

from functools import lru_cache

from nba.policies.suggestions import nearest

FIRST_YEAR, LAST_YEAR = 2020, 2050
"""Years whose holidays a plan carries; of others they are not known."""


@lru_cache(maxsize=256)
def holidays_of(calendar: str) -> tuple[str, ...]:
    """Return the public holidays of a calendar as dates, ``YYYY-MM-DD``, oldest first.

    ``calendar`` is a country of ISO 3166, or a part of one: ``AT``, ``US-CA``. Days that a
    government sets year by year, or that follow the moon, are estimated where not yet announced.
    Raises :class:`KeyError` where there is no such calendar.

    >>> "2026-10-26" in holidays_of("AT")
    True
    """
    # A third of a second and a hundred countries: only where a policy names a calendar.
    import holidays

    country, _, part = calendar.partition("-")
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    try:
        found = holidays.country_holidays(country, subdiv=part or None, years=years)
    except NotImplementedError as error:
        raise KeyError(calendar) from error
    return tuple(sorted({day.isoformat() for day in found}))


def calendar_hint(calendar: str) -> str:
    """Return a hint at the calendar that was probably meant by one that does not exist.

    >>> calendar_hint("DE-Bavaria")
    'known: DE-BB, DE-BE, DE-BW, DE-BY, DE-HB, DE-HE, DE-HH, DE-MV, DE-NI, DE-NW and 6 more'
    """
    import holidays

    supported = holidays.list_supported_countries()
    country = calendar.partition("-")[0]
    if country in supported:
        parts = [f"{country}-{part}" for part in supported[country]]
        return nearest(calendar, parts or [country])
    return nearest(country, supported)
