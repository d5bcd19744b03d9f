"""The log of a search has every epoch of every candidate and fold, wherever it ran."""

import contextlib
import copy
import gc
import math
import pickle
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from skorch.dataset import ValidSplit

from skact import ActMLP, ActMLPRegressor, TrainingLog, fused, to_frame, to_hiplot
from skact.results.logged_fit import SearchPlace, log_of

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
FOLDS = StratifiedKFold(2)
SPLIT = ValidSplit(0.2, stratified=True, random_state=0)


def a_net(**parameters: Any) -> ActMLP:
    net = ActMLP(max_epochs=3, batch_size=50, random_state=0, train_split=SPLIT)
    return net.set_params(**parameters).set_callbacks(TrainingLog())


GRID = {"activation": ["relu", "tanh"], "lr": [0.1, 0.01]}
SEARCHES = {
    "grid": lambda n: GridSearchCV(a_net(), GRID, cv=FOLDS, n_jobs=n),
    "randomized": lambda n: RandomizedSearchCV(
        a_net(), GRID, n_iter=3, cv=FOLDS, n_jobs=n, random_state=0
    ),
    "halving": lambda n: HalvingGridSearchCV(
        a_net(),
        GRID,
        cv=FOLDS,
        n_jobs=n,
        resource="max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
    ),
    "pipeline": lambda n: GridSearchCV(
        make_pipeline(StandardScaler(), a_net()),
        {
            "actmlp__lr": [0.1, 0.01],
            "standardscaler__with_mean": [True, False],
        },
        cv=FOLDS,
        n_jobs=n,
    ),
    "failing fits": lambda n: GridSearchCV(
        a_net(), {"lr": [0.1, 1e30, 0.01]}, cv=FOLDS, n_jobs=n
    ),
}
PLACES = {
    "n_jobs=1": (contextlib.nullcontext, None),
    "loky": (contextlib.nullcontext, 2),
    "fused": (fused, None),
    "fused loky": (lambda: fused(inner="loky", n_jobs=2), None),
    "fused dask": (lambda: fused(inner="dask"), None),
}


def searched(kind: str, place: str = "n_jobs=1") -> Any:
    session, n_jobs = PLACES[place]
    search = SEARCHES[kind](n_jobs)
    with session(), contextlib.ExitStack() as expected:
        if kind == "failing fits":
            expected.enter_context(pytest.warns(FitFailedWarning))
            expected.enter_context(pytest.warns(UserWarning, match="non-finite"))
        return search.fit(X, y)


@pytest.fixture(scope="module")
def alone() -> dict[str, pd.DataFrame]:
    """What the fits of each search record when each is fitted by itself."""
    return {kind: by_hand(searched(kind)) for kind in SEARCHES}


def by_hand(search: Any) -> pd.DataFrame:
    """Fit each candidate on each fold again, as the search did, and read histories."""
    results, rows = search.cv_results_, []
    for candidate, params in enumerate(results["params"]):
        for fold, (train, _) in enumerate(FOLDS.split(X, y)):
            estimator = clone(search.estimator).set_params(**params)
            net = getattr(estimator, "steps", [(0, estimator)])[-1][1].set_callbacks()
            with contextlib.suppress(ArithmeticError, ValueError):
                estimator.fit(X[train], y[train])
            for epoch in net.history_ or []:
                losses = (
                    epoch.get("train_loss", math.nan),
                    epoch.get("valid_loss", math.nan),
                )
                rows.append((candidate, fold, epoch["epoch"], *losses))
    columns = ["candidate", "fold", "epoch", "train_loss", "valid_loss"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SEARCHES)
def test_the_rows_of_a_search_are_those_of_its_fits_one_by_one(
    kind: str, place: str, alone: dict[str, pd.DataFrame], request: Any
) -> None:
    if place == "fused dask":
        request.getfixturevalue("client")
    frame = to_frame(searched(kind, place), level="epoch")
    expected = alone[kind]
    found = frame[frame["candidate"].isin(expected["candidate"])]
    found = found.sort_values(["candidate", "fold", "epoch"])
    assert len(found) == len(expected) > 0
    for column in expected.columns:
        assert np.array_equal(
            found[column].to_numpy(float), expected[column].to_numpy(float), True
        ), column


@pytest.mark.parametrize("kind", SEARCHES)
def test_each_row_has_the_parameters_of_its_candidate(kind: str) -> None:
    search = searched(kind)
    frame = to_frame(search, level="epoch")
    for row in frame.to_dict("records"):
        params = search.cv_results_["params"][row["candidate"]]
        for name, value in params.items():
            assert row[name.rpartition("__")[2]] == value
    assert not frame.duplicated(["candidate", "fold", "epoch"]).any()


