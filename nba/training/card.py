"""Model cards: what its owner says of a model, and the figures measured on it.

After M. Mitchell et al., "Model cards for model reporting" (2019).
"""

from __future__ import annotations

from nba.domain.clock import to_rfc3339
from nba.models.spec import ModelSpec
from nba.training.fit import FittedModel


def write_card(spec: ModelSpec, words: str, fitted: FittedModel) -> str:
    """Return the card as Markdown: the owner's ``words`` between description and figures."""
    metrics = fitted.metrics
    gain = metrics.gain_over_base_rate
    when = "later than" if fitted.periods.in_time else "a random part, of the same date as"
    total = sum(fitted.importance.values()) or 1.0
    ranked = sorted(fitted.importance.items(), key=lambda item: -item[1])
    origin = f"Owner: {spec.owner}. Predicts: `{spec.outcome}`. "
    origin += f"Trained through {to_rfc3339(fitted.model.trained_through_ms)}."
    basis = f"Over {metrics.rows:,} choices ({metrics.positives:,} with the outcome), {when} the "
    basis += f"{len(fitted.periods.fit):,} it was fitted on and the "
    basis += f"{len(fitted.periods.calibration):,} it was calibrated on."
    interval = f"{gain.estimate:.5f} ({gain.low:.5f} to {gain.high:.5f})"
    means = f"{metrics.mean_prediction:.4f}, {metrics.observed_rate:.4f}"
    lines = [
        f"# {spec.name}",
        "",
        spec.description,
        "",
        origin,
        "",
        words.strip(),
        "",
        "## Figures",
        "",
        basis,
        "",
        "| figure | value |",
        "|---|---|",
        f"| log loss | {metrics.log_loss:.5f} |",
        f"| log loss of the base rate | {metrics.base_rate_log_loss:.5f} |",
        f"| taken off per row, 95 % interval | {interval}: {metrics.verdict} |",
        f"| ROC AUC | {metrics.roc_auc:.4f} |",
        f"| precision-recall AUC (chance: {metrics.observed_rate:.4f}) | {metrics.pr_auc:.4f} |",
        f"| Brier score | {metrics.brier:.5f} |",
        f"| expected calibration error | {metrics.expected_calibration_error:.5f} |",
        f"| calibration slope, intercept | {metrics.slope:.3f}, {metrics.intercept:.3f} |",
        f"| mean prediction, observed rate | {means} |",
        "",
        "## Inputs, by share of gain",
        "",
        *(f"- `{name}`: {gain / total:.1%}" for name, gain in ranked),
        "",
    ]
    return "\n".join(lines)
