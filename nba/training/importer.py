"""Turn the table of a past campaign into log records, all of it or nothing.

A file is read, every cell checked, and only then appended. The append is idempotent by the content
of file and mapping, so that importing again, or after being killed halfway, adds what is missing
and nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import polars as pl

from nba.domain.ids import MAX_ID_LENGTH, ActionId
from nba.errors import ConflictError, Fault, InputError, NotFoundError
from nba.ledger.log import SCHEMAS, DecisionLog, LogTable
from nba.training.cells import (
    CellFaults,
    parse_bools,
    parse_choices,
    parse_days_since,
    parse_numbers,
    parse_probabilities,
    parse_times,
    translate,
)
from nba.training.mapping import ROW_NUMBER, FeatureSource, ImportMapping, ImportSpec
from nba.training.progress import Progress, silent

SOURCE = "import"
SOURCE_ESTIMATED = "import:estimated"
"""Source of rows whose action probability was not recorded but counted from frequencies."""

_FIRST_RANK = 1
_VALUE_OF_AN_OUTCOME = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedAction:
    """What the file says of one action.

    ``label_rate`` and ``mean_reward`` are over its resolved rows, ``None`` where it has none.
    """

    action: ActionId
    rows: int
    mean_probability: float
    label_rate: float | None
    mean_reward: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did; ``appended`` is false where the log held all of it already."""

    dataset: str
    file: str
    digest: str
    appended: bool
    rows: int
    unresolved: int
    outcomes: int
    label: str
    source: str
    actions: tuple[ImportedAction, ...]
    missing_cells: Mapping[str, int]


def import_log(
    file: Path, mapping: ImportMapping, log: DecisionLog, *, progress: Progress = silent
) -> ImportReport:
    """Import a CSV (plain or gzipped) or Parquet table into a dataset's log.

    Each row becomes one decision with one choice whose candidates are all mapped actions, its
    outcomes, and its resolution. A row whose label cell is empty stays unresolved: it is kept, but
    nothing is learned from it.

    Raises :class:`DefinitionError` where the mapping names columns the table does not have,
    :class:`InputError` naming row and column of cells that cannot be read, and
    :class:`ConflictError` where the dataset holds the same rows from another file or mapping.
    """
    progress("reading", 0.0)
    table = _read_table(file, mapping.spec)
    mapping.check_columns(table.columns)
    digest = _digest(file, mapping.spec)
    progress("checking", 0.3)
    faults = CellFaults(file.name)
    tables = _build(table, mapping, faults)
    faults.raise_any()
    progress("appending", 0.7)
    appended = _append(tables, log, digest, mapping.spec.dataset)
    progress("done", 1.0)
    return _report(tables, mapping.spec, file=file.name, digest=digest, appended=appended)


