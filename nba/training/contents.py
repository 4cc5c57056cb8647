"""What showing other contents of an action would have brought, on the choices that took it.

The action stays as it was drawn; what changes is which of its variants is shown. So the rows are
the choices of that action, the chance of each is its ``content_probability``, and everything else
(estimators, diagnostics, refusals, rows of the table) is that of actions
(:mod:`nba.training.evaluation`).

A variant is a content group, the same message over placements and locales; a content by itself
where the catalog does not know it, or shows two of its group side by side. The log says which was
shown, not which others could have been. Those are the ones shown in the same placement and locale,
from the first time each was until the last. Should that list be wrong by much, the mean weight is
not 1, and the row is refused. Where the chance was 1 there was no other and nothing to choose:
such rows are left out, as they would lend every policy a sample that is not its own.

``no_action`` is no variant, so it is valued from the choices that said nothing although the action
was a candidate, each counted as often as the action was likely there over how likely nothing was,
times the share of the action's choices in that placement that had variants: what these choices
would have brought had nothing been said. (The weights are those of an average effect on the
treated: Hirano, Imbens and Ridder, Econometrica 71, 2003.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from nba.bandits.ope import DR, Bootstrap, Target, Thresholds, verdict
from nba.bandits.ope.compare import compare_terms
from nba.bandits.ope.diagnostics import diagnose_weights
from nba.bandits.ope.estimators import summarize
from nba.bandits.ope.terms import Terms, ratio
from nba.domain.catalog import Content
from nba.domain.ids import NO_ACTION
from nba.errors import EvaluationRefusedError, Fault, InputError
from nba.measurement.settling import KEY
from nba.policies.suggestions import nearest
from nba.training.asked import AskedPolicy
from nba.training.candidates import list_candidates
from nba.training.crossfit import REGULARIZED, Learner, deal, predict_candidates
from nba.training.encoding import recorded_inputs
from nba.training.evaluation import (
    BEST_CONSTANT,
    EVERYWHERE,
    FOLDS,
    Evaluation,
    evaluable,
    evaluate,
)
from nba.training.fit import codes_of
from nba.training.judging import IF_ESTIMATED, REFUSED, Jury, PolicyValue
from nba.training.notes import Metric
from nba.training.progress import Progress, silent

BEST_CONTENT = "best constant content"

_CERTAIN = 1.0 - 1e-9
_KINDS = frozenset({"explorer", "always"})


def evaluate_contents(
    rows: pl.DataFrame,
    action: str,
    *,
    metric: Metric = "label",
    contents: Mapping[str, Content] | None = None,
    policies: Sequence[AskedPolicy] = (),
    estimate_probabilities: bool = False,
    thresholds: Thresholds | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Value always each variant, the best one, any alike and a learned choice among them.

    ``rows`` are resolved choices, oldest first; ``contents`` are those of the catalog, by id.
    ``policies`` may be explorers and ``always:VARIANT``. The other parameters are those of
    :func:`nba.training.evaluation.evaluate`, and ``no_action`` is in the table too.

    Raises :class:`InputError` for an action that no choice of the log took, for a policy of another
    kind or of a variant that the log does not have, and :class:`EvaluationRefusedError` where the
    log shows fewer than two variants of the action, or a choice without the chance its variant was
    drawn with.
    """
    chosen = evaluable(rows)
    shown = as_choices(chosen, action, contents or {})
    variants = shown["action"].unique().sort().to_list()
    for one in policies:
        _refuse_other(one, action, variants)
    found = evaluate(
        shown,
        metric=metric,
        policies=policies,
        estimate_probabilities=estimate_probabilities,
        every_constant=True,
        nothing=_Nothing(chosen, shown, action, metric, threads).value,
        thresholds=thresholds,
        threads=threads,
        seed=seed,
        progress=progress,
    )
    left_out = chosen.filter(_showed(action)).height - shown.height
    return replace(
        found,
        policies=tuple(_as_content(row) for row in found.policies),
        notes=(*found.notes, *_notes(action, left_out)),
    )


