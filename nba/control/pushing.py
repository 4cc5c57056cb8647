"""What a project's files say, as a change set."""

from __future__ import annotations

from nba.catalog.changes import ChangeSet
from nba.catalog.differences import differences
from nba.catalog.objects import Objects
from nba.control.service import ChangeService


def push_files(
    service: ChangeService,
    objects: Objects,
    name: str,
    note: str,
    author: str,
    *,
    publish: bool = False,
) -> ChangeSet | None:
    """Open a change set of what objects would change about those that are live.

    Returns ``None`` where that is nothing. With ``publish`` it is submitted, approved and published
    by its author.

    Raises :class:`~nba.errors.ConflictError` under four eyes where it is to be published; then it
    stays in review, so that somebody else may approve it.
    """
    live = {held.key: held.body for held in service.objects()}
    if next(differences(live, objects), None) is None:
        return None
    opened = service.create(name, note, author)
    change = service.replace_objects(opened.id, objects, author, note=note)
    if publish:
        service.submit(change.id, author, note)
        service.approve(change.id, author, note)
        service.publish(change.id, author, note)
        change = service.get(change.id)
    return change
