"""The benchmarks measure what they say; how fast anything is, no test asks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import common
import cross_validation
import floor
import grid_search
import loaders
import peers
import scaling
import scaling_child
import searches
import single_fit
from common import Row, Section
from floor import Product, Work
from peers import PEERS, Task

ROOT = Path(__file__).parent.parent
TINY = Task(64, 10, (16,), epochs=12, batch_size=32)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """Start no workers: they cost seconds, and nothing here is timed."""
    for module in (floor, searches, cross_validation, single_fit):
        monkeypatch.setattr(module, "cores", lambda: 1)


# ---------------------------------------------------------------------- peers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_peers_learn_the_same_task_equally_well(digits, dtype):
    X, y = digits[0].astype(dtype), digits[1]
    task = TINY if dtype == "float32" else TINY.as_float64()
    accuracies = {}
    for name in PEERS:
        with peers.unconverged():
            accuracies[name] = single_fit.held_out_accuracy(
                name, task, (X[:200], X[200:], y[:200], y[200:])
            )
    assert min(accuracies.values()) > 0.8, accuracies
    assert max(accuracies.values()) - min(accuracies.values()) < 0.1, accuracies


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_all_peers_train_a_network_of_the_same_shape_for_all_epochs(digits, optimizer):
    X, y = digits
    task = Task(64, 10, (7, 5), 3, 50, optimizer, lr=1e-6, activation="tanh")
    with peers.unconverged():
        nets = {name: build(task).fit(X, y) for name, build in PEERS.items()}
    shapes = {
        "skorch, tuned": _shapes(nets["skorch, tuned"].module_),
        "hand-written loop": _shapes(nets["hand-written loop"].model_),
        "scikit-learn MLP": {w.shape for w in nets["scikit-learn MLP"].coefs_},
        "ActMLP": _shapes(nets["ActMLP"].module_),
    }
    assert all(found == {(64, 7), (7, 5), (5, 10)} for found in shapes.values()), shapes
    assert nets["scikit-learn MLP"].n_iter_ == 3
    assert all(
        len(nets[name].history) == 3
        for name in nets
        if "hand" not in name and "learn" not in name
    )


def _shapes(module):
    weights = [w for w in module.parameters() if w.ndim == 2]
    return {tuple(w.shape)[::-1] for w in weights}


def test_whole_batches_are_the_rows_that_were_asked_for():
    X, y = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(6)
    rows, labels = peers.WholeBatches(X, y).__getitems__([4, 0])
    np.testing.assert_array_equal(rows, X[[4, 0]])
    np.testing.assert_array_equal(labels, [4, 0])


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with peers.limited_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


# ---------------------------------------------------------------------- the floor


def test_a_step_needs_these_products():
    assert floor.step_products((4, 3, 2), batch=5, lanes=6) == (
        Product("forward", 5, 4, 3, 6),
        Product("forward", 5, 3, 2, 6),
        Product("weight gradient", 3, 5, 2, 6),
        Product("input gradient", 5, 2, 3, 6),
        Product("weight gradient", 4, 5, 3, 6),
    )


def test_a_fit_needs_these_steps():
    work = floor.fit_work((4, 3, 2), n_rows=23, batch_size=10, epochs=7, n_held_out=5)
    assert work == [
        Work(14, floor.step_products((4, 3, 2), 10)),
        Work(7, floor.step_products((4, 3, 2), 3)),
        Work(7, (Product("forward", 5, 4, 3), Product("forward", 5, 3, 2))),
    ]


def test_flops_of_a_network_without_the_gradient_of_its_data():
    products = floor.step_products((64, 64, 10), 32)
    weights = 64 * 64 + 64 * 10
    assert sum(p.flops for p in products) == 2 * 32 * (2 * weights + 64 * 10)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("layout", range(8))
def test_every_layout_is_of_the_same_product(lanes, layout):
    multiply, a, b, out = floor._call(
        Product("forward", 5, 4, 3, lanes), layout, torch.float64
    )
    multiply(a, b, out=out)
    shape = (3, 5) if layout & 4 else (5, 3)
    assert out.shape == (shape if lanes == 1 else (lanes, *shape))
    assert a.shape[-1] == 4
    torch.testing.assert_close(out, a @ b)


def test_parts_of_a_stack_hold_all_lanes():
    assert floor.split(9, 2) == [5, 4]
    assert [sum(floor.split(9, s.parts)) for s in floor.settings(9)] == [9, 9, 9, 9]


def test_the_floor_takes_the_best_of_what_it_tried():
    work = floor.fit_work((8, 4, 2), 20, 10, epochs=2, lanes=4)
    lowest = floor.Floor(work).choose(budget=0.001)
    assert set(lowest.tried) == {str(way) for way in floor.settings(4)}
    assert lowest.tried[str(lowest.setting)] == min(lowest.tried.values())
    assert lowest.measure(budget=0.001) > 0


# ---------------------------------------------------------------------- searches


@pytest.mark.parametrize("peer", [*grid_search.PROCESS_PEERS, searches.FUSED])
def test_a_grid_is_the_same_for_every_peer(peer, digits):
    X, y = digits
    grid = searches.Grid(TINY, ("relu", "sigmoid"), (0.01,), (8, 16), folds=2).short()
    search = searches.pipeline_search(peer, grid, None)
    last = searches.Timed()
    with peers.unconverged():
        searches.run(lambda: search, X, y, peer == searches.FUSED, last)
    assert len(search.cv_results_["params"]) == grid.candidates == 4
    assert searches.scores(search).shape == (4, 2)
    assert np.isfinite(searches.scores(search)).all()
    assert len(last.engine) == (peer == searches.FUSED)


def test_the_floor_of_a_grid_has_a_stack_for_each_width():
    grid = searches.Grid(TINY, ("relu", "tanh"), (0.1, 0.01, 0.001), (8, 4), folds=5)
    below = searches.floor(grid.short(), 101)
    assert set(below.more["samples"]) == {"8", "4"}
    assert below.clock() > 0


def test_fused_and_plain_searches_are_compared_score_by_score(digits):
    X, y = digits
    grid = searches.Grid(TINY, ("relu",), (0.01, 0.1), (8,), folds=2)
    contenders = [searches.in_processes("ActMLP", grid, X, y, (1,))]
    contenders.append(searches.fused(grid, X, y))
    text = grid_search.same_scores(contenders)
    assert text == "largest difference of a score, fused and not fused: 0"


def test_a_table_is_cross_validated_by_both():
    data = loaders.bundled_tables()["breast_cancer"]
    with peers.unconverged():
        section = cross_validation.table_section(
            "breast_cancer", data, cross_validation.QUICK
        )
    names = {row.peer for row in section.rows}
    assert {"ActMLP relu", "MLPClassifier tanh", "majority class"} <= names
    assert section.row("ActMLP relu").accuracy > 0.9
    assert "breast_cancer" in cross_validation.overview([section])


def test_scaling_divides_by_the_work(monkeypatch):
    outcome = {"seconds": 8.0, "accuracy": 1.0, "peak_mib": 2.0, "before_mib": 1.0}
    monkeypatch.setattr(scaling, "child", lambda *arguments: outcome)
    section = scaling.candidates_section((1, 8), epochs=1, repeats=2)
    assert section.row("8 candidates").seconds == [1.0, 1.0]
    assert section.ratio(section.row("1 candidates")) == 8.0


def test_a_child_of_scaling_measures_one_size():
    with peers.unconverged():
        outcome = scaling_child.rows(1000, 1, "scikit-learn MLP")
    assert outcome["peak_mib"] >= outcome["before_mib"] > 50
    assert 0.4 < np.mean(scaling_child.synthetic(1000)[1]) < 0.6


# ---------------------------------------------------------------------- tables


def test_clocks_take_turns():
    order = []

    def clock(name):
        return lambda: order.append(name) or float(len(order))

    seconds = common.alternate({name: clock(name) for name in "AB"}, repeats=3)
    assert order == list("ABABAB")
    assert seconds == {"A": [1.0, 3.0, 5.0], "B": [2.0, 4.0, 6.0]}


def test_ratios_are_of_medians_and_disagreement_is_said_aloud():
    rows = [Row("ours", [1.0, 2.0, 9.0], accuracy=0.97), Row("theirs", [8.0, 4.0, 1.0])]
    section = Section("s", "title", rows, "ours", accuracy_bound=0.01)
    assert section.ratio(rows[1]) == 2.0
    assert section.disagreement() == ""
    rows[1].accuracy = 0.95
    assert "DISAGREE" in section.disagreement()
    assert "theirs 0.9500" in section.disagreement()


@pytest.mark.parametrize(("quick", "name"), [(False, "b.json"), (True, "b.quick.json")])
def test_results_tell_of_machine_versions_and_every_repeat(tmp_path, quick, name):
    section = Section(
        "s", "title", [Row("ours", [1.0, 2.0], more={"x": np.float32(1)})]
    )
    args = SimpleNamespace(quick=quick, results=tmp_path)
    path = common.save("b", [section], args)
    assert path == tmp_path / name
    content = json.loads(path.read_text())
    assert set(content) == {
        *("benchmark", "quick", "date", "machine", "versions", "settings", "sections")
    }
    assert {"cpu", "cores", "torch_threads"} <= set(content["machine"])
    assert {"python", *common.PACKAGES} == set(content["versions"])
    (row,) = content["sections"][0]["rows"]
    assert row["seconds"] == [1.0, 2.0]
    assert row["median"] == 1.5


def test_without_data_a_section_says_how_to_get_them(monkeypatch, capsys):
    monkeypatch.delenv("SKACT_DATA", raising=False)
    section = single_fit.fit_section("mnist", TINY, single_fit.mnist_data, 1)
    assert section.rows == []
    common.show(section)
    assert "skipped: SKACT_DATA must name a folder" in capsys.readouterr().out
    with pytest.raises(loaders.MissingData, match="UCI"):
        loaders.table("adult")


def test_published_accuracies_are_accuracies():
    figures = [row for rows in cross_validation.PUBLISHED.values() for row in rows]
    assert all(0.5 < accuracy < 1 and source for _, accuracy, _, source in figures)


def test_a_benchmark_runs_quickly_and_writes_what_it_printed(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "single_fit.py"), "--quick"]
    command += ["--only", "digits", "--results", str(tmp_path)]
    result = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    content = json.loads((tmp_path / "single_fit.quick.json").read_text())
    assert [section["name"] for section in content["sections"]] == ["digits_float32"]
    for row in content["sections"][0]["rows"]:
        assert row["peer"] in result.stdout