def as_choices(chosen: pl.DataFrame, action: str, contents: Mapping[str, Content]) -> pl.DataFrame:
    """Return the choices of an action as choices among its variants, with the log's columns.

    ``action`` is then the variant, ``probability`` the chance of it, ``candidates`` the variants
    that could have been shown, and ``a_content`` tells a model which it was. Choices without
    another are left out. Raises :class:`InputError` where no choice took the action, naming those
    that were, and :class:`EvaluationRefusedError` where none had another content.
    """
    taken = chosen["action"].unique()
    if action not in taken:
        expected = f"an action that choices of the log took; {nearest(action, taken)}"
        raise InputError([Fault("--contents-of", f"found {action!r}", expected)])
    locales = {name: content.locale for name, content in contents.items()}
    of_action = chosen.filter(_showed(action)).with_columns(
        pl.col("content").replace_strict(locales, default="").alias("_locale")
    )
    names = _variant_names(of_action, contents)
    rows = of_action.drop(cs.starts_with("x_")).with_columns(
        pl.col("content").replace_strict(names, return_dtype=pl.String).alias("action"),
        pl.col("content_probability").alias("probability"),
        pl.lit(None, pl.List(pl.Float32)).alias("probabilities"),
    )
    rows = rows.with_columns(pl.col("action").alias("a_content"), _possible(rows))
    several = rows.filter(pl.col("candidates").list.len() > 1).drop("_locale")
    if several.is_empty():
        drawn = chosen.filter(pl.col("content_probability") < _CERTAIN)
        known = drawn["action"].unique().sort().to_list()
        listed = f". The log has choices among contents of {', '.join(known)}" if known else ""
        count = chosen.filter(pl.col("action") == action).height
        found = f"the log does not say what any of {count:,} choices of {action!r} showed"
        if names:
            found = (
                f"in none of {rows.height:,} choices could {action!r} have shown another content "
                f"than it did ({', '.join(sorted(set(names.values())))})"
            )
        raise EvaluationRefusedError(
            f"{found}; two variants in one placement and locale are needed{listed}"
        )
    return several


def _variant_names(of_action: pl.DataFrame, contents: Mapping[str, Content]) -> dict[str, str]:
    """Return the group of each content, or itself where its group is not one variant."""
    groups = {name: contents[name].group for name in contents}
    cells = of_action.select(
        "placement",
        "_locale",
        "content",
        pl.col("content").replace_strict(groups, default=None, return_dtype=pl.String).alias("g"),
    ).unique()
    beside = cells.group_by("placement", "_locale", "g").agg(pl.len()).filter(pl.col("len") > 1)
    split = set(beside["g"].to_list())
    return {
        content: content if group is None or group in split else group
        for content, group in cells.select("content", "g").unique().iter_rows()
    }


def _showed(action: str) -> pl.Expr:
    return (pl.col("action") == action) & pl.col("content").is_not_null()


def _possible(rows: pl.DataFrame) -> pl.Series:
    """Return as ``candidates`` what could have been shown in each row, its own always among it.

    Where no other was there by the dates and yet the chance was below 1, one must have been: then
    it is all of the placement and locale.
    """
    cell = ["placement", "_locale"]
    spans = rows.group_by(*cell, pl.col("action").alias("candidates")).agg(
        pl.col("at").min().alias("first"), pl.col("at").max().alias("last")
    )
    is_own = pl.col("candidates") == pl.col("action")
    was_there = pl.col("at").is_between("first", "last")
    is_certain = (pl.col("content_probability") >= _CERTAIN).fill_null(value=False)
    possible = (
        rows.select(*cell, "action", "at", "content_probability")
        .with_row_index("row")
        .join(spans, on=cell)
        .filter(is_own | (~is_certain & (was_there | (was_there.sum().over("row") == 1))))
        .group_by("row")
        .agg(pl.col("candidates").sort())
        .sort("row")
    )
    return possible["candidates"]


def _refuse_other(asked: AskedPolicy, action: str, variants: Sequence[str]) -> None:
    expected = ""
    if asked.kind not in _KINDS:
        expected = "among contents: an explorer that needs no learner, or always:VARIANT"
    elif asked.kind == "always" and asked.name not in variants:
        expected = f"a variant of {action} in the log: {', '.join(variants)}"
    if expected:
        raise InputError([Fault("--policy", f"found {asked.said!r}", expected)])


def _as_content(row: PolicyValue) -> PolicyValue:
    if row.policy == BEST_CONSTANT:
        return replace(row, policy=BEST_CONTENT)
    if row.description == EVERYWHERE:
        return replace(row, description="shows it wherever it may, else any variant alike")
    return row