def _read_table(file: Path, spec: ImportSpec) -> pl.DataFrame:
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file")
    try:
        if spec.table.format == "parquet":
            table = pl.read_parquet(file).cast(pl.String)
        else:
            table = pl.read_csv(file, separator=spec.table.separator, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        kind = f"a {spec.table.format} table with separator {spec.table.separator!r}"
        found = f"not readable: {str(error).partition(chr(10))[0]}"
        raise InputError([Fault(file.name, found, f"{kind} is expected")]) from error
    if table.is_empty():
        raise InputError([Fault(file.name, "the table has no rows", "at least one is expected")])
    stripped = pl.all().str.strip_chars()
    missing = ["", *spec.table.missing]
    return table.select(pl.when(~stripped.is_in(missing)).then(stripped).name.keep())


@dataclass(frozen=True, slots=True)
class _Tables:
    decisions: pl.DataFrame
    outcomes: pl.DataFrame
    resolutions: pl.DataFrame


def _build(table: pl.DataFrame, mapping: ImportMapping, faults: CellFaults) -> _Tables:
    spec = mapping.spec
    at = _times(table, spec, faults)
    actions = parse_choices(table[spec.action.column], spec.action.values, faults)
    rows = _ids(table, spec.row_id, faults, unique=True)
    decision_ids = (spec.dataset + "-" + rows).alias("decision_id")
    features = [_feature(table[f.column], f, at, faults) for f in spec.features]
    key = pl.DataFrame(
        {"decision_id": decision_ids, "choice": pl.zeros(table.height, pl.Int32, eager=True)}
    )
    decisions = key.with_columns(
        _ids(table, spec.customer_id, faults, unique=False).alias("customer_id"),
        at.alias("at"),
        (at + spec.horizon).alias("horizon_at"),
        pl.lit(spec.placement).alias("placement"),
        pl.lit(spec.channel).alias("channel"),
        pl.lit(_FIRST_RANK).alias("rank"),
        actions.alias("action"),
        *_worth(spec, actions),
        *_probabilities(table, mapping, actions, faults),
        pl.lit(value=False).alias("holdout"),
        pl.lit(value=False).alias("fallback"),
        pl.lit("").alias("plan_version"),
        pl.lit(SOURCE_ESTIMATED if spec.probability.estimated else SOURCE).alias("source"),
        *(feature for feature in features),
        actions.alias("a_action_id"),
    )
    happened = {o.kind: parse_bools(table[o.column], faults) for o in spec.outcomes}
    outcomes = _outcomes(table, spec, decisions, happened, faults)
    label = happened[spec.reward.label]
    reward = label
    if spec.reward.column is not None:
        cells = table[spec.reward.column]
        reward = parse_numbers(cells, faults)
        bad = label.is_not_null() & cells.is_null()
        faults.add(bad, cells.name, cells, "a reward wherever the label is known")
    resolutions = (
        decisions.select("decision_id", "choice", "action", pl.col("horizon_at").alias("at"))
        .with_columns(label.alias("label"), reward.alias("reward"))
        .filter(pl.col("label").is_not_null())
        .with_columns(
            pl.when(pl.col("label") == 1.0)
            .then(pl.lit("rewarded"))
            .otherwise(pl.lit("expired"))
            .alias("kind"),
            pl.lit(None, pl.String).alias("outcome_id"),
        )
    )
    return _Tables(
        _shaped(decisions, LogTable.DECISIONS),
        _shaped(outcomes, LogTable.OUTCOMES),
        _shaped(resolutions, LogTable.RESOLUTIONS),
    )


def _shaped(rows: pl.DataFrame, table: LogTable) -> pl.DataFrame:
    schema = SCHEMAS[table]
    missing = [pl.lit(None, kind).alias(n) for n, kind in schema.items() if n not in rows.columns]
    further = [name for name in rows.columns if name not in schema]
    return rows.with_columns(missing).cast(schema).select(*schema, *further)


def _ids(table: pl.DataFrame, source: str, faults: CellFaults, *, unique: bool) -> pl.Series:
    if source == ROW_NUMBER:
        return pl.int_range(1, table.height + 1, eager=True).cast(pl.String)
    ids = table[source]
    bad = ids.is_null() | (ids.str.len_chars() > MAX_ID_LENGTH // 2)
    faults.add(bad, source, ids, f"an id of at most {MAX_ID_LENGTH // 2} characters")
    if unique:
        faults.add(ids.is_duplicated() & ids.is_not_null(), source, ids, "a row id given once only")
    return ids


def _times(table: pl.DataFrame, spec: ImportSpec, faults: CellFaults) -> pl.Series:
    if spec.at.column is not None:
        cells = table[spec.at.column]
        faults.add(cells.is_null(), cells.name, cells, "the time of the action")
        return parse_times(cells, faults, pattern=spec.at.format)
    text = str(spec.at.constant)
    constant = pl.Series([text]).new_from_index(0, table.height)
    return parse_times(constant, faults)


def _feature(
    cells: pl.Series, source: FeatureSource, at: pl.Series, faults: CellFaults
) -> pl.Series:
    name = f"f_{source.name}"
    if source.map:
        cells = translate(cells, source.map, faults)
    if source.type == "enum":
        return cells.alias(name)
    if source.type == "date":
        values = parse_days_since(cells, at, faults)
    else:
        values = (parse_numbers if source.type == "number" else parse_bools)(cells, faults)
    return values.cast(pl.Float32).alias(name)


def _worth(spec: ImportSpec, actions: pl.Series) -> tuple[pl.Series, pl.Series]:
    values = {action: spec.values.get(action, _VALUE_OF_AN_OUTCOME) for action in spec.actions}
    costs = {action: spec.costs.get(action, 0.0) for action in spec.actions}
    return (
        actions.replace_strict(values, default=None, return_dtype=pl.Float64).alias("value"),
        actions.replace_strict(costs, default=None, return_dtype=pl.Float64).alias("cost"),
    )


def _probabilities(
    table: pl.DataFrame, mapping: ImportMapping, actions: pl.Series, faults: CellFaults
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return the columns probability, candidates and probabilities.

    Where only the chance of the action taken is known, that of the others is NaN.
    """
    spec = mapping.spec
    known = mapping.probabilities
    if spec.probability.estimated:
        counts = actions.value_counts().rows()
        known = {action: count / len(actions) for action, count in counts}
    candidates = pl.Series("candidates", [list(spec.actions)]).new_from_index(0, table.height)
    if known is None:
        taken = parse_probabilities(table[str(spec.probability.column)], faults)
        each = [
            pl.select(pl.when(actions == a).then(taken).otherwise(float("nan"))).to_series()
            for a in spec.actions
        ]
        frame = pl.DataFrame({str(i): column for i, column in enumerate(each)})
        every = frame.select(pl.concat_list(pl.all())).to_series()
    else:
        taken = actions.replace_strict(known, default=None, return_dtype=pl.Float64)
        row = [known.get(action, 0.0) for action in spec.actions]
        every = pl.Series([row]).new_from_index(0, table.height)
    return taken.alias("probability"), candidates, every.alias("probabilities")


def _outcomes(
    table: pl.DataFrame,
    spec: ImportSpec,
    decisions: pl.DataFrame,
    happened: Mapping[str, pl.Series],
    faults: CellFaults,
) -> pl.DataFrame:
    parts = []
    for source in spec.outcomes:
        value = pl.lit(None, pl.Float64)
        if source.value_column is not None:
            value = pl.lit(parse_numbers(table[source.value_column], faults))
        parts.append(
            decisions.select(
                (pl.col("decision_id") + f":{source.kind}").alias("outcome_id"),
                "decision_id",
                "choice",
                pl.lit(source.kind).alias("kind"),
                "at",
                pl.col("at").alias("received_at"),
                value.alias("value"),
            ).filter((happened[source.kind] == 1.0).fill_null(value=False))
        )
    return pl.concat(parts)


def _digest(file: Path, spec: ImportSpec) -> str:
    digest = blake2b(repr(spec).encode(), digest_size=16)
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _append(tables: _Tables, log: DecisionLog, digest: str, dataset: str) -> bool:
    writer = f"{SOURCE}-{digest}"
    if log.position(LogTable.DECISIONS, writer) < 0:
        held = log.scan(LogTable.DECISIONS).select("decision_id").unique()
        ours = tables.decisions.lazy().select("decision_id")
        clash = ours.join(held, on="decision_id", how="semi").collect()
        if clash.height:
            raise ConflictError(
                f"dataset {dataset!r} already holds {clash.height} of these "
                f"{tables.decisions.height} rows from another version of the file or mapping; "
                "give the mapping another dataset name, or delete that dataset first"
            )
    appended = False
    for table, rows in (
        (LogTable.DECISIONS, tables.decisions),
        (LogTable.OUTCOMES, tables.outcomes),
        (LogTable.RESOLUTIONS, tables.resolutions),
    ):
        appended |= log.append(table, rows, positions={writer: 0})
    return appended


def _report(
    tables: _Tables, spec: ImportSpec, *, file: str, digest: str, appended: bool
) -> ImportReport:
    joined = tables.decisions.join(
        tables.resolutions.select("decision_id", "label", "reward"), on="decision_id", how="left"
    )
    summary = (
        joined.group_by("action")
        .agg(
            pl.len().alias("rows"),
            pl.col("probability").mean().alias("mean_probability"),
            pl.col("label").mean().alias("label_rate"),
            pl.col("reward").mean().alias("mean_reward"),
        )
        .sort("rows", "action", descending=[True, False])
    )
    features = [name for name in joined.columns if name.startswith("f_")]
    missing = {name.removeprefix("f_"): joined[name].null_count() for name in features}
    return ImportReport(
        dataset=spec.dataset,
        file=file,
        digest=digest,
        appended=appended,
        rows=tables.decisions.height,
        unresolved=tables.decisions.height - tables.resolutions.height,
        outcomes=tables.outcomes.height,
        label=spec.reward.label,
        source=str(tables.decisions["source"][0]),
        actions=tuple(ImportedAction(**row) for row in summary.to_dicts()),
        missing_cells={name: count for name, count in missing.items() if count},
    )