def test_every_candidate_of_every_iteration_of_halving_has_its_curves() -> None:
    search = searched("halving")
    frame = to_frame(search, level="epoch")
    assert set(frame["candidate"]) == set(range(len(search.cv_results_["params"])))
    assert frame["iter"].tolist() == [
        search.cv_results_["iter"][candidate] for candidate in frame["candidate"]
    ]
    assert set(search.cv_results_["iter"]) == {0, 1, 2}
    assert len(frame) == 2 * sum(search.cv_results_["n_resources"])


def test_the_columns_are_candidate_parameters_fold_epoch_and_history() -> None:
    frame = to_frame(searched("pipeline"), level="epoch")
    assert frame.columns.tolist() == [
        "candidate",
        "lr",
        "with_mean",
        "fold",
        "epoch",
        "train_loss",
        "train_loss_best",
        "valid_loss",
        "valid_loss_best",
        "valid_acc",
        "valid_acc_best",
        "dur",
    ]


def test_a_fit_that_diverges_keeps_its_history_up_to_there() -> None:
    frame = to_frame(searched("failing fits"), level="epoch")
    counts = frame.groupby("candidate").size()
    assert counts[0] == counts[2] == 6
    assert counts.get(1, 0) < 6


def test_the_page_has_a_curve_for_each_candidate_and_fold() -> None:
    experiment = to_hiplot(searched("grid"), level="epoch")
    roots = [point for point in experiment.datapoints if point.from_uid is None]
    assert len(experiment.datapoints) == 4 * 2 * 3
    assert len(roots) == 4 * 2
    assert experiment.enabledDisplays[0] == "XY"
    assert experiment.colorby == "activation"  # what was searched, though lr tells more


def test_a_log_that_was_pickled_has_its_fits() -> None:
    search = searched("grid")
    again = pickle.loads(pickle.dumps(search))
    pd.testing.assert_frame_equal(to_frame(again, "epoch"), to_frame(search, "epoch"))


def test_a_second_fit_of_a_search_is_another_run() -> None:
    search = SEARCHES["grid"](None)
    search.fit(X, y)
    search.set_params(estimator__max_epochs=2).fit(X, y)
    assert len(to_frame(search, "epoch")) == 4 * 2 * 2
    log = log_of(search.estimator)
    assert log is not None
    frame = log.to_frame()
    assert frame["run"].max() == 1
    assert len(frame) == 4 * 2 * 3 + 3 + 4 * 2 * 2 + 2
    assert frame.groupby("run")["refit"].sum().tolist() == [3, 2]


def test_searches_that_share_a_log_have_each_their_own_curves() -> None:
    net = a_net()
    with fused():
        found = cross_validate(
            GridSearchCV(net, GRID, cv=FOLDS), X, y, cv=2, return_estimator=True
        )
    frames = [to_frame(search, "epoch") for search in found["estimator"]]
    assert [len(frame) for frame in frames] == [4 * 2 * 3] * 2
    assert not frames[0]["train_loss"].equals(frames[1]["train_loss"])
    for search, (train, _) in zip(
        found["estimator"], StratifiedKFold(2).split(X, y), strict=True
    ):
        inner, _ = next(FOLDS.split(X[train], y[train]))
        params = search.cv_results_["params"][0]
        again = clone(net).set_callbacks().set_params(**params)
        again.fit(X[train][inner], y[train][inner])
        frame = to_frame(search, "epoch")
        curve = frame[(frame["candidate"] == 0) & (frame["fold"] == 0)]
        assert curve["train_loss"].tolist() == again.history[:, "train_loss"]


def test_where_there_is_no_fold_the_fits_are_numbered() -> None:
    net = a_net()
    result = cross_validate(net, X, y, cv=2, return_estimator=True)
    log = log_of(net)
    assert log is not None
    frame = log.to_frame()
    assert frame["run"].nunique() == 2  # each fit is one of its own
    exact = to_frame(result["estimator"])
    assert exact["train_loss"].tolist() == frame["train_loss"].tolist()
    bagging = BaggingClassifier(a_net(), n_estimators=2, random_state=0).fit(X, y)
    assert len(log_of(bagging.estimator).to_frame()) == 2 * 3  # type: ignore[union-attr]


def test_a_net_alone_has_one_fit_in_its_log() -> None:
    net = a_net().fit(X, y)
    log = log_of(net)
    assert log is not None
    frame = log.to_frame()
    assert frame["train_loss"].tolist() == net.history[:, "train_loss"]
    assert not frame["refit"].any()
    assert TrainingLog().to_frame().empty


