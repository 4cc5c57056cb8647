"""A catalog as it was written: every item with the place it was written at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from nba.documents import Document
from nba.domain.catalog import Action, Content, Placement, StaleContent
from nba.domain.taxonomy import Dimension, Taxonomy
from nba.errors import Fault

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """What holds for the whole project; ``purposes`` are what customers may consent to.

    ``stale_content`` says what becomes of contents whose master has changed.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: str
    currency: str
    default_locale: str
    locales: tuple[str, ...]
    purposes: tuple[str, ...]
    stale_content: StaleContent = StaleContent.SHOW


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryMapping:
    """How entries of one type become contents: one in every locale they are written in.

    ``action``, ``group``, ``starts`` and ``ends`` name fields; an entry without a ``group`` is one
    of its own. ``slots`` maps each slot to a field. Fields in ``shared`` hold one value for all
    locales, that of the first locale declared. With ``master`` the content in the project's default
    locale is the master of the others.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    action: str
    placements: tuple[str, ...]
    slots: Mapping[str, str]
    group: str = ""
    terms: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    starts: str = ""
    ends: str = ""
    master: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A content management system; ``locales`` maps its locales to ours, ``entries`` its types."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    name: str
    kind: str
    url: str
    space: str
    environment: str = "master"
    locales: Mapping[str, str]
    entries: Mapping[str, EntryMapping] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """An item, its id, and where it was written: ``location`` is its path in the document."""

    id: str
    item: T
    document: Document
    location: tuple[str | int, ...]

    @property
    def body(self) -> Any:
        """The item as plain data, exactly as it is written."""
        found = self.document.data
        for step in self.location:
            found = found[step]
        return found

    def place(self, *inner: str | int) -> str:
        """Return ``file:line`` of the item, or of something inside it."""
        return self.document.place(*self.location, *inner)

    def fault(self, inner: tuple[str | int, ...], found: str, expected: str) -> Fault:
        """Return a fault at the item, or at something inside it."""
        return Fault(self.place(*inner), found, expected)


@dataclass(slots=True)
class Declared(Generic[T]):
    """All items of one kind.

    ``ids`` also holds those whose item could not be read, so that one fault in an item is not
    followed by one at everything that names it. ``complete`` says whether all could be read.
    """

    items: list[Written[T]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    complete: bool = True

    def __iter__(self) -> Iterator[Written[T]]:
        return iter(self.items)


@dataclass(slots=True)
class Declarations:
    """Everything written in a catalog, before it is checked.

    ``folder`` is the place of what is missing altogether, ``faults`` what could not be read.
    ``readable`` is false where that was a whole file: then nothing can be said about what is
    missing. ``project`` is the one place where the project is described; ``projects`` counts the
    attempts.
    """

    folder: str
    faults: list[Fault] = field(default_factory=list)
    readable: bool = True
    projects: int = 0
    project: Written[ProjectSettings] | None = None
    dimensions: Declared[Dimension] = field(default_factory=Declared)
    actions: Declared[Action] = field(default_factory=Declared)
    contents: Declared[Content] = field(default_factory=Declared)
    placements: Declared[Placement] = field(default_factory=Declared)
    connections: list[Written[Connection]] = field(default_factory=list)

    def knows_all(self, *kinds: Declared[Any]) -> bool:
        """Whether everything of these kinds could be read, so that what is missing is missing."""
        return self.readable and all(kind.complete for kind in kinds)

    def taxonomy(self) -> Taxonomy:
        """Return the dimensions that could be read."""
        return Taxonomy({written.id: written.item for written in self.dimensions})
