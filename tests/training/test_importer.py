"""A past campaign becomes log records: all of it, once, or nothing."""

import gzip
from datetime import UTC, datetime

import polars as pl
import pytest

from nba.errors import ConflictError, DefinitionError, InputError, NotFoundError
from nba.ledger.delta import DeltaLog
from nba.ledger.log import SCHEMAS, LogTable
from nba.ledger.memory_log import MemoryLog
from nba.training.importer import import_log
from nba.training.mapping import load_mapping

HISTORY = """import:
  dataset: history
  description: What a decision hub offered, with what it says of how likely
  at: {column: pxDecisionTime, format: "%Y%m%dT%H%M%S.%f GMT"}
  horizon: 14d
  customer_id: pySubjectID
  placement: web.home
  channel: web
  action:
    column: pyName
    values: {UPlusGold: gold, UPlusPersonal: personal}
  probability:
    column: pyPropensity
  outcomes:
    - {kind: accept, column: pyOutcome}
  reward:
    label: accept
"""
MAPPING = """\
import:
  dataset: campaign
  description: A test
  table: {separator: ";", missing: ["?"]}
  row_id: id
  customer_id: who
  at: {column: day}
  horizon: 7d
  placement: email.body
  channel: email
  action:
    column: sent
    values: {A: shoes, B: hats, none: no_action}
  probability: {by_action: {shoes: 1/2, hats: 1/4, no_action: 1/4}}
  values: {shoes: 30, hats: 10}
  costs: {shoes: 0.1}
  features:
    - {name: age, column: age, type: number}
    - {name: member, column: member, type: bool}
    - {name: region, column: region, type: enum, map: {N: north, S: south}}
    - {name: since_purchase, column: bought, type: date}
  outcomes:
    - {kind: visit, column: visited}
    - {kind: convert, column: bought_it, value_column: spend}
  reward: {label: visit, column: spend}
"""
TABLE = """\
id;who;day;sent;age;member;region;bought;visited;bought_it;spend
r1;ann;2024-05-01;A;41;yes;N;2024-04-21;1;1;29.5
r2;bob;2024-05-02;none;?;no;S;;0;0;0
r3;ann;2024-05-03T12:00:00;B;33.5;;;2024-05-03;;;
"""


@pytest.fixture(params=["memory", "delta"])
def log(request, tmp_path):
    return MemoryLog() if request.param == "memory" else DeltaLog(str(tmp_path / "log"))


@pytest.fixture
def prepare(tmp_path):
    """Write a table and a mapping; return the arguments of import_log."""

    def prepare(table=TABLE, mapping=MAPPING, name="t.csv"):
        (tmp_path / "m.yaml").write_text(mapping)
        file = tmp_path / name
        opened = gzip.open if name.endswith(".gz") else open
        with opened(file, "wt") as stream:
            stream.write(table)
        return file, load_mapping(tmp_path / "m.yaml", root=tmp_path)

    return prepare


def rows_of(log, table):
    return log.scan(table).collect()


def test_each_row_becomes_a_decision_as_the_mapping_says(log, prepare):
    import_log(*prepare(), log)
    decisions = rows_of(log, LogTable.DECISIONS).sort("decision_id")
    first = decisions.row(0, named=True)
    assert first["decision_id"] == "campaign-r1"
    assert (first["customer_id"], first["action"], first["a_action_id"]) == ("ann", *["shoes"] * 2)
    assert first["at"] == datetime(2024, 5, 1, tzinfo=UTC)
    assert first["horizon_at"] == datetime(2024, 5, 8, tzinfo=UTC)
    assert (first["placement"], first["channel"], first["rank"]) == ("email.body", "email", 1)
    assert (first["value"], first["cost"], first["propensity"]) == (30.0, 0.1, None)
    assert first["candidates"] == ["shoes", "hats", "no_action"]
    assert first["probabilities"] == [0.5, 0.25, 0.25]
    assert (first["f_age"], first["f_member"], first["f_region"]) == (41.0, 1.0, "north")
    assert first["f_since_purchase"] == 10.0
    assert decisions["probability"].to_list() == [0.5, 0.25, 0.25]
    assert decisions["f_age"].to_list() == [41.0, None, 33.5]
    assert decisions["f_since_purchase"].to_list() == [10.0, None, 0.5]
    assert decisions["source"].unique().to_list() == ["import"]
    base = dict(SCHEMAS[LogTable.DECISIONS])
    assert {name: decisions.schema[name] for name in base} == base
    assert decisions.schema["f_age"] == pl.Float32


