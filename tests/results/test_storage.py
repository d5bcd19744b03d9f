"""What is saved comes back as it was, and nothing that is read can run."""

import contextlib
import hashlib
import json
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
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
from skorch.callbacks import EarlyStopping
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


@pytest.mark.filterwarnings("ignore:The columns .'rank_test_score'. contradict")
@hypothesis.given(results())
@hypothesis.settings(deadline=None)
def test_whatever_is_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, results: Any
) -> None:
    loaded = again(results, tmp_path_factory.mktemp("any"))
    for level in ("candidate", "fold"):
        pd.testing.assert_frame_equal(to_frame(loaded, level), to_frame(results, level))


def test_callbacks_of_a_grid_are_saved_by_what_differs(tmp_path: Path) -> None:
    stops = [[("stop", EarlyStopping("train_loss", patience=n))] for n in (1, 9)]
    net = ActMLP(max_epochs=1, random_state=0)
    found = GridSearchCV(net, {"callbacks": [None, *stops]}, cv=2).fit(X, y)
    loaded = again(found, tmp_path)
    assert loaded.cv_results_["param_callbacks"].tolist() == [
        "None",
        "[('stop', EarlyStopping(monitor='train_loss', patience=1))]",
        "[('stop', EarlyStopping(monitor='train_loss', patience=9))]",
    ]
    pd.testing.assert_frame_equal(to_frame(loaded), to_frame(found))


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
    message = f"{tmp_path} holds no saved results: there is no results.json"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        load_results(tmp_path)


ONE = {"mean_test_score": [0.5], "rank_test_score": [1]}


def write_content(folder: Path, **changes: Any) -> None:
    """Change saved results, and their checksum with them."""
    saved = json.loads((folder / "results.json").read_text())
    content = saved["content"] | changes
    text = json.dumps(content, sort_keys=True)
    saved = {"format": 2, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (folder / "results.json").write_text(json.dumps(saved | {"content": content}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ('{"format": 9}', "format 9 is neither 1 nor 2"),
        ("[]", "it is JSON of another kind"),
        ("[" * 200_000, "recursion"),
        ('{"format": 1, "columns": {"a": "int"}, "epochs": null}', "different columns"),
    ],
)
def test_a_broken_file_says_what_is_wrong(text: str, why: str, tmp_path: Path) -> None:
    save_results(ONE, tmp_path)
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    message = f"{tmp_path} does not hold results as save_results writes them: "
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_results(tmp_path)
    assert why in str(caught.value)


def test_a_changed_score_is_noticed(tmp_path: Path) -> None:
    save_results(ONE, tmp_path)
    path = tmp_path / "results.json"
    path.write_text(path.read_text().replace("0.5", "0.9"))
    with pytest.raises(ValueError, match="its checksum is another"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": {**ONE, "mean_test_score": [10**400]}},
        {"columns": {**ONE, "mean_test_score": ["x"]}},
        {"columns": {**ONE, "param_a": [[1]]}},
        {"columns": {**ONE, "param_a": []}},
        {"columns": {**ONE, "iter": ["x"], "n_resources": [1]}},
        {"columns": {}},
        {"epochs": {"x": [1]}},
        {"search": 3},
        {"refit": []},
    ],
)
def test_hostile_content_is_refused(changes: Any, tmp_path: Path) -> None:
    save_results(ONE, tmp_path)
    write_content(tmp_path, **changes)
    with pytest.raises(ValueError, match="does not hold results"):
        load_results(tmp_path)


@pytest.mark.parametrize("name", ["a" * 5000])
def test_where_no_folder_can_be_there_are_no_results(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="holds no saved results"):
        load_results(name)


