"""The nets on which `diagnose` is measured: a fault is all that was changed."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import diagnosis as benchmark
from loaders import bundled_tables
from planted_faults import FAULTS, Case, draw_healthy, plant_faults

from skact import Finding

TABLE = bundled_tables()["diabetes"]


def drawn(**params: object) -> Case:
    return draw_healthy("diabetes", TABLE, 1).with_params(norm=None, **params)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_what_it_names_and_no_test_row_is_lost(name: str) -> None:
    case = drawn(optimizer="sgd", activation="relu")
    planted = FAULTS[name](case, np.random.default_rng(0))
    if planted is None:
        assert name == "biases that kill"
        return
    assert planted.fault == name
    assert planted.causes
    assert [part.shape for part in planted.data] == [part.shape for part in case.data]
    is_changed = [
        planted.params != case.params,
        any(
            not np.array_equal(a, b)
            for a, b in zip(planted.data, case.data, strict=True)
        ),
        planted.start != case.start,
    ]
    assert sum(is_changed) == 1 or name in (
        "noise learned by heart",
        "y that X tells nothing of",
    )


def test_all_faults_are_planted_equally_often() -> None:
    cases = [drawn(optimizer="sgd", activation="relu")] * len(FAULTS)
    names = [case.fault for case in plant_faults(cases, 2, seed=0)]
    assert sorted(names) == sorted([*FAULTS, *FAULTS])


def test_an_advice_that_is_followed_undoes_the_fault() -> None:
    case, rng = drawn(), np.random.default_rng(0)
    unscaled = FAULTS["inputs of all units"](case, rng)
    finding = Finding("inputs", "", "", {"X": "scaled"}, 0, {})
    scaled = benchmark.follow(unscaled, finding)
    again = benchmark.follow(case, finding)
    np.testing.assert_allclose(scaled.data[2], again.data[2], atol=1e-3)
    large = FAULTS["y in its units"](case, rng)
    followed = benchmark.follow(large, Finding("y", "", "", {"y": "scaled"}, 0, {}))
    assert followed.data[1].std() == pytest.approx(1, rel=1e-3)
    changed = benchmark.follow(case, Finding("width", "", "", {"width": 64}, 0, {}))
    assert changed.params == {**case.params, "width": 64}
    zero = FAULTS["weights of 0"](case, rng)
    assert (
        benchmark.follow(zero, Finding("initial weights", "", "", {}, 0, {})).start
        == ()
    )


def test_skill_is_zero_for_a_constant_and_one_for_the_truth() -> None:
    case = drawn()
    y = case.data[3]

    class Says:
        initialized_ = True

        def __init__(self, values: np.ndarray) -> None:
            self.values = values

        def predict(self, X: np.ndarray) -> np.ndarray:
            return self.values

    assert benchmark.skill(case, Says(y)) == 1
    assert benchmark.skill(case, Says(np.full_like(y, y.mean()))) == pytest.approx(0)
    assert benchmark.skill(case, Says(y * np.nan)) == -1
    assert benchmark.skill(case, Says(y * 100)) == -1


def test_precision_counts_findings_and_recall_counts_nets() -> None:
    rows = {
        "fault": ["", "", "dropout", "width"],
        "n_right": [0, 0, 1, 0],
        "n_wrong": [0, 2, 1, 0],
    }
    found = benchmark.summarise(benchmark.pd.DataFrame(rows))
    assert (found["precision"], found["recall"]) == (0.25, 0.5)
    assert (found["healthy"], found["healthy with a finding"]) == (2, 1)