def test_a_log_that_knows_nothing_of_a_search_says_so() -> None:
    search = GridSearchCV(ActMLP(max_epochs=1), GRID, cv=FOLDS).fit(X, y)
    search.estimator.set_callbacks(TrainingLog())
    with pytest.raises(ValueError, match="has a TrainingLog that knows no fits"):
        to_frame(search, "epoch")


def test_the_search_is_the_same_with_a_log_and_without() -> None:
    search = searched("grid")
    plain = clone(search)
    plain.estimator.set_callbacks()
    plain.fit(X, y)
    scores = "mean_test_score"
    assert (plain.cv_results_[scores] == search.cv_results_[scores]).all()
    assert log_of(plain.estimator) is None
    assert log_of(clone(search).estimator) is log_of(search.estimator)


def test_a_search_in_a_search_has_its_own_curves() -> None:
    inner = GridSearchCV(a_net(), {"lr": [0.1, 0.01]}, cv=FOLDS)
    outer = GridSearchCV(inner, {"estimator__activation": ["relu", "tanh"]}, cv=FOLDS)
    outer.fit(X, y)
    best = outer.best_estimator_
    frame = to_frame(best, "epoch")
    assert len(frame) == 2 * 2 * 3
    train, _ = next(FOLDS.split(X, y))
    again = clone(best.estimator).set_callbacks().set_params(lr=0.1)
    again.fit(X[train], y[train])
    curve = frame[(frame["lr"] == 0.1) & (frame["fold"] == 0)]
    assert curve["train_loss"].tolist() == again.history[:, "train_loss"]


def test_a_search_whose_fits_all_failed_at_once_has_no_rows() -> None:
    net = a_net()
    search = GridSearchCV(net, GRID, cv=FOLDS)
    search.cv_results_ = {
        "params": [{}],
        "mean_test_score": [math.nan],
        "rank_test_score": [1],
    }
    search.n_splits_ = 2
    log = log_of(net)
    assert log is not None
    row = {"id": 0, "began": 0, "run": 0, "params": {}, "history": {}}
    place = SearchPlace(search=0, kind="GridSearchCV", number=0)
    log.receive({**row, "path": (0, 0, 0), "searches": (place,)})
    frame = to_frame(search, "epoch")
    assert len(frame) == 0
    assert "epoch" in frame.columns


# ------------------------------------------------------------- whose fits are they?


def width_search(log: TrainingLog, widths: list[int], **options: Any) -> Any:
    net = ActMLP(max_epochs=2, random_state=0).set_callbacks(log)
    pipeline = make_pipeline(StandardScaler(), net)
    return GridSearchCV(pipeline, {"actmlp__width": widths}, cv=FOLDS, **options)


@pytest.mark.parametrize("refit", [True, False])
def test_searches_that_share_a_log_are_told_apart_by_their_candidates(
    refit: bool,
) -> None:
    log = TrainingLog()
    first = width_search(log, [8, 16, 4], refit=refit).fit(X, y)
    before = to_frame(first, "epoch")
    second = width_search(log, [32, 64], refit=refit).fit(X, y)
    assert to_frame(first, "epoch").equals(before)
    assert len(to_frame(second, "epoch")) == 2 * 2 * 2
    if refit:
        first.best_estimator_.fit(X, y)  # its history is another one now
        assert to_frame(first, "epoch").equals(before)


def test_fits_of_other_searches_are_not_taken_for_ones_own() -> None:
    log = TrainingLog()
    search = width_search(log, [8, 16]).fit(X, y)
    log.clear()
    with pytest.raises(ValueError, match="knows no fits: was it attached before"):
        to_frame(search, "epoch")
    width_search(log, [32]).fit(X, y)
    with pytest.raises(ValueError, match="its fits are those of other searches"):
        to_frame(search, "epoch")


def test_a_net_may_be_deep_inside() -> None:
    log = TrainingLog()
    net = ActMLP(max_epochs=2, random_state=0).set_callbacks(log)
    deep = Pipeline([("scale", StandardScaler()), ("net", make_pipeline(net))])
    search = GridSearchCV(deep, {"net__actmlp__width": [4, 8]}, cv=FOLDS).fit(X, y)
    assert len(to_frame(search, "epoch")) == 2 * 2 * 2
    nets = [clone(net).set_params(activation=name) for name in ("relu", "tanh")]
    for one in nets:
        one.set_callbacks(log)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), ActMLP()), {"actmlp": nets}, cv=FOLDS
    ).fit(X, y)
    assert len(to_frame(search, "epoch")) == 2 * 2 * 2