def test_a_row_without_its_label_stays_unresolved_and_the_others_resolve(log, prepare):
    report = import_log(*prepare(), log)
    resolved = rows_of(log, LogTable.RESOLUTIONS).sort("decision_id")
    assert resolved.select("decision_id", "action", "kind", "label", "reward").rows() == [
        ("campaign-r1", "shoes", "rewarded", 1.0, 29.5),
        ("campaign-r2", "no_action", "expired", 0.0, 0.0),
    ]
    assert (report.rows, report.unresolved) == (3, 1)
    assert report.missing_cells == {"age": 1, "member": 1, "region": 1, "since_purchase": 1}


def test_outcomes_are_kept_by_kind_with_what_they_were_worth(log, prepare):
    import_log(*prepare(), log)
    outcomes = rows_of(log, LogTable.OUTCOMES).sort("outcome_id")
    assert outcomes.select("outcome_id", "kind", "value").rows() == [
        ("campaign-r1:convert", "convert", 29.5),
        ("campaign-r1:visit", "visit", None),
    ]


def test_importing_again_changes_nothing(log, prepare):
    arguments = prepare()
    first, again = import_log(*arguments, log), import_log(*arguments, log)
    assert (first.appended, again.appended) == (True, False)
    assert first.actions == again.actions
    assert rows_of(log, LogTable.DECISIONS).height == 3
    assert rows_of(log, LogTable.RESOLUTIONS).height == 2


def test_an_import_that_was_cut_short_is_completed(prepare):
    class CutLog(MemoryLog):
        broken = True

        def append(self, table, rows, *, positions=None):
            if self.broken and table is LogTable.RESOLUTIONS:
                raise OSError("disk full")
            return super().append(table, rows, positions=positions)

    log, arguments = CutLog(), prepare()
    with pytest.raises(OSError, match="disk full"):
        import_log(*arguments, log)
    log.broken = False
    assert import_log(*arguments, log).appended
    assert rows_of(log, LogTable.DECISIONS).height == 3
    assert rows_of(log, LogTable.RESOLUTIONS).height == 2


def test_the_same_rows_from_a_changed_file_or_mapping_are_refused(log, prepare):
    import_log(*prepare(), log)
    with pytest.raises(ConflictError, match="already holds 3 of these 3 rows"):
        import_log(*prepare(mapping=MAPPING.replace("horizon: 7d", "horizon: 8d")), log)
    with pytest.raises(ConflictError, match="already holds 3 of these 4 rows"):
        import_log(*prepare(table=TABLE + "r4;cy;2024-05-04;A;1;1;N;;1;0;0\n"), log)
    assert rows_of(log, LogTable.DECISIONS).height == 3


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (";B;", ";C;", "t.csv row 3, column 'sent': found 'C'; a mapped value: 'A', 'B', 'none'"),
        ("41", "4l", "t.csv row 1, column 'age': found '4l'; a finite number"),
        ("41", "NaN", "t.csv row 1, column 'age': found 'NaN'; a finite number"),
        (";1;1;29.5", ";1;1;", "t.csv row 1, column 'spend': an empty cell; a reward wherever"),
        ("r3", "r1", "t.csv row 1, column 'id': found 'r1'; a row id given once only"),
        ("bob", "", "t.csv row 2, column 'who': an empty cell; an id of at most 64 characters"),
        ("2024-05-02", "2.5.2024", "t.csv row 2, column 'day': found '2.5.2024'; a time as ISO"),
        (";N;", ";W;", "t.csv row 1, column 'region': found 'W'; a value of the feature's map"),
        ("yes", "maybe", "t.csv row 1, column 'member': found 'maybe'; yes or no"),
    ],
)
def test_a_bad_cell_is_named_and_nothing_is_imported(log, prepare, old, new, expected):
    assert old in TABLE
    with pytest.raises(InputError) as raised:
        import_log(*prepare(table=TABLE.replace(old, new, 1)), log)
    assert str(raised.value.faults[0]).startswith(expected)
    for table in LogTable:
        assert rows_of(log, table).is_empty()


@pytest.mark.parametrize("cell", ["0", "1.5", "-1", "NaN", ""])
def test_a_logged_probability_that_cannot_be_is_refused(log, prepare, cell):
    mapping = MAPPING.replace("{by_action: {shoes: 1/2, hats: 1/4, no_action: 1/4}}", "{column: p}")
    lines = TABLE.splitlines()
    table = "\n".join([lines[0] + ";p", lines[1] + ";0.4", lines[2] + f";{cell}", lines[3] + ";1"])
    with pytest.raises(InputError, match=r"row 2, column 'p'.*probability above 0 and at most 1"):
        import_log(*prepare(table=table, mapping=mapping), log)
    assert rows_of(log, LogTable.DECISIONS).is_empty()


