"""The epochs of a search are those of its own fits in a log, at their places."""

import dataclasses
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skact import (
    ActMLP,
    TrainingLog,
    diagnose,
    load_results,
    save_results,
    to_frame,
)
from skact.naming import name_values
from skact.results.cv_results import results_of
from skact.results.epochs import epochs_of_search, has_epochs, names_in_net
from skact.results.logged_fit import FitLog, LoggedFit, log_of

X, y = load_iris(return_X_y=True)
GRID = {"activation": ["relu", "tanh"], "width": [4, 8]}


def logged_search(log: Any, grid: Any = GRID, **options: Any) -> GridSearchCV:
    net = ActMLP(max_epochs=2, batch_size=50, random_state=0).set_callbacks(log)
    return GridSearchCV(net, grid, cv=2, **options).fit(X, y)


@pytest.fixture(scope="module")
def search() -> GridSearchCV:
    return logged_search(TrainingLog())


def shuffled(log: FitLog) -> list[LoggedFit]:
    """Fits in an order in which no search ran them."""
    return sorted(log.fits, key=lambda fit: str(fit.history["train_loss"]))


def test_every_epoch_of_every_fold_stands_beside_its_own_candidate(
    search: GridSearchCV,
) -> None:
    frame = pd.DataFrame(epochs_of_search(search))
    assert len(frame) == 4 * 2 * 2
    losses = {}
    for fit in log_of(search.estimator).fits:  # type: ignore[union-attr]
        if not fit.is_refit:
            fold = fit.searches[-1].number % 2  # type: ignore[operator]
            key = (fit.params["activation"], fit.params["width"], fold)
            losses[key] = fit.history["train_loss"]
    for key, rows in frame.groupby(["activation", "width", "fold"]):
        assert rows["epoch"].tolist() == [1, 2]
        assert rows["train_loss"].tolist() == losses[key]
    for number, params in enumerate(search.cv_results_["params"]):
        rows = frame[frame["candidate"] == number]
        assert set(rows["activation"]) == {params["activation"]}
        assert set(rows["width"]) == {params["width"]}


def test_candidates_are_in_the_order_of_their_ranks(search: GridSearchCV) -> None:
    candidates = list(dict.fromkeys(epochs_of_search(search)["candidate"]))
    ranks = search.cv_results_["rank_test_score"][candidates]
    assert ranks.tolist() == sorted(ranks)


