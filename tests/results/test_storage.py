"""What is saved comes back as it was, and nothing that is read can run."""

import json
import math
import re
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from skact import ActMLP, TrainingLog, load_results, save_results, to_frame, to_hiplot

X, y = load_iris(return_X_y=True)
GRID = [
    {"svc__C": [0.1, 1], "svc__kernel": ["rbf", "poly"]},
    {"svc__gamma": ["scale", 0.5], "svc__shrinking": [True, False]},
]


@pytest.fixture(scope="module")
def search() -> GridSearchCV:
    pipe = make_pipeline(StandardScaler(), SVC())
    scoring = {"acc": "accuracy", "f1": "f1_macro"}
    return GridSearchCV(pipe, GRID, cv=2, scoring=scoring, refit="f1").fit(X, y)


def again(search: Any, folder: Path) -> Any:
    save_results(search, folder)
    return load_results(folder)


@pytest.mark.parametrize("level", ["candidate", "fold"])
def test_frames_and_pages_are_those_of_the_search(
    search: Any, level: str, tmp_path: Path
) -> None:
    loaded = again(search, tmp_path)
    pd.testing.assert_frame_equal(to_frame(loaded, level), to_frame(search, level))
    pages = [to_hiplot(source, level)._asdict() for source in (loaded, search)]
    assert json.dumps(pages[0]) == json.dumps(pages[1])


def test_the_results_are_as_the_search_has_them(search: Any, tmp_path: Path) -> None:
    loaded = again(search, tmp_path)
    assert loaded.refit == "f1"
    assert loaded.search == "GridSearchCV"
    assert loaded.estimator == "SVC"
    assert loaded.cv_results_["params"] == search.cv_results_["params"]
    for key, cells in search.cv_results_.items():
        if key.startswith("param_"):
            assert np.ma.getmaskarray(loaded.cv_results_[key]).tolist() == (
                np.ma.getmaskarray(cells).tolist()
            )
        elif key != "params":
            assert loaded.cv_results_[key].tolist() == cells.tolist()
            assert loaded.cv_results_[key].dtype.kind == cells.dtype.kind


def test_what_was_loaded_can_be_saved_again(search: Any, tmp_path: Path) -> None:
    loaded = again(search, tmp_path / "a")
    save_results(loaded, tmp_path / "b")
    for name in ("results.csv", "results.json"):
        assert (tmp_path / "b" / name).read_bytes() == (
            tmp_path / "a" / name
        ).read_bytes()


def test_a_failed_fit_stays_a_missing_score(tmp_path: Path) -> None:
    search = GridSearchCV(SVC(), {"C": [-1.0, 1.0]}, cv=2)
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search.fit(X, y)
    loaded = again(search, tmp_path)
    assert np.isnan(loaded.cv_results_["mean_test_score"]).tolist() == [True, False]
    pd.testing.assert_frame_equal(to_frame(loaded), to_frame(search))


def test_objects_are_saved_by_their_short_names(tmp_path: Path) -> None:
    results = {
        "param_a": np.array([nn.ReLU, nn.LeakyReLU(0.2), None], dtype=object),
        "mean_test_score": [0.9, 0.8, 0.7],
        "rank_test_score": [1, 2, 3],
    }
    loaded = again(results, tmp_path)
    assert loaded.cv_results_["param_a"].tolist() == [
        "ReLU",
        "LeakyReLU(negative_slope=0.2)",
        "None",
    ]
    assert loaded.search == loaded.estimator == "results"


cells = st.one_of(
    st.just(...),
    st.text(max_size=4),
    st.characters(categories=["Cs"]),
    st.sampled_from(["", "nan", "True", "1", '"', ",", "\r\n", "\r", "\0", "<x>"]),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
)


@st.composite
def results(draw: Any) -> dict[str, Any]:
    n = draw(st.integers(1, 4))
    size = {"min_size": n, "max_size": n}
    names = st.text(max_size=4) | st.sampled_from(['"', ",", "\n", "<x>"])
    columns: dict[str, Any] = {}
    for name in draw(st.lists(names, max_size=3, unique=True)):
        column = np.ma.MaskedArray(np.empty(n, dtype=object), mask=True)
        for i, cell in enumerate(draw(st.lists(cells, **size))):
            if cell is not ...:
                column[i] = cell
        columns[f"param_{name}"] = column
    columns["split0_test_score"] = np.array(draw(st.lists(st.floats(), **size)))
    columns["mean_test_score"] = columns["split0_test_score"]
    columns["rank_test_score"] = np.array(draw(st.lists(st.integers(1, 9), **size)))
    return columns


