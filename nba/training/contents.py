"""What showing other contents of an action would have brought, on the choices that took it.

The action stays as it was drawn; what changes is which of its variants is shown. So the rows are
the choices of that action, the chance of each is its ``content_probability``, and everything else
(estimators, diagnostics, refusals, rows of the table) is that of actions
(:mod:`nba.training.evaluation`).

The log says which variant was shown, not which others could have been. Those are the ones shown in
the same placement and locale, from the first time each was until the last. Where the chance was 1
there was no other. Should that list be wrong by much, the mean weight is not 1, and the row is
refused.

``no_action`` is no variant, so it is valued from the choices that said nothing although the action
was a candidate, each counted as often as the action was likely there over how likely nothing was:
what these choices would have brought had nothing been said. (The weights are those of an average
effect on the treated: Hirano, Imbens and Ridder, Econometrica 71, 2003.)
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
from nba.domain.ids import NO_ACTION
from nba.errors import EvaluationRefusedError, Fault, InputError
from nba.training.asked import AskedPolicy
from nba.training.candidates import list_candidates
from nba.training.crossfit import REGULARIZED, Learner, deal, predict_candidates
from nba.training.encoding import recorded_inputs
from nba.training.evaluation import BEST_CONSTANT, FOLDS, Evaluation, Metric, evaluable, evaluate
from nba.training.fit import codes_of
from nba.training.judging import IF_ESTIMATED, REFUSED, Jury, PolicyValue
from nba.training.progress import Progress, silent

BEST_CONTENT = "best constant content"

_CERTAIN = 1.0 - 1e-9
_KINDS = frozenset({"explorer", "always"})


def evaluate_contents(
    rows: pl.DataFrame,
    action: str,
    *,
    metric: Metric = "label",
    locales: Mapping[str, str] | None = None,
    policies: Sequence[AskedPolicy] = (),
    estimate_probabilities: bool = False,
    thresholds: Thresholds | None = None,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Value always each variant, the best one, any alike and a learned choice among them.

    ``rows`` are resolved choices, oldest first; ``locales`` says the locale of each content, so
    that translations do not count as variants of one another; one that it lacks stands with others
    that it lacks. ``policies`` may be explorers and ``always:CONTENT``. The other parameters are
    those of :func:`nba.training.evaluation.evaluate`, and ``no_action`` is in the table too.

    Raises :class:`InputError` for a policy of another kind or of a content that the log does not
    have, and :class:`EvaluationRefusedError` where the log shows fewer than two variants of the
    action, or a choice without the chance its variant was drawn with.
    """
    chosen = evaluable(rows)
    shown = as_choices(chosen, action, locales or {})
    contents = shown["action"].unique().sort().to_list()
    for one in policies:
        _refuse_other(one, action, contents)
    found = evaluate(
        shown,
        metric=metric,
        policies=policies,
        estimate_probabilities=estimate_probabilities,
        every_constant=True,
        nothing=_Nothing(chosen, action, metric, threads).value,
        thresholds=thresholds,
        threads=threads,
        seed=seed,
        progress=progress,
    )
    return replace(
        found,
        policies=tuple(
            replace(row, policy=BEST_CONTENT) if row.policy == BEST_CONSTANT else row
            for row in found.policies
        ),
        notes=(*found.notes, *_notes(shown, action)),
    )


def as_choices(chosen: pl.DataFrame, action: str, locales: Mapping[str, str]) -> pl.DataFrame:
    """Return the choices of an action as choices among its contents, with the log's columns.

    ``action`` is then the content, ``probability`` the chance of it, ``candidates`` the contents
    that could have been shown, and ``a_content`` tells a model which it was. Raises
    :class:`EvaluationRefusedError` where fewer than two contents were shown.
    """
    of_action = chosen.filter(_showed(action))
    names = of_action["content"].unique().sort().to_list()
    if len(names) < 2:  # noqa: PLR2004 - there is something to choose from two on
        known = chosen.filter(pl.col("content").is_not_null())["action"].unique().sort().to_list()
        listed = f"; it shows contents of {', '.join(known)}" if known else ""
        raise EvaluationRefusedError(
            f"the log shows {len(names)} contents of {action!r} ({', '.join(names) or 'none'}) and "
            f"2 are needed to choose among{listed}"
        )
    rows = of_action.drop(cs.starts_with("x_")).with_columns(
        pl.col("content").alias("action"),
        pl.col("content").alias("a_content"),
        pl.col("content_probability").alias("probability"),
        pl.lit(None, pl.List(pl.Float32)).alias("probabilities"),
        pl.col("content").replace_strict(dict(locales), default="").alias("_locale"),
    )
    return rows.with_columns(_variants(rows).alias("candidates")).drop("_locale")


