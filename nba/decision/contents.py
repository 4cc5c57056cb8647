"""The contents of a placement, compiled: which variants of an action may be shown, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.catalog.rendering import CompiledSlots, TemplateNames, compile_slots
from nba.decision.artifact import PlanSource
from nba.domain.catalog import Action, Content, Placement
from nba.domain.ids import DecisionId
from nba.expressions import Schema
from nba.features.sensitivity import sensitive_names
from nba.policies import Candidates, GuardStack, Situation, compile_guards
from nba.policies.contents import content_columns, with_contents


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementContents:
    """Contents of one placement.

    ``rows`` are all of them, and ``templates`` what is to be filled in of each; ``by_action`` gives
    for each candidate the rows of its variants by locale. ``guards`` are the policies about
    contents, ``None`` where there are none.
    """

    rows: tuple[Content, ...]
    templates: tuple[CompiledSlots | None, ...]
    by_action: tuple[Mapping[str, NDArray[np.intp]], ...]
    default_locale: str
    guards: GuardStack | None

    @property
    def competing(self) -> tuple[int, ...]:
        """Rows of contents that stand beside another of the same action and locale, ascending."""
        among = (rows for by_locale in self.by_action for rows in by_locale.values())
        return tuple(sorted(row for rows in among if len(rows) > 1 for row in rows.tolist()))

    def variants(self, candidate: int, locale: str | None) -> NDArray[np.intp]:
        """Return the rows of a candidate's variants in the closest locale, ``(n_variants,)``.

        The closest is the same, else the same language, else the default.
        """
        by_locale = self.by_action[candidate]
        wanted = locale or self.default_locale
        for name in (wanted, wanted.partition("-")[0], self.default_locale):
            if name in by_locale:
                return by_locale[name]
        return _NONE

    def open(self, situation: Situation) -> NDArray[np.bool_] | None:
        """Say which contents may be shown, ``(n_contents,)``; ``None`` is all of them."""
        if self.guards is None:
            return None
        kept: NDArray[np.bool_] = self.guards.evaluate(situation).dropped_by < 0
        return kept

    def slots(
        self, row: int, features: NDArray[np.float32], decision_id: DecisionId
    ) -> Mapping[str, str]:
        """Return what an answer gives of a content, filled in for a customer."""
        compiled = self.templates[row]
        return self.rows[row].shown if compiled is None else compiled.render(features, decision_id)

    def shown(self, kept: NDArray[np.bool_], locale: str | None) -> NDArray[np.bool_]:
        """Say which candidates have a variant left, ``(n_candidates,)``; ``no_action`` has."""
        left = [True] + [
            bool(kept[self.variants(candidate, locale)].any())
            for candidate in range(1, len(self.by_action))
        ]
        return np.array(left, dtype=np.bool_)


_NONE = np.zeros(0, dtype=np.intp)


def compile_contents(
    source: PlanSource,
    placement: Placement,
    actions: Sequence[Action],
    here: Sequence[Content],
    columns: NDArray[np.float64],
    schema: Schema,
) -> PlacementContents:
    """Compile the contents of a placement.

    Parameters
    ----------
    here
        All contents of the placement.
    columns
        ``(n_actions, n_columns) float64``: the candidate table of the actions.
    schema
        Symbols of the situation and of ``columns``.

    """
    names = TemplateNames(source.features.schema(), sensitive_names(source.features))
    owners = {action.id: row for row, action in enumerate(actions)}
    rows = tuple(content for content in here if content.action in owners)
    owned = np.array([owners[content.action] for content in rows], dtype=np.intp)
    wider = with_contents(schema, source.catalog.contents)
    guards = compile_guards(
        source.policies,
        Candidates(
            placement=placement,
            actions=tuple(actions[owner] for owner in owned),
            columns=content_columns(wider, rows, owned, columns),
            contents=rows,
            withheld=source.catalog.withheld,
        ),
        wider,
        catalog=source.catalog,
    )
    return PlacementContents(
        rows=rows,
        templates=tuple(
            compile_slots(content, actions[owner], placement, names)
            for content, owner in zip(rows, owned.tolist(), strict=True)
        ),
        by_action=_by_action(rows, owned, len(actions)),
        default_locale=source.catalog.default_locale,
        guards=guards if guards.closes else None,
    )


def _by_action(
    rows: Sequence[Content], owned: NDArray[np.intp], n_actions: int
) -> tuple[Mapping[str, NDArray[np.intp]], ...]:
    found: list[dict[str, list[int]]] = [{} for _ in range(n_actions)]
    for row, (content, owner) in enumerate(zip(rows, owned.tolist(), strict=True)):
        found[owner].setdefault(content.locale, []).append(row)
    return tuple(
        {locale: np.array(variants, dtype=np.intp) for locale, variants in by_locale.items()}
        for by_locale in found
    )