def _notes(action: str, left_out: int) -> list[str]:
    what = (
        f"these are the choices of {action}, as they were drawn: the policies differ in the "
        "content alone, and no_action in saying nothing instead"
    )
    where = f"{left_out:,} choices that had no other content to show are left out"
    return [what, where] if left_out else [what]


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Values saying nothing on the choices ``shown`` of an action, from those that said nothing."""

    chosen: pl.DataFrame
    shown: pl.DataFrame
    action: str
    metric: Metric
    threads: int

    def value(self, jury: Jury, best: Target) -> PolicyValue:
        """Return what the choices would have brought, beside the best constant variant."""
        rows = self._rows()
        spoke = rows["spoke"].to_numpy()
        rewards = rows[self.metric].to_numpy()
        logged = rows["probability"].to_numpy()
        likely = rows["likely"].to_numpy()
        usable = ~spoke & (logged > 0.0) & (logged <= 1.0)
        weights = np.where(usable, likely, 0.0) / np.where(usable, logged, 1.0)
        clusters = codes_of(rows["customer_id"])
        measured = diagnose_weights(
            weights * (len(weights) / spoke.sum()),
            clusters,
            never_logged_share=_unsaid(rows.filter("spoke")),
            probabilities_estimated=jury.data.estimated,
        )
        finding = verdict(measured, jury.thresholds)
        q = self._expected(rows, rewards, jury.seed)
        total = spoke.astype(np.float64)
        terms = {
            "IPS": _over(weights * rewards, total),
            "SNIPS": _over(weights * rewards, weights),
            "DR": _over(np.where(spoke, q, weights * (rewards - q)), total),
        }
        interval = Bootstrap(seed=jury.seed)
        by = [
            summarize(name, one, weights, clusters, interval, estimated=jury.data.estimated)
            for name, one in terms.items()
        ]
        of_best = np.zeros(len(rows))
        of_best[spoke] = DR().terms(jury.data, best).columns[:, 0]
        versus = compare_terms(terms["DR"], _over(of_best, total), clusters, interval)
        said = versus.finding + IF_ESTIMATED * bool(finding.caveats)
        return PolicyValue(
            policy=NO_ACTION,
            description=f"says nothing where {self.action} was said",
            ips=by[0],
            snips=by[1],
            dr=by[2],
            effective_sample_size=measured.effective_sample_size,
            versus_best_constant=versus,
            verdict=REFUSED if finding.refused else said,
            refused=finding.reasons,
        )

    def _rows(self) -> pl.DataFrame:
        """Return the choices shown and those that said nothing, oldest first.

        ``spoke`` tells them apart; ``likely`` is how likely the action, with variants to choose
        among, was in each.
        """
        with_variants = self.shown.select(*KEY, pl.lit(value=True).alias("spoke"))
        rows = self.chosen.join(with_variants, on=KEY, how="left", maintain_order="left")
        rows = rows.with_columns(pl.col("spoke").fill_null(value=False))
        shares = (
            rows.filter(pl.col("action") == self.action)
            .group_by("placement")
            .agg(pl.col("spoke").mean().alias("share"))
        )
        rows = rows.join(shares, on="placement", how="left", maintain_order="left")
        likely = _chance_of(self.action) * pl.col("share").fill_null(0.0)
        was_silent = (pl.col("action") == NO_ACTION) & (pl.col("likely") > 0.0)
        return rows.with_columns(likely.alias("likely")).filter(
            pl.col("spoke") | was_silent.fill_null(value=False)
        )

    def _expected(
        self, rows: pl.DataFrame, rewards: NDArray[np.float64], seed: int
    ) -> NDArray[np.float64]:
        """Return what saying nothing is expected to bring in each row, none from its customer."""
        table = list_candidates(rows)
        learner = Learner(
            inputs=recorded_inputs(rows), parameters=REGULARIZED, seed=seed, threads=self.threads
        )
        predicted = predict_candidates(table, rewards, deal(rows, FOLDS), learner)
        silent_ones = np.array([name == NO_ACTION for name in table.actions])[table.action]
        known = silent_ones & np.isfinite(predicted)
        q = np.full(len(rows), rewards.mean())
        q[table.choice[known]] = predicted[known]
        return q


def _over(above: NDArray[np.float64], below: NDArray[np.float64]) -> Terms:
    return Terms(np.column_stack([above, below]), ratio)


def _chance_of(action: str) -> pl.Expr:
    """Return how likely an action was among a row's candidates; null where that is not known."""
    position = pl.col("candidates").list.eval(pl.element() == action).list.arg_max()
    is_there = pl.col("candidates").list.contains(action)
    chance = pl.col("probabilities").list.get(position, null_on_oob=True).cast(pl.Float64)
    return pl.when(is_there).then(chance.fill_nan(None)).otherwise(0.0)


def _unsaid(spoke: pl.DataFrame) -> float:
    """Return the share of the choices of an action in which saying nothing had no known chance."""
    silence = spoke.select(_chance_of(NO_ACTION)).to_series().fill_null(0.0)
    return int((silence <= 0.0).sum()) / len(silence)
