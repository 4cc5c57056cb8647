"""Change what a YAML text says and leave everything else in it as it is: comments, order, style.

The text is never written anew: only the entries that differ are cut out and put in, at the places
the parser found them. Where an entry cannot be changed by itself (it is written with anchors, or on
one line with others) the smallest one around it that can is written anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from nba.catalog.differences import same
from nba.documents import YamlLoader

_WIDE = 1_000_000
_BLOCK_SCALARS = ("|", ">")


class UnfitError(Exception):
    """An entry cannot be changed by itself; the one around it is written anew."""


def rewrite(
    text: str, old: Mapping[str, Any], new: Mapping[str, Any], ids: Mapping[str, str]
) -> str:
    r"""Return a text that says ``new`` where it said ``old``.

    Parameters
    ----------
    text
        A YAML mapping.
    old, new
        What it says, and what it is to say.
    ids
        For each top-level key whose value is a list of objects, the key of their ids: objects are
        changed, removed and appended by it, whatever their place.

    Raises
    ------
    UnfitError
        It cannot be changed in place.

    Examples
    --------
    >>> text = "actions:\n  # dear\n  - id: a\n    value: 1  # euros\n  - id: b\n"
    >>> old = {"actions": [{"id": "a", "value": 1}, {"id": "b"}]}
    >>> new = {"actions": [{"id": "a", "value": 2}]}
    >>> print(rewrite(text, old, new, {"actions": "id"}), end="")
    actions:
      # dear
      - id: a
        value: 2  # euros

    """
    node = yaml.compose(text, Loader=YamlLoader)
    if not isinstance(node, yaml.MappingNode):
        raise UnfitError
    editor = _Editor(text)
    editor.mapping(node, old, new, ids)
    return editor.edited()


def written(value: Any) -> str:
    """Return plain data as YAML in block style; a mapping of mappings reads as files do."""
    dumped: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
        width=_WIDE,
    )
    return dumped


def _in_flow(value: Any) -> str:
    """Return plain data on one line, fit for being among others in brackets."""
    dumped: str = yaml.dump(
        [value],
        Dumper=_Dumper,
        default_flow_style=True,
        allow_unicode=True,
        sort_keys=False,
        width=_WIDE,
    )
    return dumped.strip()[1:-1]


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, lines broken within quotes, and nothing by reference."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # as its base class has it
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # as its base class has it
        return True


def _write_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if "\n" in value or "\r" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _write_text)


class _Editor:
    """Collects what to put in the place of what, by position in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._edits: list[tuple[int, int, str]] = []
        self._break = "\r\n" if "\r\n" in text else "\n"

    def edited(self) -> str:
        text = self._text
        for start, end, put in sorted(self._edits, reverse=True):
            text = text[:start] + put.replace("\n", self._break) + text[end:]
        return text

    def mapping(
        self,
        node: yaml.MappingNode,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        ids: Mapping[str, str],
    ) -> None:
        """Change the entries that differ; keys that are new come last."""
        entries = [(str(key.value), key, value) for key, value in node.value]
        if [name for name, _, _ in entries] != [str(name) for name in old]:
            raise UnfitError  # keys that are no text, or merged from elsewhere
        if node.flow_style and (old.keys() != new.keys()):
            raise UnfitError
        if not old or not new:
            raise UnfitError
        for name, key, value in entries:
            self._require_within(node, key)
            if name not in new:
                self._require_own_line(key)
                self._cut(self._line_start(key), self._line_end(self._end_within(node, value)))
            elif not same(old[name], new[name]):
                self._entry(node, key, value, old[name], new[name], ids.get(name, ""))
        added = {name: value for name, value in new.items() if name not in old}
        if added:
            _, first, _ = entries[0]
            end = self._line_end(self._end_within(node, entries[-1][2]))
            self._insert(end, _indented(written(added), " " * first.start_mark.column))

    def _entry(
        self,
        around: yaml.MappingNode,
        key: yaml.Node,
        value: yaml.Node,
        old: Any,
        new: Any,
        id_: str,
    ) -> None:
        kept = len(self._edits)
        try:
            self._require_within(around, value)
            self._value(value, old, new, id_)
        except UnfitError:
            del self._edits[kept:]
            if around.flow_style:
                raise
            end = self._end_within(around, value)
            dumped = _indented(written({key.value: new}), " " * key.start_mark.column)
            self._put(key.start_mark.index, self._line_end(end), dumped.lstrip(" "))

    def _value(self, node: yaml.Node, old: Any, new: Any, id_: str) -> None:
        if isinstance(node, yaml.MappingNode) and _both(old, new, Mapping):
            self.mapping(node, old, new, {})
        elif id_ and isinstance(node, yaml.SequenceNode) and _both(old, new, list):
            self._objects(node, old, new, id_)
        elif isinstance(node, yaml.ScalarNode):
            is_empty = node.start_mark.index == node.end_mark.index
            if is_empty or node.style in _BLOCK_SCALARS or isinstance(new, Mapping | list):
                raise UnfitError
            self._edits.append((node.start_mark.index, node.end_mark.index, _in_flow(new)))
        elif isinstance(node, yaml.CollectionNode) and node.flow_style and node.value:
            self._edits.append((node.start_mark.index, node.end_mark.index, _in_flow(new)))
        else:
            raise UnfitError

    def _objects(
        self, node: yaml.SequenceNode, old: Sequence[Any], new: Sequence[Any], id_: str
    ) -> None:
        """Change, remove and append objects of a list by their ids."""
        before, after = _by_id(old, id_), _by_id(new, id_)
        if node.flow_style or not after or len(before) != len(node.value):
            raise UnfitError
        for item, body in zip(node.value, before.values(), strict=True):
            self._require_within(node, item)
            wanted = after.get(body[id_])
            if wanted is None:
                end = self._line_end(self._end_within(node, item))
                self._cut(self._dash(item), self._with_blank_lines(end))
            elif not same(body, wanted):
                self._object(node, item, body, wanted)
        added = [body for name, body in after.items() if name not in before]
        if added:
            last = node.value[-1]
            indent = " " * (self._dash(last, column=True))
            apart = "\n" if self._apart(node) else ""
            texts = [apart + _indented(written([body]), indent) for body in added]
            self._insert(self._line_end(self._end_within(node, last)), "".join(texts))

    def _object(self, around: yaml.Node, item: yaml.Node, old: Any, new: Any) -> None:
        kept = len(self._edits)
        try:
            self._value(item, old, new, "")
        except UnfitError:
            del self._edits[kept:]
            start = self._dash(item)
            indent = " " * self._dash(item, column=True)
            end = self._line_end(self._end_within(around, item))
            self._put(start, end, _indented(written([new]), indent))

    def _require_within(self, around: yaml.Node, node: yaml.Node) -> None:
        """Refuse what stands elsewhere and is only referred to."""
        within = around.start_mark.index <= node.start_mark.index < around.end_mark.index
        if not within:
            raise UnfitError

    def _require_own_line(self, node: yaml.Node) -> None:
        if self._text[self._line_start(node) : node.start_mark.index].strip():
            raise UnfitError

    def _dash(self, item: yaml.Node, *, column: bool = False) -> int:
        """Return where the line of a list's item begins, or at which column its dash is."""
        start = self._line_start(item)
        before = self._text[start : item.start_mark.index]
        if before.strip() != "-":
            raise UnfitError
        return before.index("-") if column else start

    def _end_within(self, around: yaml.Node, node: yaml.Node) -> int:
        """Return where a node's last character is; the parser's end includes what follows it."""
        for leaf in _last_leaves(node):
            if not around.start_mark.index <= leaf.start_mark.index < around.end_mark.index:
                raise UnfitError
            end: int = leaf.end_mark.index
        while self._text[end - 1] in "\r\n":
            end -= 1
        return end

    def _line_start(self, node: yaml.Node) -> int:
        return self._text.rfind("\n", 0, node.start_mark.index) + 1

    def _line_end(self, index: int) -> int:
        """Return the end of a line, its break included."""
        found = self._text.find("\n", index)
        return len(self._text) if found < 0 else found + 1

    def _with_blank_lines(self, end: int) -> int:
        while end < len(self._text) and not self._text[end : self._line_end(end)].strip():
            end = self._line_end(end)
        return end

    def _apart(self, node: yaml.SequenceNode) -> bool:
        """Say whether objects are parted by blank lines."""
        if len(node.value) < 2:  # noqa: PLR2004  # one has nothing to be parted from
            return False
        last = self._line_start(node.value[-1])
        return not self._text[:last].rsplit("\n", 2)[-2].strip()

    def _cut(self, start: int, end: int) -> None:
        self._edits.append((start, end, ""))

    def _put(self, start: int, end: int, text: str) -> None:
        if not self._text[start:end].endswith("\n"):
            text = text.removesuffix("\n")
        self._edits.append((start, end, text))

    def _insert(self, at: int, text: str) -> None:
        if at and self._text[at - 1] != "\n":
            text = "\n" + text.removesuffix("\n")
        self._edits.append((at, at, text))


def _both(old: Any, new: Any, kind: type) -> bool:
    return isinstance(old, kind) and isinstance(new, kind)


def _by_id(items: Sequence[Any], id_: str) -> dict[str, Any]:
    found = {item[id_]: item for item in items if isinstance(item, Mapping) and id_ in item}
    if len(found) != len(items):
        raise UnfitError
    return found


def _last_leaves(node: yaml.Node) -> Iterator[yaml.Node]:
    """Iterate from a node to the last thing in it, each inside the one before."""
    yield node
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
        yield node


def _indented(text: str, indent: str) -> str:
    return "".join(
        indent + line if line.strip() else line for line in text.splitlines(keepends=True)
    )