@hypothesis.given(results())
@hypothesis.settings(deadline=None)
def test_whatever_is_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, results: Any
) -> None:
    loaded = again(results, tmp_path_factory.mktemp("any"))
    for level in ("candidate", "fold"):
        pd.testing.assert_frame_equal(to_frame(loaded, level), to_frame(results, level))


def test_the_training_log_is_kept(tmp_path: Path) -> None:
    net = ActMLP(max_epochs=2, random_state=0).set_callbacks(TrainingLog())
    grid = {"activation": ["relu", "tanh"], "lr": [0.1, 0.01]}
    search = GridSearchCV(net, grid, cv=2).fit(X, y)
    loaded = again(search, tmp_path)
    expected = to_frame(search, "epoch")
    assert len(expected) == 4 * 2 * 2
    pd.testing.assert_frame_equal(to_frame(loaded, "epoch"), expected)
    pages = [to_hiplot(source, "epoch")._asdict() for source in (loaded, search)]
    assert json.dumps(pages[0]) == json.dumps(pages[1])
    save_results({"mean_test_score": [0.5], "rank_test_score": [1]}, tmp_path)
    assert not (tmp_path / "epochs.csv").exists()
    with pytest.raises(ValueError, match="keeps no training history"):
        to_frame(load_results(tmp_path), "epoch")


def test_saving_again_replaces_what_was_there(search: Any, tmp_path: Path) -> None:
    save_results(search, tmp_path / "new" / "folder")
    one = {"mean_test_score": [0.5], "rank_test_score": [1]}
    assert len(to_frame(again(one, tmp_path / "new" / "folder"))) == 1
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "results.csv",
        "results.json",
    ]


def test_the_table_is_a_csv_like_any_other(search: Any, tmp_path: Path) -> None:
    save_results(search, tmp_path)
    frame = pd.read_csv(tmp_path / "results.csv", dtype={"mean_test_f1": str})
    scores = list(map(float, frame["mean_test_f1"]))  # pandas may round when it reads
    assert scores == search.cv_results_["mean_test_f1"].tolist()
    assert frame["param_svc__kernel"].tolist()[:2] == ["rbf", "poly"]


def test_a_search_that_is_not_fitted_leaves_the_folder_alone(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="This GridSearchCV is not fitted yet"):
        save_results(GridSearchCV(SVC(), {"C": [1.0]}), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_folder_without_results_says_so(tmp_path: Path) -> None:
    message = f"{tmp_path} holds no saved results: there is no results.csv and no res"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("results.json", "{", "Expecting property name"),
        ("results.json", '{"format": 9}', "format 9 is not 1"),
        ("results.json", "[]", "list indices must be"),
        ("results.csv", "a,b\n1,2\n", "name different columns"),
        ("results.csv", "mean_test_score,rank_test_score\nx,1\n", "could not convert"),
        ("results.csv", "mean_test_score,rank_test_score\n1\n", "argument 2"),
    ],
)
def test_a_broken_file_says_what_is_wrong(
    name: str, text: str, why: str, tmp_path: Path
) -> None:
    save_results({"mean_test_score": [0.5], "rank_test_score": [1]}, tmp_path)
    (tmp_path / name).write_text(text, encoding="utf-8")
    message = f"{tmp_path} does not hold results as save_results writes them: "
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_results(tmp_path)
    assert why in str(caught.value)


def test_a_nan_in_a_grid_is_not_a_missing_value(tmp_path: Path) -> None:
    results = {
        "param_x": np.array([math.nan, 1.0]),
        "mean_test_score": [0.9, 0.8],
        "rank_test_score": [1, 2],
    }
    assert to_frame(again(results, tmp_path))["x"].tolist() == ["nan", 1.0]


def test_several_searches_are_saved_one_by_one(search: Any, tmp_path: Path) -> None:
    for several in ([search], {"a": search}, {"a": search.cv_results_}):
        with pytest.raises(TypeError, match="save_results takes one search"):
            save_results(several, tmp_path / "results")
    assert not (tmp_path / "results").exists()
    one, other = again(search, tmp_path / "a"), again(search, tmp_path / "b")
    frame = to_frame({"a": one, "b": other})
    assert len(frame) == 2 * len(to_frame(search))