@pytest.mark.datasets
def test_an_interaction_history_with_probabilities_of_zero_is_refused_with_their_number(
    log, datasets, tmp_path
):
    file = tmp_path / "history.yaml"
    file.write_text(HISTORY)
    history = datasets / "nba_pega" / "interaction_history.csv.gz"
    with pytest.raises(InputError) as refused:
        import_log(history, load_mapping(file, root=tmp_path), log)
    told = "column 'pyPropensity': 53889 bad cells in all; a probability above 0 and at most 1"
    assert told in str(refused.value)
    assert rows_of(log, LogTable.DECISIONS).is_empty()


def test_where_only_the_probability_of_the_action_taken_is_known_the_others_are_nan(log, prepare):
    mapping = MAPPING.replace("{by_action: {shoes: 1/2, hats: 1/4, no_action: 1/4}}", "{column: p}")
    lines = TABLE.splitlines()
    table = "\n".join([f"{lines[0]};p", *(f"{line};0.25" for line in lines[1:])])
    import_log(*prepare(table=table, mapping=mapping), log)
    row = rows_of(log, LogTable.DECISIONS).sort("decision_id").row(0, named=True)
    assert row["probability"] == 0.25
    assert row["probabilities"][0] == 0.25
    assert all(p != p for p in row["probabilities"][1:])  # noqa: PLR0124 - NaN is not itself


def test_estimated_probabilities_are_frequencies_and_say_so(log, prepare):
    stated = "{by_action: {shoes: 1/2, hats: 1/4, no_action: 1/4}}"
    table = TABLE + "r4;cy;2024-05-04;A;1;1;N;;1;0;0\n"
    report = import_log(*prepare(table, MAPPING.replace(stated, "{estimated: true}")), log)
    decisions = rows_of(log, LogTable.DECISIONS).sort("decision_id")
    assert decisions["probability"].to_list() == [0.5, 0.25, 0.25, 0.5]
    assert report.source == "import:estimated"
    assert decisions["source"].unique().to_list() == ["import:estimated"]


def test_a_missing_column_is_named_with_its_line_in_the_mapping(log, prepare):
    with pytest.raises(DefinitionError) as raised:
        import_log(*prepare(table=TABLE.replace(";visited;", ";visits;")), log)
    assert str(raised.value) == (
        "m.yaml:23: outcomes.0.column: the table has no column 'visited'; did you mean 'visits'?"
    )


def test_gzip_and_parquet_give_the_same_rows_as_plain_text(prepare, tmp_path):
    plain, zipped, parquet = MemoryLog(), MemoryLog(), MemoryLog()
    import_log(*prepare(), plain)
    import_log(*prepare(name="t.csv.gz"), zipped)
    file = tmp_path / "t.parquet"
    pl.read_csv(tmp_path / "t.csv", separator=";", null_values="?").write_parquet(file)
    mapping = prepare(mapping=MAPPING.replace('{separator: ";",', "{format: parquet,"))[1]
    import_log(file, mapping, parquet)
    for table in LogTable:
        assert rows_of(zipped, table).equals(rows_of(plain, table))
        assert rows_of(parquet, table).equals(rows_of(plain, table))


def test_files_that_are_none_are_answered_clearly(log, prepare, tmp_path):
    file, mapping = prepare()
    with pytest.raises(NotFoundError, match="no such file"):
        import_log(tmp_path / "absent.csv", mapping, log)
    file.write_text("")
    with pytest.raises(InputError, match=r"t\.csv: not readable"):
        import_log(file, mapping, log)
    file.write_text(TABLE.splitlines()[0])
    with pytest.raises(InputError, match="the table has no rows"):
        import_log(file, mapping, log)
    file.write_text(TABLE + "r5;too;many;" + "cells;" * 20)
    with pytest.raises(InputError, match=r"t\.csv: not readable"):
        import_log(file, mapping, log)


def test_the_report_says_what_each_action_brought(log, prepare):
    report = import_log(*prepare(), log)
    shoes = next(entry for entry in report.actions if entry.action == "shoes")
    assert (shoes.rows, shoes.mean_probability, shoes.label_rate) == (1, 0.5, 1.0)
    assert shoes.mean_reward == 29.5
    hats = next(entry for entry in report.actions if entry.action == "hats")
    assert (hats.rows, hats.label_rate, hats.mean_reward) == (1, None, None)


def test_progress_ends_at_the_whole(prepare):
    said = []
    import_log(*prepare(), MemoryLog(), progress=lambda stage, done: said.append((stage, done)))
    assert [done for _, done in said] == sorted(done for _, done in said)
    assert said[-1] == ("done", 1.0)
