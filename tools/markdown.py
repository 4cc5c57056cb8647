"""Markdown of the generated pages."""

from __future__ import annotations

import re
from collections.abc import Iterable

GENERATED = "<!-- Written by `make docs` from the code; do not edit. -->\n"


def page(title: str, *parts: str) -> str:
    """Return a page of parts, which says that it is generated."""
    return (
        "\n\n".join([f"# {title}", GENERATED.rstrip(), *(part.rstrip() for part in parts)]) + "\n"
    )


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table."""
    heading = tuple(heading)
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def paragraphs(docstring: str) -> str:
    """Return a docstring as Markdown, one line a paragraph."""
    return "\n\n".join(
        " ".join(paragraph.split()) for paragraph in markdown(docstring).split("\n\n")
    )


def markdown(text: str) -> str:
    """Return text with the markup of docstrings as Markdown's."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", text)