def test_where_the_candidate_is_not_told_the_message_is_true() -> None:
    log = TrainingLog()
    net = ActMLPRegressor(max_epochs=2, random_state=0).set_callbacks(log)
    target = TransformedTargetRegressor(net, transformer=StandardScaler())
    search = GridSearchCV(target, {"regressor__width": [4, 8]}, cv=2).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"TrainingLog of 5 fits, .* inside Transform"):
        to_frame(search, "epoch")
    assert len(log.to_frame()) == 5 * 2
    plain = GridSearchCV(ActMLPRegressor(max_epochs=1), {"width": [4]}, cv=2)
    with pytest.raises(ValueError, match=r"ActMLPRegressor\(...\)\.set_callbacks"):
        to_frame(plain.fit(X, X[:, 0]), "epoch")


def test_a_log_on_anything_but_the_net_is_refused_at_once() -> None:
    search = width_search(TrainingLog(), [4])
    for wrong in (search, search.estimator):
        wrong.set_callbacks(TrainingLog())
        with pytest.raises(TypeError, match=r"set on the net, not on (Grid|Pipe)"):
            wrong.fit(X, y)
        wrong.set_callbacks()


def test_it_says_how_many_fits_it_has() -> None:
    log = TrainingLog()
    assert repr(log) == "<TrainingLog of 0 fits>"
    ActMLP(max_epochs=1).set_callbacks(log).fit(X, y)
    assert repr(log) == "<TrainingLog of 1 fit>"
    assert log.clear() is log
    assert repr(log) == "<TrainingLog of 0 fits>"


def test_a_log_in_a_wrong_place_is_told_the_right_one() -> None:
    with pytest.raises(ValueError, match=r"such as a TrainingLog, go to set_callbacks"):
        ActMLP(callbacks=[TrainingLog()]).fit(X, y)
    assert to_frame(TrainingLog(), "epoch").empty


# ------------------------------------------------------------- which part is the net's


@pytest.mark.parametrize(
    ("wrap", "grid"),
    [
        (lambda net: net, {"optimizer__weight_decay": [0.1, 0.01]}),
        (lambda net: net, {"optimizer__lr": [0.1, 0.001]}),
        (lambda net: net, {"iterator_train__batch_size": [16, 32]}),
        (lambda net: net, {"lr": [0.1, 0.2], "optimizer__lr": [0.1, 0.001]}),
        (lambda net: make_pipeline(Normalizer(), net), {"normalizer__norm": ["l1"]}),
        (lambda net: make_pipeline(PCA(2), net), {"pca__random_state": [1, 2]}),
        (
            lambda net: make_pipeline(PCA(2), net),
            {"actmlp__random_state": [1, 2], "pca__random_state": [3]},
        ),
    ],
    ids=["weight_decay", "lr", "batch_size", "two rates", "norm", "seed", "two seeds"],
)
@pytest.mark.parametrize("session", [contextlib.nullcontext, fused])
def test_a_key_that_ends_like_a_parameter_of_the_net_is_not_one(
    wrap: Any, grid: Any, session: Any
) -> None:
    net = ActMLP(width=4, max_epochs=2, random_state=0).set_callbacks(TrainingLog())
    search = GridSearchCV(wrap(net), grid, cv=2)
    with session():
        search.fit(X, y)
    assert len(to_frame(search, "epoch")) == len(search.cv_results_["params"]) * 2 * 2


def test_searches_that_share_a_log_and_cannot_be_told_apart_are_refused() -> None:
    log = TrainingLog()
    first = width_search(log, [8, 16], refit=False).fit(X, y)
    repeated = clone(first).fit(X, y)  # the same curves: any of the two is right
    assert (
        to_frame(first, "epoch")
        .drop(columns="dur")
        .equals(to_frame(repeated, "epoch").drop(columns="dur"))
    )
    width_search(log, [8, 16], refit=False).fit(X[::-1], y[::-1])
    for search in (first, repeated):
        with pytest.raises(ValueError, match="give each search a log of its own"):
            to_frame(search, "epoch")


def test_searches_with_other_folds_that_share_a_log_are_told_apart() -> None:
    log = TrainingLog()
    searches = [
        width_search(log, [8, 16], refit=False).set_params(cv=n).fit(X, y)
        for n in (2, 3)
    ]
    for n, search in zip((2, 3), searches, strict=True):
        assert len(to_frame(search, "epoch")) == 2 * n * 2