def test_the_order_of_the_fits_in_the_log_does_not_matter(
    search: GridSearchCV, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = epochs_of_search(search)
    fits = shuffled(log_of(search.estimator))  # type: ignore[arg-type]
    monkeypatch.setattr(TrainingLog, "fits", property(lambda log: fits))
    assert epochs_of_search(search) == expected


def test_of_two_searches_with_one_log_each_has_the_fits_of_its_best_estimator() -> None:
    log = TrainingLog()
    net = ActMLP(max_epochs=2, batch_size=50, random_state=0).set_callbacks(log)
    first = GridSearchCV(net, GRID, cv=2).fit(X, y)
    alone = epochs_of_search(first)
    second = GridSearchCV(net, GRID, cv=2).fit(X[::2], y[::2])  # the same candidates
    assert epochs_of_search(first) == alone
    losses = epochs_of_search(second)["train_loss"]
    assert len(losses) == len(alone["train_loss"])
    assert not set(losses) & set(alone["train_loss"])


def test_without_a_refit_a_search_that_was_fitted_again_needs_a_clear_log() -> None:
    log = TrainingLog()
    net = ActMLP(max_epochs=2, batch_size=50, random_state=0).set_callbacks(log)
    search = GridSearchCV(net, GRID, cv=2, refit=False).fit(X, y)
    before = epochs_of_search(search)
    search.fit(X[::2], y[::2])
    with pytest.raises(ValueError, match="clear the log between the searches"):
        epochs_of_search(search)
    log.clear()
    search.fit(X[::2], y[::2])
    assert not set(epochs_of_search(search)["train_loss"]) & set(before["train_loss"])


def test_fits_with_other_parameters_than_the_candidates_are_not_of_the_search(
    search: GridSearchCV, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [
        dataclasses.replace(fit, params={**fit.params, "width": 5})
        for fit in log_of(search.estimator).fits  # type: ignore[union-attr]
    ]
    monkeypatch.setattr(TrainingLog, "fits", property(lambda log: others))
    assert not has_epochs(search, results_of([search]))
    with pytest.raises(ValueError, match="its fits are those of other searches"):
        epochs_of_search(search)


def test_functions_of_one_name_do_not_part_a_log_from_its_search() -> None:
    net = ActMLP(max_epochs=2, batch_size=50, output_activation=lambda x: 3 * x)
    grid = {"activation": [(lambda x: x), (lambda x: 2 * x)]}
    found = GridSearchCV(net.set_callbacks(TrainingLog()), grid, cv=2).fit(X, y)
    fits = log_of(net).fits  # type: ignore[union-attr]
    assert {fit.params["activation"] for fit in fits} == {"lambda"}
    assert len(epochs_of_search(found)["epoch"]) == 2 * 2 * 2


def test_a_log_on_a_net_among_the_values_of_the_grid_is_found() -> None:
    net = ActMLP(max_epochs=1, random_state=0).set_callbacks(TrainingLog())
    pipeline = Pipeline([("model", SVC())])
    grid = [{"model": [net], "model__width": [4, 8]}, {"model": [SVC()]}]
    found = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    table = epochs_of_search(found)
    assert set(table["width"]) == {4, 8}
    assert len(table["epoch"]) == 2 * 2


def test_nets_with_a_log_each_all_have_epochs(tmp_path: Any) -> None:
    nets = [
        ActMLP(name, max_epochs=2, batch_size=50, random_state=0)
        for name in ("relu", "tanh")
    ]
    for net in nets:
        net.set_callbacks(TrainingLog())
    grid = [{"model": [net], "model__width": [4, 8]} for net in nets]
    search = GridSearchCV(Pipeline([("model", SVC())]), grid, cv=2)
    # each log has the fits of both runs, of which the last has the best estimator
    for tol in (1, 2):
        found = search.set_params(param_grid=[*grid, {"model__tol": [tol]}]).fit(X, y)
        frame = to_frame(found, level="epoch")
        assert frame.groupby(["candidate", "fold"]).size().tolist() == [2] * 8
        assert set(frame["param_model"]) == {name_values([net])[0] for net in nets}
    save_results(found, tmp_path)
    pd.testing.assert_frame_equal(to_frame(load_results(tmp_path), "epoch"), frame)
    assert "16 epochs" in str(diagnose(found))


def test_of_halving_each_iteration_has_its_own_rows() -> None:
    net = ActMLP(batch_size=50, random_state=0).set_callbacks(TrainingLog())
    found = HalvingGridSearchCV(
        net,
        GRID,
        cv=2,
        resource="max_epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
    ).fit(X, y)
    frame = pd.DataFrame(epochs_of_search(found))
    assert frame.groupby("candidate").size().sum() == 4 * 2 * 1 + 2 * 2 * 2
    for number, rows in frame.groupby("candidate"):
        resources = found.cv_results_["n_resources"][number]
        assert rows["epoch"].max() == resources
        assert set(rows["n_resources"]) == {resources}


def test_a_search_without_a_log_has_no_epochs(
    search: GridSearchCV, tmp_path: Any
) -> None:
    without = GridSearchCV(SVC(), {"C": [1.0]}, cv=2).fit(X, y)
    assert not has_epochs(without, results_of([without]))
    assert has_epochs(search, results_of([search]))
    with pytest.raises(ValueError, match=r"^level='epoch': GridSearchCV keeps no"):
        epochs_of_search(without)
    for source, has in ((search, True), (without, False)):
        save_results(source, tmp_path / str(has))
        loaded = load_results(tmp_path / str(has))
        assert has_epochs(loaded, results_of([loaded])) is has


def test_an_empty_log_is_told_from_a_log_of_other_searches() -> None:
    net = ActMLP(max_epochs=1, random_state=0)
    found = GridSearchCV(net, {"width": [4]}, cv=2).fit(X, y)
    net.set_callbacks(TrainingLog())  # too late
    with pytest.raises(ValueError, match="was it attached before the search"):
        epochs_of_search(found)


@pytest.mark.parametrize("level", ["candidate", "fold", "epoch", "saved"])
def test_the_results_of_a_search_are_read_once(
    search: GridSearchCV, level: str, monkeypatch: Any, tmp_path: Any
) -> None:
    calls = []

    def counted(searches: Any) -> Any:
        calls.append(searches)
        return results_of(searches)

    for module in ("epochs", "frames", "storage"):
        monkeypatch.setattr(f"skact.results.{module}.results_of", counted)
    if level == "saved":
        save_results(search, tmp_path)
    else:
        to_frame(search, level)
    assert len(calls) == 1


def names_of(grid: Any, estimator: Any = None, labels: Any = None) -> dict[str, str]:
    several = grid if isinstance(grid, list) else [grid]
    names = dict.fromkeys(key for one in several for key in one)
    results: dict[str, Any] = {f"param_{key}": [1.0] for key in names}
    results |= {"params": [several[0]], "rank_test_score": [1], "mean_test_score": [1]}
    pipeline = make_pipeline(StandardScaler(), ActMLP())
    search = GridSearchCV(pipeline if estimator is None else estimator, grid)
    search.cv_results_ = results
    return names_in_net(search, names if labels is None else labels)


def test_columns_of_a_search_are_known_as_parameters_of_its_net() -> None:
    lr = {"actmlp__lr": [1.0]}
    assert names_of(lr, labels=["lr"]) == {"lr": "lr"}
    assert names_of(lr, labels=["actmlp__lr"]) == {"actmlp__lr": "lr"}
    assert names_of({"lr": [1.0]}, ActMLP()) == {"lr": "lr"}
    scaler = {"standardscaler__copy": [True]}
    assert names_of(scaler, labels=["copy"]) == {}
    assert names_of(lr | scaler, labels=["lr", "copy"]) == {"lr": "lr"}
    two = Pipeline([("a", ActMLP()), ("b", ActMLP())])
    both = {"a__lr": [1.0], "b__lr": [1.0]}
    assert names_of(both, two) == {}  # of which net, nobody knows
    assert names_in_net(pd.DataFrame(), ["lr"]) == {"lr": "lr"}
    assert names_in_net({"net": ActMLP()}, ["lr"]) == {"lr": "lr"}
