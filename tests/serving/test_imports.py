"""An API process stays small: the libraries of training and of the log are never loaded in it."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("mlflow", "lightgbm", "sklearn", "polars", "deltalake", "pyarrow", "matplotlib", "pandas")


def test_the_api_does_not_load_what_it_does_not_need() -> None:
    program = "import json, sys, nba.serving.api; print(json.dumps(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    modules = set(json.loads(loaded.stdout))
    assert "nba.serving.app" in modules
    assert modules.isdisjoint(HEAVY)