def test_a_search_that_was_broken_off_is_not_taken_for_the_next_one() -> None:
    log = TrainingLog()
    search = width_search(log, [8, 16], refit=False)
    calls = []

    def break_off(estimator: Any, X: Any, y: Any) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        clone(search).set_params(scoring=break_off).fit(X[::-1], y[::-1])
    assert len(log.fits) == 3
    whole = to_frame(search.fit(X, y), "epoch")
    alone = to_frame(
        width_search(TrainingLog(), [8, 16], refit=False).fit(X, y), "epoch"
    )
    assert whole.drop(columns="dur").equals(alone.drop(columns="dur"))


def test_a_search_of_ones_own_that_tells_no_candidates_gets_a_true_message() -> None:
    class MySearch(GridSearchCV):
        def _run_search(self, evaluate_candidates: Any) -> None:
            evaluate_candidates([{"lr": 0.01}])
            evaluate_candidates([{"lr": 0.1}])

    log = TrainingLog()
    net = ActMLP(width=4, max_epochs=2, random_state=0).set_callbacks(log)
    search = MySearch(net, {"lr": [1]}, cv=2).fit(X, y)
    message = r"MySearch has a TrainingLog of 5 fits, but it does not tell .* candidate"
    with pytest.raises(ValueError, match=message):
        to_frame(search, "epoch")
    assert len(log.to_frame()) == 5 * 2


# ------------------------------------------------------------- what a log costs


def open_things() -> tuple[int, int]:
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("session", [contextlib.nullcontext, fused])
def test_a_log_opens_no_thread_and_no_file(session: Any) -> None:
    def search() -> Any:
        log = TrainingLog()
        net = ActMLP(width=4, max_epochs=1, random_state=0).set_callbacks(log)
        with session():
            GridSearchCV(net, {"lr": [0.1]}, cv=2, scoring=log.scorer()).fit(X, y)
        assert len(log.fits) == 3
        return log

    search()
    before = open_things()
    kept = [search() for _ in range(5)]
    dropped = [weakref.ref(search()) for _ in range(50)]
    after = open_things()
    # other objects of the process may end, or open a file, at any moment
    assert after[0] - before[0] < 5
    assert after[1] - before[1] < 5
    assert all(log() is None for log in dropped)
    assert len(kept) == 5


def test_logs_that_travel_share_one_thread_and_one_file() -> None:
    def search() -> Any:
        net = ActMLP(width=4, max_epochs=1, random_state=0)
        net.set_callbacks(TrainingLog())
        found = GridSearchCV(net, {"lr": [0.1]}, cv=2, n_jobs=2).fit(X, y)
        assert len(to_frame(found, "epoch")) == 2
        return weakref.ref(log_of(found.estimator))

    search()  # starts the workers, and opens the postbox
    before = open_things()
    dropped = [search() for _ in range(10)]
    for _ in range(100):  # the last connection closes a moment after its message
        after = open_things()
        if max(after[0] - before[0], after[1] - before[1]) < 5:
            break
        time.sleep(0.05)
    assert after[0] - before[0] < 5  # and not one or two for each of ten
    assert after[1] - before[1] < 5
    assert all(log() is None for log in dropped)


def test_a_copy_is_a_log_of_its_own() -> None:
    net = ActMLP(width=4, max_epochs=1, random_state=0).set_callbacks(TrainingLog())
    net.fit(X, y)
    other = copy.deepcopy(net).fit(X, y)
    original, copied = log_of(net), log_of(other)
    assert original is not None
    assert copied is not None
    assert len(original.fits) == 1
    assert len(copied.fits) == 2
    with fused(inner="loky", n_jobs=2):
        GridSearchCV(other, {"lr": [0.1]}, cv=2, refit=False).fit(X, y)
    assert len(original.fits) == 1
    assert len(copied.fits) == 4


def test_the_log_of_a_search_that_ctrl_c_has_ended_has_a_frame_and_a_page(iris):
    def interrupting(estimator, X, y):
        scored.append(estimator)
        if len(scored) == 4:
            raise KeyboardInterrupt
        return estimator.score(X, y)

    log, scored = TrainingLog(), []
    net = ActMLP(max_epochs=2, random_state=0).set_callbacks(log)
    search = GridSearchCV(net, {"lr": [0.1, 0.01, 0.001]}, cv=2, scoring=interrupting)
    with pytest.raises(KeyboardInterrupt), fused(n_jobs=1):
        search.fit(*iris)
    frame = to_frame(log)
    assert frame["lr"].nunique() >= 2
    assert set(frame["epoch"]) == {1, 2}
    page = to_hiplot(log)
    assert len(page.datapoints) == len(frame)
    for level in ("candidate", "fold"):
        with pytest.raises(ValueError, match=f"level='{level}', but a log of fits"):
            to_frame(log, level=level)
