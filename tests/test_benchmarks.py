"""The benchmarks measure what they say; how fast anything is, no test asks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import ParameterGrid

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import common
import cross_validation
import defaults
import floor
import grid_search
import honest_compare
import loaders
import many_nets
import peers
import published
import real_nets
import repeated_folds
import scaling
import scaling_child
import searches
import single_fit
import strong
from common import Row, Section
from floor import Product, Work
from peers import PEERS, Task

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
TINY = Task(64, 10, (16,), epochs=12, batch_size=32)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """Start no workers: they cost seconds, and nothing here is timed."""
    for module in (floor, searches, repeated_folds, single_fit):
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
    grid_search.rows(contenders, repeats=1)
    text = grid_search.same_scores(contenders)
    assert text == "largest difference of a score, fused and not fused: 0"


# ---------------------------------------------------------------------- repeated folds


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "score", "at_least"),
    [
        ("breast_cancer", "ActMLP", "MLPClassifier", "accuracy", 0.9),
        ("diabetes", "ActMLPRegressor", "MLPRegressor", "R2", 0.2),
    ],
)
def test_a_table_is_cross_validated_by_both(name, ours, theirs, score, at_least):
    data = loaders.bundled_tables()[name]
    with peers.unconverged():
        section = cross_validation.table_section(name, data, cross_validation.QUICK)
    names = {row.peer for row in section.rows}
    assert {f"{ours} relu", f"{ours} tanh", f"{theirs} relu", f"{theirs} tanh"} <= names
    assert cross_validation.value(section.row(f"{ours} relu"), score) > at_least
    assert section.row(f"{ours} tanh").more["minus relu"]
    samples = section.row(f"{ours} relu").more["samples"][score]
    assert [len(folds) for folds in samples.values()] == [3]
    (line,) = cross_validation.overview([section], score).splitlines()[2:]
    assert line.startswith(f"| {name} | ")
    other = "accuracy" if score == "R2" else "R2"
    assert cross_validation.overview([section], other) == ""


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_both_peers_meet_the_same_folds(name):
    data = loaders.bundled_tables()[name]
    protocol = repeated_folds.Protocol()
    folds = [
        list(search(protocol, data).cv.split(data.X, data.y))
        for search in (repeated_folds.our_search, repeated_folds.their_search)
    ]
    assert len(folds[0]) == protocol.folds * protocol.repeats
    for (train, test), (their_train, their_test) in zip(*folds, strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


def test_the_unit_of_what_is_predicted_changes_no_r2():
    data = loaders.bundled_tables()["diabetes"]
    found = []
    for unit in (1.0, 2.0**20):
        table = data._replace(y=data.y * unit)
        search = repeated_folds.our_search(cross_validation.QUICK, table)
        search.fit(table.X, table.y)
        kind = repeated_folds.KINDS["numbers"]
        found.append(repeated_folds.outcomes(search, kind)["tanh"])
    np.testing.assert_allclose(found[0].at_best("R2"), found[1].at_best("R2"), 1e-4)
    rmse = [one.at_best("RMSE") for one in found]
    np.testing.assert_allclose(rmse[0] * 2.0**20, rmse[1], 1e-4)


def test_categories_become_codes_and_a_missing_one_a_category_of_its_own():
    frame = pd.DataFrame({"n": [1.5, None, 2.0], "c": ["b", None, "a"]})
    table = loaders.as_numbers(frame, pd.Series(["x", "y", "x"]), ["c"], "classes")
    np.testing.assert_array_equal(table.X, [[1.5, 1], [np.nan, -1], [2.0, 0]])
    np.testing.assert_array_equal(table.y, [0, 1, 0])
    assert table.categorical == [1]
    numbers = loaders.as_numbers(frame, pd.Series([3, 5, 4]), ["c"], "numbers")
    np.testing.assert_array_equal(numbers.y, [3.0, 5.0, 4.0])


def test_a_network_sees_no_missing_numbers_and_no_far_outliers():
    X = np.column_stack([np.arange(1000.0), np.arange(1000) % 3])
    X[0, 0], X[1, 0] = 1e9, np.nan
    table = loaders.Table(X, np.arange(1000) % 2, [1], "classes")
    kind = repeated_folds.KINDS["classes"]
    seen = repeated_folds.pipeline(None, table, kind)[:-1].fit_transform(X)
    assert seen.shape == (1000, 1 + 3)
    assert seen.dtype == np.float32
    assert seen[0, 0] == repeated_folds.FARTHEST == np.abs(seen).max()


def test_a_difference_is_certain_where_all_folds_agree_and_not_where_they_do_not():
    protocol = repeated_folds.Protocol(folds=3, repeats=2)
    theirs = np.array([0.5, 0.9, 0.7, 0.6, 0.8, 0.4])
    wobble = np.array([1, -1, 1, -1, 1, -1])
    apart = repeated_folds.gap(theirs + 0.1 + 0.01 * wobble, theirs, protocol)
    equal = repeated_folds.gap(theirs + 0.01 + 0.1 * wobble, theirs, protocol)
    assert apart.certain
    assert str(apart).startswith("+0.1000 ± ")
    assert str(apart).endswith("*")
    assert not equal.certain
    # the plain error of a mean of 6, times sqrt(1 + 6 / 2): training sets overlap
    plain = (0.1 * wobble).std(ddof=1) / np.sqrt(6)
    assert equal.error == pytest.approx(plain * 2)


def _outcome(scores):
    lrs = [0.1 / 10**i for i in range(len(scores))]
    return repeated_folds.Outcome("relu", lrs, {"accuracy": np.array(scores)})


def test_a_rate_whose_fits_failed_is_not_chosen_and_is_named():
    outcome = _outcome([[0.9, np.nan, 0.9], [0.8, 0.8, 0.7], [0.1, 0.8, 0.8]])
    assert outcome.lr == 0.01
    texts = cross_validation.failures({"relu": outcome})
    assert texts == ["relu, lr 0.1: 1 FITS FAILED", "relu, lr 0.001: a fold of 0.1000"]


def test_a_choice_flatters_where_folds_do_not_agree_on_it():
    assert _outcome([[0.9, 0.9, 0.9], [0.8, 0.8, 0.8]]).flattery() == 0
    assert _outcome([[0.9, 0.6, 0.6], [0.6, 0.8, 0.6]]).flattery() > 0.05
    assert _outcome([[np.nan, np.nan]]).flattery() == 0


def test_a_quick_run_makes_a_table_of_each_score(monkeypatch, tmp_path, capsys):
    arguments = ["cross_validation.py", "--quick", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    cross_validation.main()
    printed = capsys.readouterr().out
    for start in ("| accuracy ±", "| breast_cancer |", "| R2 ±", "| RMSE ±"):
        assert f"\n{start}" in printed
    content = json.loads((tmp_path / "cross_validation.quick.json").read_text())
    assert "folds=3" in content["settings"]["protocol"]


def test_more_rows_take_fewer_epochs():
    protocol = repeated_folds.Protocol(rows=1000, epochs_between=(5, 50))
    assert [protocol.epochs(n) for n in (1, 100, 10_000)] == [50, 10, 5]


# ---------------------------------------------------------------------- scaling


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


def test_published_figures_are_accuracies_or_errors_and_name_their_source():
    numbers = {"california_housing", "diamonds", "protein", "wine_quality"}
    for name, figures in published.PUBLISHED.items():
        for figure in figures:
            assert figure.source
            if name in numbers:
                assert figure.value > 0
            else:
                assert 0.5 < figure.value < 1
    assert set(cross_validation.CAVEATS) <= set(cross_validation.TABLES)


def test_a_log_changes_no_score_of_the_grids_that_it_is_timed_on(tmp_path):
    name = "training_log"
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--quick"]
    command += ["--results", str(tmp_path), "--only", "fused"]
    subprocess.run(command, check=True, capture_output=True)
    (section,) = json.loads((tmp_path / f"{name}.quick.json").read_text())["sections"]
    assert [row["peer"] for row in section["rows"]] == [
        "no log",
        "TrainingLog",
        "TrainingLog, log.scorer()",
        "TrainingLog, ActivationMonitor",
    ]
    assert len({row["accuracy"] for row in section["rows"]}) == 1
    assert section["notes"] == ["48 rows; all scores equal"]


@pytest.mark.parametrize("case", real_nets.CASES, ids=lambda case: case.name)
def test_a_real_net_is_the_same_search_to_each_peer(case):
    X, y = real_nets.data_of(case)
    net = real_nets.build(case, real_nets.FUSED, True, None)
    (n_candidates,) = {len(list(ParameterGrid(net.param_grid)))}
    for peer in case.peers:
        search = real_nets.build(case, peer, True, None)
        assert len(list(ParameterGrid(search.param_grid))) == n_candidates
        with peers.unconverged():
            search.set_params(error_score="raise").fit(X[:300], y[:300])
        assert real_nets.scores(search).mean() > 0.1


def test_real_nets_are_compared_before_they_are_timed(monkeypatch, tmp_path):
    monkeypatch.setattr(real_nets, "cores", lambda: 1)
    case = real_nets.CASES[1]
    args = SimpleNamespace(quick=True, repeats=1, no_peers=True, before=None)
    section = real_nets.measure(case, args)
    assert "fused and plain: 0" in section.notes[0]
    assert section.row(real_nets.FUSED).median > 0


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


def test_kept_fits_are_compared_before_they_are_timed(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "resume.py"), "--quick"]
    command += ["--results", str(tmp_path), "--only", "halving", "rerun"]
    subprocess.run(command, check=True, capture_output=True)
    sections = json.loads((tmp_path / "resume.quick.json").read_text())["sections"]
    assert [section["name"] for section in sections] == [
        "halving, width 64",
        "halving, 256-256",
        "rerun, bare, 20",
        "rerun, bare, 200",
    ]
    for section in sections:
        accuracies = [row["accuracy"] for row in section["rows"] if row["accuracy"]]
        assert len(accuracies) == 2
        assert len(set(accuracies)) == 1


# ---------------------------------------------------------------------- compare


def test_simulated_models_differ_by_what_they_are_said_to_differ():
    rng = np.random.default_rng(0)
    less = np.array([0.0, 0.0, 0.1])
    for kind in honest_compare.KINDS:
        drawn = [honest_compare.draw(rng, kind, less, 5, 500) for _ in range(40)]
        means = np.mean(drawn, axis=(0, 2))
        assert abs(means[0] - means[1]) < 0.01, kind
        assert means[0] - means[2] > 0.05, kind
        if kind.score in ("accuracy", "R2"):
            # R2 of 100 rows is less than that of all rows, for all models alike
            assert abs(means - kind.mean + less).max() < 0.025, kind
        # the same rows are hard for all models
        scores = np.concatenate(drawn, axis=1)
        assert np.corrcoef(scores)[0, 1] > 0.2, kind


def test_compare_is_simulated_beside_what_it_was():
    (row,) = honest_compare.equal_models(
        20, (2,), (150,), honest_compare.KINDS[:1], (8,)
    )
    assert row["before"] > 0.5
    assert row["now"] <= 0.05
    rows = honest_compare.differing_models(3, (5,), (60,))
    assert {row["less"] for row in rows} == {0.0, 0.011, 0.05, 0.2}
    (seeds,) = honest_compare.seeds_of_one_net(1, (3,), ("iris",))
    assert (seeds["table"], seeds["searches"]) == ("iris", 1)


# ---------------------------------------------------------------------- defaults


def test_a_network_learns_from_training_rows_alone_how_to_prepare_rows():
    data = loaders.bundled_tables()["diabetes"]
    split = defaults.split_rows(data, seed=0, rows=100)
    assert split.X.shape == split.X_test.shape == (100, 10)
    np.testing.assert_allclose(split.X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose([split.y.mean(), split.y.std()], [0, 1], atol=1e-12)
    assert abs(split.X_test.mean(axis=0)).max() > 0.01


def test_a_quick_run_compares_dtypes_of_the_same_nets(monkeypatch, tmp_path, capsys):
    arguments = defaults.argument_parser("", defaults.SECTIONS).parse_args(
        ["--quick", "--only", "dtype", "--results", str(tmp_path)]
    )
    monkeypatch.setattr(defaults, "load_tables", lambda quick: _small_tables())
    defaults.main(arguments)
    assert "score by dtype" in capsys.readouterr().out
    found = json.loads((tmp_path / "defaults.quick.json").read_text())["dtype"]
    scores = found["score by dtype"]
    assert scores["index"] == ["breast_cancer"]
    assert min(scores["data"][0][:2]) > 0.8


def _small_tables():
    return {"breast_cancer": loaders.bundled_tables()["breast_cancer"]}


def test_many_nets_are_the_same_in_the_block_before_they_are_timed():
    split = defaults.split_rows(loaders.bundled_tables()["digits"], seed=0, rows=100)
    section = many_nets.measure("digits", split, epochs=2, repeats=1)
    assert section.notes == []
    assert len(section.rows) == 2 * len(many_nets.recipes(2))
    assert all(row.median > 0 for row in section.rows)


# ---------------------------------------------------------------------- strong


def _strong(monkeypatch, tmp_path, *arguments):
    monkeypatch.setattr(
        sys, "argv", ["strong.py", *arguments, "--results", str(tmp_path)]
    )
    strong.main()


@pytest.mark.filterwarnings(
    "ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning"
)
def test_models_of_a_table_are_scored_on_one_split_and_the_targets_are_told(
    monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(strong, "peers", lambda: dict(_PEERS))
    _strong(monkeypatch, tmp_path, "--quick")
    content = json.loads((tmp_path / "strong.quick.json").read_text())
    tables = {section["name"]: section["rows"] for section in content["sections"]}
    assert set(tables) == {"wine", "diabetes"}
    for rows in tables.values():
        assert {row["peer"] for row in rows} == set(_PEERS)
        scores = {row["peer"]: row["more"]["scores"] for row in rows}
        assert all(set(found) == {"0"} for found in scores.values())
        assert scores[strong.TREES]["0"] > scores[strong.TRIVIAL]["0"]
    printed = capsys.readouterr().out
    assert f"Target: above {strong.TREES} on half of the tables" in printed
    # what is known is not run again, and stays
    monkeypatch.setattr(strong, "peers", lambda: {strong.TRIVIAL: _refuse})
    _strong(monkeypatch, tmp_path, "--quick")
    again = json.loads((tmp_path / "strong.quick.json").read_text())
    for section in again["sections"]:
        assert {row["peer"] for row in section["rows"]} == set(_PEERS)


_PEERS = {
    strong.TRIVIAL: strong.trivial_score,
    strong.UNTUNED: strong.untuned_score,
    strong.TREES: strong.trees_score,
    strong.OURS: strong.search_score,
}


def _refuse(data, split):
    raise AssertionError("run again")


def test_scores_are_normalised_between_the_trivial_and_the_best(tmp_path):
    rows = {
        strong.TRIVIAL: 0.5,
        strong.UNTUNED: 0.7,
        strong.TREES: 0.9,
        strong.PEER: 0.8,
        strong.OURS: 0.85,
    }
    sections = [
        {
            "name": name,
            "rows": [
                {"peer": peer, "seconds": [9.0], "more": {"scores": {"0": score}}}
                for peer, score in rows.items()
            ],
        }
        for name in ("a", "b")
    ]
    (tmp_path / "strong.json").write_text(json.dumps({"sections": sections}))
    text = strong.overview(SimpleNamespace(results=tmp_path, quick=False))
    assert (
        "| **mean, normalised** | 0.0000 | 0.5000 |  | 1.0000 | 0.7500 | 0.8750 | |"
        in text
    )
    assert "on 0 of 2." in text
    assert "below on 0 of 2 (none)." in text
