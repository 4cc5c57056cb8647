"""Actions without content in a locale of the project."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject

NO_DEFAULT = Code(
    "content.default_locale_missing",
    Severity.ERROR,
    "An action is shown in a placement but has no content there in the default locale.",
    "add content in the default locale",
)
NO_LOCALE = Code(
    "content.locale_missing",
    Severity.WARNING,
    "An action has no content in one of the project's locales, nor in its language.",
    "add content in the locale, or accept that these customers see the default locale",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find, for each action and locale, the placements that lack content of it."""
    default = subject.catalog.default_locale
    written: dict[tuple[str, str], set[str]] = {}
    for content in subject.contents:
        for place in content.placements:
            written.setdefault((content.action, place), set()).add(content.locale)
    for row, action in enumerate(subject.actions):
        columns = subject.shown[row].nonzero()[0].tolist()
        places = [subject.placements[column].id for column in columns]
        for locale in subject.locales:
            accepted = {locale, locale.partition("-")[0]}
            lacking = [p for p in places if not accepted & written[action.id, p]]
            if not lacking:
                continue
            code = NO_DEFAULT if locale == default else NO_LOCALE
            found = f"{action.id} has no content in {locale} for {listed(lacking)}"
            yield code.found(f"action/{action.id}/contents", found)


CHECK = Check((NO_DEFAULT, NO_LOCALE), find)
