"""Code compiled ahead and kept on disk: never of an older form than its source."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from nba.features import cells, migration, readout


def test_what_calls_the_kernels_of_cells_changes_with_them():
    source = Path(cells.__file__).read_bytes()
    digest = blake2b(source, digest_size=8).hexdigest()
    assert {module.__name__: module.CELLS_DIGEST for module in (readout, migration)} == {
        "nba.features.readout": digest,
        "nba.features.migration": digest,
    }


def test_no_other_module_calls_them():
    package = Path(cells.__file__).parent
    compiled = {path.name for path in package.glob("*.py") if "@numba.njit" in path.read_text()}
    callers = {name for name in compiled if "nba.features.cells" in (package / name).read_text()}
    assert callers - {"cells.py"} == {"readout.py", "migration.py"}