def _showed(action: str) -> pl.Expr:
    return (pl.col("action") == action) & pl.col("content").is_not_null()


def _variants(rows: pl.DataFrame) -> pl.Series:
    """Return what could have been shown in each row; its own content is always among it.

    Where no other was there by the dates and yet the chance was below 1, one must have been: then
    it is all of the placement and locale.
    """
    cell = ["placement", "_locale"]
    spans = rows.group_by(*cell, pl.col("content").alias("variant")).agg(
        pl.col("at").min().alias("first"), pl.col("at").max().alias("last")
    )
    is_own = pl.col("variant") == pl.col("content")
    was_there = pl.col("at").is_between("first", "last")
    is_certain = (pl.col("content_probability") >= _CERTAIN).fill_null(value=False)
    possible = (
        rows.select(*cell, "content", "at", "content_probability")
        .with_row_index("row")
        .join(spans, on=cell)
        .filter(is_own | (~is_certain & (was_there | (was_there.sum().over("row") == 1))))
        .group_by("row")
        .agg(pl.col("variant").sort())
        .sort("row")
    )
    return possible["variant"]


def _refuse_other(asked: AskedPolicy, action: str, contents: Sequence[str]) -> None:
    expected = ""
    if asked.kind not in _KINDS:
        expected = "among contents: an explorer, or always:CONTENT"
    elif asked.kind == "always" and asked.name not in contents:
        expected = f"a content of {action} in the log: {', '.join(contents)}"
    if expected:
        raise InputError([Fault("--policy", f"found {asked.said!r}", expected)])


def _notes(shown: pl.DataFrame, action: str) -> list[str]:
    what = (
        f"these are the choices of {action}, as they were drawn: the policies differ in the "
        "content alone, and no_action in saying nothing instead"
    )
    certain = int((shown["content_probability"] >= _CERTAIN).sum())
    where = (
        f"in {certain:,} of {shown.height:,} choices the content was certain: no policy shows "
        "another there"
    )
    return [what, where] if certain else [what]


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Values saying nothing on the choices of an action, from those that said nothing."""

    chosen: pl.DataFrame
    action: str
    metric: Metric
    threads: int

    def value(self, jury: Jury, best: Target) -> PolicyValue:
        of_action = _chance_of(self.action)
        may_be_silent = (pl.col("action") == NO_ACTION) & (of_action > 0.0)
        rows = self.chosen.filter(_showed(self.action) | may_be_silent.fill_null(value=False))
        spoke = (rows["action"] == self.action).to_numpy()
        rewards = rows[self.metric].to_numpy()
        logged = rows["probability"].to_numpy()
        likely = rows.select(of_action).to_series().to_numpy()
        usable = ~spoke & (logged > 0.0) & (logged <= 1.0)
        weights = np.where(usable, likely, 0.0) / np.where(usable, logged, 1.0)
        clusters = codes_of(rows["customer_id"])
        measured = diagnose_weights(
            weights * (len(weights) / spoke.sum()),
            clusters,
            never_logged_share=_unsaid(rows.filter(spoke)),
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
        return PolicyValue(
            policy=NO_ACTION,
            description=f"says nothing where {self.action} was said",
            ips=by[0],
            snips=by[1],
            dr=by[2],
            effective_sample_size=measured.effective_sample_size,
            versus_best_constant=versus,
            verdict=REFUSED
            if finding.refused
            else versus.finding + IF_ESTIMATED * bool(finding.caveats),
            refused=finding.reasons,
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