def test_a_folder_of_the_format_before_still_loads(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(
        "param_a,mean_test_score,rank_test_score\nx,0.5,1\n"
    )
    kinds = {"param_a": "str", "mean_test_score": "float", "rank_test_score": "int"}
    about = {"format": 1, "search": "S", "estimator": "E", "refit": True}
    about |= {"columns": kinds, "epochs": None}
    (tmp_path / "results.json").write_text(json.dumps(about))
    loaded = load_results(tmp_path)
    assert loaded.cv_results_["params"] == [{"a": "x"}]
    assert loaded.cv_results_["mean_test_score"].tolist() == [0.5]


def test_a_parameter_of_many_letters_comes_back(tmp_path: Path) -> None:
    loaded = again({**ONE, "param_a": ["x" * 131_073]}, tmp_path)
    assert loaded.cv_results_["param_a"].tolist() == ["x" * 131_073]


FILE_OPERATIONS = ["open", "replace", "unlink", "fsync", "mkdir"]


@pytest.mark.parametrize("name", FILE_OPERATIONS)
@pytest.mark.parametrize("error", [OSError(28, "No space left"), SystemExit()])
def test_if_any_file_operation_fails_the_results_are_the_old_or_the_new_ones(
    name: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner: Any = os if name == "fsync" else Path
    original = getattr(owner, name)
    other = {"mean_test_score": [0.9], "rank_test_score": [1], "param_b": ["new"]}
    for number in range(9):
        save_results({**ONE, "param_a": ["old"]}, tmp_path)
        count = 0

        def fail(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == number + 1:  # noqa: B023
                raise error
            return original(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with contextlib.suppress(OSError, SystemExit):
                save_results(other, tmp_path)
        params = load_results(tmp_path).cv_results_["params"]
        assert params in ([{"a": "old"}], [{"b": "new"}])
        if name != "unlink":  # else a part may stay: nothing can remove it
            assert not list(tmp_path.glob(".*"))
        save_results(ONE, tmp_path)


def test_several_threads_save_and_load_at_once(tmp_path: Path) -> None:
    def save(number: int) -> None:
        for _ in range(10):
            one = {f"param_{number}": [number], "mean_test_score": [number / 10]}
            save_results({**ONE, **one}, tmp_path)
            loaded = load_results(tmp_path).cv_results_
            (name,) = loaded["params"][0]
            assert loaded["mean_test_score"][0] == int(name) / 10

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(save, range(3)))
    assert {path.name for path in tmp_path.iterdir()} == {"results.csv", "results.json"}
    params = load_results(tmp_path).cv_results_["params"]
    assert f"param_{next(iter(params[0]))}" in (tmp_path / "results.csv").read_text()


def test_a_link_in_the_folder_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    for name in ("results.json", "results.csv", "results.csv.part"):
        (tmp_path / name).symlink_to(other)
    save_results(ONE, tmp_path)
    assert other.read_text() == "mine"
    assert load_results(tmp_path).cv_results_["mean_test_score"].tolist() == [0.5]


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


@pytest.mark.parametrize(
    "files",
    [
        {"results.csv": "mine"},
        {"epochs.csv": "mine"},
        {"results.json": '{"mine": 1}', "epochs.csv": "mine"},
        {"results.json": "[1]"},
        {"saved": "", "epochs.csv": "mine"},
    ],
)
def test_a_file_of_the_users_own_is_not_written_over(
    files: dict[str, str], tmp_path: Path
) -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2)
    search.fit(*load_iris(return_X_y=True))
    if files.pop("saved", None) is not None:
        save_results(search, tmp_path)
        files = {"epochs.csv": "mine"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="save_results did not write it"):
        save_results(search, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("call", [save_results, lambda search, f: load_results(f)])
def test_a_folder_that_is_none_is_named(call: Any, tmp_path: Path) -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2)
    search.fit(*load_iris(return_X_y=True))
    with pytest.raises(TypeError, match="folder must be a path, got None"):
        call(search, None)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotADirectoryError, match="folder must be a folder, and"):
        call(search, file)


def test_the_file_in_the_folder_stands_for_the_folder(tmp_path: Path) -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2)
    search.fit(*load_iris(return_X_y=True))
    save_results(search, tmp_path / "results.json")  # also before it is there
    assert (tmp_path / "results.json").is_file()
    results = load_results(tmp_path / "results.json")
    assert results.search == "GridSearchCV"


def save_fitted(folder: Any) -> None:
    search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}, cv=2)
    save_results(search.fit(*load_iris(return_X_y=True)), folder)


@pytest.mark.parametrize("call", [save_fitted, load_results])
@pytest.mark.parametrize("folder", ["", "a\0b"])
def test_a_name_that_no_folder_can_have_is_refused(call: Any, folder: str) -> None:
    with pytest.raises((TypeError, ValueError), match="folder must be the name of a f"):
        call(folder)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '{"params": [{}]}'])
def test_json_of_another_kind_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match="as save_results writes them: it is JSON of"):
        load_results(tmp_path)
