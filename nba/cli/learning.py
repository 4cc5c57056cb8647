"""Commands for data scientists: import, train, evaluate, promote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nba.bootstrap import (
    LIVE,
    artifact_root,
    datasets,
    load_settings,
    open_log,
    open_registry,
    tracking_uri,
)
from nba.cli.output import AsJson, StageBar, console, print_json, progress_bar
from nba.cli.projects import ProjectDir
from nba.cli.valuing import (
    actions_by_id,
    asked_models,
    contents_by_id,
    print_change_sets,
    simulate_change_sets,
)
from nba.errors import Fault, InputError, NotFoundError

if TYPE_CHECKING:
    from nba.bandits.ope import Estimate
    from nba.domain.catalog import Catalog
    from nba.features import FeatureSet
    from nba.ledger.log import DecisionLog
    from nba.settings import Settings
    from nba.training.evaluation import Evaluation
    from nba.training.train import TrainResult

Dataset = Annotated[str, typer.Option(help="Which log to read; what the service wrote is `live`.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("import")(import_table)
    app.command()(train)
    app.command()(evaluate)
    app.command()(promote)


def import_table(
    file: Annotated[Path, typer.Argument(help="CSV (plain or gzipped) or Parquet.")],
    mapping: Annotated[Path, typer.Option(help="YAML that says which column is which.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Turn any table of a past campaign into log records."""
    from nba.training.importer import import_log
    from nba.training.mapping import load_mapping

    for path in (file, mapping):
        if not path.is_file():
            raise NotFoundError(f"there is no file {str(path)!r}")
    read = load_mapping(mapping.resolve(), root=mapping.resolve().parent)
    log = open_log(load_settings(), read.spec.dataset)
    with progress_bar(quiet=as_json) as bar:
        report = import_log(file, read, log, progress=StageBar(bar))
    if as_json:
        print_json(asdict(report))
        return
    verb = "imported" if report.appended else "were there already"
    console.print(f"{report.rows:,} rows of {report.file} {verb} as dataset {report.dataset!r}")
    table = Table(box=None)
    for heading in ("action", "rows", "probability", report.label, "reward"):
        table.add_column(heading, justify="left" if heading == "action" else "right")
    for action in report.actions:
        table.add_row(
            action.action,
            f"{action.rows:,}",
            f"{action.mean_probability:.4f}",
            "-" if action.label_rate is None else f"{action.label_rate:.4f}",
            "-" if action.mean_reward is None else f"{action.mean_reward:.3f}",
        )
    console.print(table)


def train(
    model: Annotated[str, typer.Argument(help="Name of a model spec.")] = "conversion",
    dataset: Dataset = LIVE,
    project: ProjectDir = None,
    seed: Annotated[int, typer.Option(help="Of the fit.")] = 0,
    *,
    as_json: AsJson = False,
) -> None:
    """Fit a propensity model on a log, calibrate and evaluate it, and register it in MLflow."""
    settings = load_settings(project_dir=project)
    with progress_bar(quiet=as_json) as bar:
        result = train_model(settings, model, dataset, seed=seed, progress=StageBar(bar))
    if as_json:
        print_json(asdict(result))
        return
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in _numbers(result.metrics).items())
    console.print(
        f"{result.model} version {result.version}: {result.rows_fit:,} rows to fit, "
        f"{result.rows_evaluation:,} to evaluate; {metrics}"
    )
    for feature, values in result.filled.items():
        console.print(f"  {values:,} values of {feature} were computed after the fact")
    console.print(f"Next: nba promote {result.model} {result.version}")


def train_model(
    settings: Settings, model: str, dataset: str, *, seed: int, progress: StageBar
) -> TrainResult:
    """Train a model of a project on a dataset."""
    from nba.catalog.loader import load_catalog
    from nba.training.tracking import Tracking
    from nba.training.train import find_spec, train

    root = settings.project_dir.resolve()
    embedded = settings.mlflow_tracking_uri is None
    tracking = Tracking(
        tracking_uri=tracking_uri(settings),
        artifacts=artifact_root(settings).as_uri() if embedded else None,
    )
    catalog = load_catalog(root / "catalog", root=root, faults=[])
    log = _open(settings, dataset)
    return train(
        find_spec(model, root=root),
        log,
        tracking,
        dataset=dataset,
        root=root,
        catalog=catalog,
        features=_features(root, catalog),
        seed=seed,
        progress=progress,
    )


def _features(root: Path, catalog: Catalog | None) -> FeatureSet | None:
    """Return what is declared; ``None`` where nothing is, or there are faults in it."""
    from nba.features import load_features

    folder = root / "features"
    features = load_features(folder, root=root, faults=[]) if folder.is_dir() else None
    return features if features is None or catalog is None else features.for_catalog(catalog)


def _numbers(metrics: object) -> Mapping[str, float]:
    named = asdict(metrics)  # type: ignore[call-overload]  # a dataclass of the training package
    return {name: value for name, value in named.items() if isinstance(value, float)}


