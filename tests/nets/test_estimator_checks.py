"""All of scikit-learn's estimator checks, on all three, with no expected failures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

ARRAY_API = os.environ.get("SCIPY_ARRAY_API") == "1"


@pytest.mark.filterwarnings(
    # the only check that scikit-learn skips; the subprocess below runs it
    "ignore:.*SCIPY_ARRAY_API is not set:sklearn.exceptions.SkipTestWarning",
    # one check passes y as a column on purpose, and asserts that fit warns
    "ignore:A column-vector y was passed:sklearn.exceptions.DataConversionWarning",
)
@parametrize_with_checks([ActMLP(), ActMLPBinary(), ActMLPRegressor()])
def test_scikit_learns_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.skipif(ARRAY_API, reason="this is the run with SCIPY_ARRAY_API=1 itself")
def test_all_checks_pass_with_the_array_api_too_and_none_is_skipped():
    # scipy reads the variable when it is imported, hence a process of its own
    here = Path(__file__)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
         "-p", "no:xdist", "-p", "no:cov", str(here)],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        cwd=here.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    summary = run.stdout.strip().splitlines()[-1]
    assert " passed" in summary
    skipped = [line for line in run.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all("SCIPY_ARRAY_API=1 itself" in line for line in skipped), skipped
