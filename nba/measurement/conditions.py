"""Policy conditions recounted with a public CEL interpreter, apart from the compiled predicates.

The interpreter (cel-python) walks the condition for every row; nothing here is shared with the
predicates that decided, so that an error in those shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Mapping[str, float | str | bool | None]]
"""``{"customer": {"age": 41.0}, "request": {...}, "action": {...}, "placement": {...}}``."""

_ROOTS = ("customer", "request", "action", "placement", "segment", "content")

_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<word>[A-Za-z_][A-Za-z_0-9]*)"""
    r"""|(?P<number>\d+\.\d+|\d+)"""
)


def names_read(source: str) -> tuple[tuple[str, str], ...]:
    """Return the ``(root, name)`` pairs a condition reads.

    >>> names_read("customer.age >= 18 && request.device == 'x.y'")
    (('customer', 'age'), ('request', 'device'))
    """
    bare = _TOKEN.sub(lambda found: "" if found["text"] else found[0], source)
    found = re.findall(rf"\b({'|'.join(_ROOTS)})\.([A-Za-z_][A-Za-z_0-9]*)", bare)
    return tuple(dict.fromkeys((root, name) for root, name in found))


def compile_condition(source: str) -> Callable[[Facts], bool | None]:
    """Return a function that answers true, false, or ``None`` where missing data leaves it open.

    Numbers are doubles throughout, as recorded; CEL itself compares no integer with a double.
    """
    import celpy

    environment = celpy.Environment()
    program = environment.program(environment.compile(_with_doubles(source)))

    def evaluate(facts: Facts) -> bool | None:
        bound: dict[str, Any] = {root: celpy.json_to_cel({}) for root in _ROOTS}
        for root, values in facts.items():
            known = {
                name: float(value)
                if isinstance(value, int | float) and value is not True and value is not False
                else value
                for name, value in values.items()
                if value is not None
            }
            bound[root] = celpy.json_to_cel(known)
        try:
            return bool(program.evaluate(bound))
        except celpy.CELEvalError:
            return None

    return evaluate


def _with_doubles(source: str) -> str:
    def rewrite(found: re.Match[str]) -> str:
        number = found["number"]
        return f"{number}.0" if number and "." not in number else found[0]

    return _TOKEN.sub(rewrite, source)