def evaluate(
    dataset: Dataset = LIVE,
    metric: Annotated[
        str | None,
        typer.Option(
            help="`label` (did it happen) or `reward`; by default rewards where actions have goals "
            "or learned values."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="NAME/VERSION of a registered model to value.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Another policy to value: greedy, epsilon_greedy=0.1, squarecb, softmax, uniform, "
            "no_action, always:ACTION, model:NAME@VERSION, lever:TERM_OR_ACTION=2.0, "
            "changeset:ID. Repeatable."
        ),
    ] = None,
    contents_of: Annotated[
        str | None,
        typer.Option(
            metavar="ACTION", help="Value which content of this action is shown, not which action."
        ),
    ] = None,
    project: ProjectDir = None,
    *,
    every_constant: Annotated[bool, typer.Option(help="A row for every action.")] = False,
    estimate_probabilities: Annotated[
        bool, typer.Option(help="Where the log has none; every verdict then says so.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what policies would have earned on a log: IPS, SNIPS and DR, with 95 % intervals."""
    from nba.training.asked import parse_policy
    from nba.training.contents import evaluate_contents
    from nba.training.dataset import resolved_choices
    from nba.training.encoding import recorded_inputs
    from nba.training.evaluation import evaluate

    settings = load_settings(project_dir=project)
    every = [parse_policy(said) for said in policy or ()]
    asked = [one for one in every if one.kind != "changeset"]
    if metric not in {None, "label", "reward"}:
        raise InputError([Fault("--metric", f"found {metric!r}", "label or reward")])
    if contents_of is not None:
        if model is not None:
            expected = "none with --contents-of: models know nothing of contents"
            raise InputError([Fault("--model", f"found {model!r}", expected)])
        rows = resolved_choices(_open(settings, dataset))
        with progress_bar(quiet=as_json) as bar:
            among_contents = evaluate_contents(
                rows,
                contents_of,
                metric=metric or "label",  # type: ignore[arg-type]  # checked above
                contents=contents_by_id(settings),
                policies=every,
                estimate_probabilities=estimate_probabilities,
                progress=StageBar(bar),
            )
        if as_json:
            print_json(asdict(among_contents))
        else:
            _print_evaluation(among_contents)
        return
    log = _open(settings, dataset)
    rows = resolved_choices(log)
    inputs = recorded_inputs(rows)
    loaded = None
    if model is not None:
        name, _, version = model.partition("/")
        loaded = open_registry(settings).load(name, version)
    named = asked_models(settings, asked)
    asked = [
        replace(one, version=named[one.said].version) if one.said in named else one for one in asked
    ]
    changes = simulate_change_sets(settings, every, dataset)
    seeing = [*([] if loaded is None else [loaded]), *named.values()]
    if seeing:
        # What the models were allowed to see is opened for them, and for nothing else.
        sensitive = {entry.name for one in seeing for entry in one.inputs}
        rows = resolved_choices(log, sensitive=sorted(sensitive))
    with progress_bar(quiet=as_json) as bar:
        evaluation = evaluate(
            rows,
            metric=metric,  # type: ignore[arg-type]  # checked above
            model=loaded,
            inputs=inputs,
            policies=asked,
            models=named,
            actions=actions_by_id(settings),
            estimate_probabilities=estimate_probabilities,
            every_constant=every_constant,
            progress=StageBar(bar),
        )
    if as_json:
        replayed = {said: report.to_builtins()["off_policy"] for said, report in changes.items()}
        print_json(asdict(evaluation) | ({"change_sets": replayed} if replayed else {}))
        return
    _print_evaluation(evaluation)
    print_change_sets(settings, changes)


def _open(settings: Settings, dataset: str) -> DecisionLog:
    """Open a dataset of the log; where it has others and not this one, name them."""
    there = datasets(settings)
    if there and dataset not in there:
        found = f"found {dataset!r}"
        raise InputError([Fault("--dataset", found, f"a dataset of the log: {', '.join(there)}")])
    return open_log(settings, dataset)


def _print_evaluation(evaluation: Evaluation) -> None:
    console.print(
        f"{evaluation.metric} per choice, {evaluation.rows:,} choices of "
        f"{evaluation.customers:,} customers"
    )
    table = Table(box=None)
    for heading in ("policy", "IPS", "SNIPS", "DR", "effective sample", "verdict"):
        is_words = heading in {"policy", "verdict"}
        table.add_column(heading, justify="left" if is_words else "right", overflow="fold")
    for row in evaluation.policies:
        figures = ["-"] * 3 if row.refused else [_figure(e) for e in (row.ips, row.snips, row.dr)]
        verdict = "; ".join(row.refused) if row.refused else row.verdict
        table.add_row(row.policy, *figures, f"{row.effective_sample_size:,.0f}", verdict)
    console.print(table)
    for row in evaluation.policies:
        console.print(f"  {row.policy}: {row.description}", style="dim")
    for note in evaluation.notes:
        console.print(note, style="dim")


def _figure(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def promote(
    model: Annotated[str, typer.Argument(help="Name of a registered model.")],
    version: Annotated[str, typer.Argument(help="The version to make live.")],
    alias: Annotated[str | None, typer.Option(help="NBA_MODEL_ALIAS by default.")] = None,
    *,
    force: Annotated[bool, typer.Option(help="Even if it was found worse.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a version live; the running service takes it up within two seconds."""
    from nba.training.train import promote

    settings = load_settings()
    alias = alias or settings.model_alias
    promotion = promote(open_registry(settings), model, version, alias, force=force)
    if as_json:
        print_json(asdict(promotion))
        return
    before = f" (was {promotion.previous})" if promotion.previous else ""
    console.print(f"{alias} of {model} is now version {version}{before}")
