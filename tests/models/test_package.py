"""The package stays light: the service imports it, and must not pull in what training needs."""

import subprocess
import sys

import nba.models


def test_the_public_names_are_those_promised():
    assert sorted(nba.models.__all__) == nba.models.__all__
    assert all(hasattr(nba.models, name) for name in nba.models.__all__)


def test_importing_it_loads_no_training_library():
    code = (
        "import sys, nba.models; "
        "print([m for m in ('lightgbm', 'mlflow', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
