"""Every epoch is validated on the fold that the search holds out; no fit changes."""

import contextlib
import math
import pickle
from typing import Any

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import SVC
from skorch.callbacks import LRScheduler
from skorch.dataset import ValidSplit
from torch import nn

from skact import (
    ActMLP,
    ActMLPBinary,
    ActMLPRegressor,
    TrainingLog,
    fused,
    load_results,
    save_results,
    to_frame,
    to_hiplot,
)
from skact.callbacks.fold_scorer import fold_curves
from skact.engine.weights import weights_of
from skact.results.logged_fit import log_of

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
FOLDS = StratifiedKFold(2)
GRID = {"activation": ["relu", "tanh"], "lr": [0.1, 0.01]}
PLACES = {
    "n_jobs=1": (contextlib.nullcontext, None),
    "loky": (contextlib.nullcontext, 2),
    "fused": (fused, None),
    "fused loky": (lambda: fused(inner="loky", n_jobs=2), None),
    "fused dask": (lambda: fused(inner="dask"), None),
}


def a_net(**parameters: Any) -> ActMLP:
    return ActMLP(max_epochs=3, batch_size=50, random_state=0).set_params(**parameters)


def searched(
    net: Any = None, grid: Any = None, scoring: Any = None, **options: Any
) -> Any:
    """Search with a log that validates."""
    log, net = TrainingLog(), a_net() if net is None else net
    getattr(net, "steps", [(0, net)])[-1][1].set_callbacks(log)
    options = {"cv": FOLDS, **options}
    return GridSearchCV(net, grid or GRID, scoring=log.scorer(scoring), **options)


def fold_columns(search: Any) -> np.ndarray:
    frame = to_frame(search, "epoch").sort_values(["candidate", "fold", "epoch"])
    return frame[["fold_loss", "fold_acc"]].to_numpy(float)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("piped", [False, True])
def test_a_row_has_what_a_net_of_so_many_epochs_answers_on_the_fold(
    place: str, piped: bool, request: Any
) -> None:
    if place == "fused dask":
        request.getfixturevalue("client")
    session, n_jobs = PLACES[place]
    net = make_pipeline(StandardScaler(), a_net()) if piped else a_net()
    prefix = "actmlp__" if piped else ""
    grid = {prefix + name: values for name, values in GRID.items()}
    search = searched(net, grid, n_jobs=n_jobs)
    with session():
        search.fit(X, y)
    frame = to_frame(search, "epoch")
    assert len(frame) == 4 * 2 * 3
    for row in frame.to_dict("records"):
        params = search.cv_results_["params"][row["candidate"]]
        train, held_out = list(FOLDS.split(X, y))[row["fold"]]
        again = clone(net).set_params(**params)
        again.set_params(**{f"{prefix}max_epochs": row["epoch"]})
        again.fit(X[train], y[train])
        proba = again.predict_proba(X[held_out])
        loss = -np.log(proba[np.arange(len(held_out)), y[held_out]]).mean()
        assert row["fold_loss"] == pytest.approx(loss, rel=1e-5)
        assert row["fold_acc"] == again.score(X[held_out], y[held_out])


def test_it_is_the_same_bit_for_bit_wherever_it_was_computed() -> None:
    expected = fold_columns(searched().fit(X, y))
    for place in ("loky", "fused"):
        session, n_jobs = PLACES[place]
        with session():
            assert np.array_equal(
                fold_columns(searched(n_jobs=n_jobs).fit(X, y)), expected
            )


@pytest.mark.parametrize("session", [contextlib.nullcontext, fused])
def test_no_score_and_no_curve_knows_of_it(session: Any) -> None:
    net = a_net(early_stopping=True, dropout=0.2, norm="batch")
    plain = GridSearchCV(clone(net).set_callbacks(TrainingLog()), GRID, cv=FOLDS)
    search = searched(net)
    with session():
        plain.fit(X, y)
        search.fit(X, y)
    for key in ("split0_test_score", "split1_test_score", "rank_test_score"):
        assert np.array_equal(plain.cv_results_[key], search.cv_results_[key])
    with_fold, without = (to_frame(one, "epoch") for one in (search, plain))
    times = ["dur", "fold_loss", "fold_acc"]
    assert with_fold.drop(columns=times).equals(without.drop(columns="dur"))
    for name, weight in plain.best_estimator_.module_.state_dict().items():
        assert torch.equal(weight, search.best_estimator_.module_.state_dict()[name])


def test_the_accuracy_after_the_last_epoch_is_the_score_of_the_search() -> None:
    search = searched(a_net(max_epochs=20)).fit(X, y)
    frame = to_frame(search, "epoch")
    for row in frame[frame["epoch"] == 20].to_dict("records"):
        scores = search.cv_results_[f"split{row['fold']}_test_score"]
        assert row["fold_acc"] == scores[row["candidate"]]


def test_any_scoring_can_be_had_with_it() -> None:
    options: list[tuple[Any, dict[str, Any]]] = [
        ("roc_auc_ovr", {}),
        (["accuracy", "neg_log_loss"], {"refit": "accuracy"}),
        (lambda net, X, y: net.score(X, y) / 2, {}),
    ]
    for scoring, more in options:
        plain = GridSearchCV(a_net(), GRID, scoring=scoring, cv=FOLDS, **more)
        search = searched(None, None, scoring, **more).fit(X, y)
        plain.fit(X, y)
        for key in plain.cv_results_:
            if "_test_" in key:
                assert np.array_equal(plain.cv_results_[key], search.cv_results_[key])
        assert to_frame(search, "epoch")["fold_loss"].notna().all()
        assert search.score(X, y) == plain.score(X, y)


def test_the_train_score_is_not_mistaken_for_the_fold() -> None:
    search = searched(return_train_score=True).fit(X, y)
    expected = fold_columns(searched().fit(X, y))
    assert np.array_equal(fold_columns(search), expected)


NETS = {
    "sparse": lambda: (a_net(), csr_array(X), y),
    "two classes": lambda: (
        ActMLPBinary(max_epochs=3, random_state=0),
        X[:100],
        y[:100],
    ),
    "a learnable activation": lambda: (a_net(activation="prelu"), X, y),
    "a norm with statistics": lambda: (a_net(norm="batch", depth=2), X, y),
    "a function of the user's": lambda: (a_net(activation=torch.sin), X, y),
    "a module with state": lambda: (a_net(activation=nn.Softplus(2.0)), X, y),
    "skorch's loop": lambda: (a_net(optimizer=torch.optim.RMSprop), X, y),
    "callbacks between epochs": lambda: (
        a_net(callbacks=[("rate", LRScheduler(policy="StepLR", step_size=1))]),
        X,
        y,
    ),
    "held-out rows of its own": lambda: (a_net(train_split=ValidSplit(3)), X, y),
    "labels that are words": lambda: (
        a_net(),
        X,
        np.array(["setosa", "versicolor", "virginica"])[y],
    ),
    "float64": lambda: (a_net(), X.astype(float), y),
    "no hidden layer": lambda: (a_net(depth=0), X, y),
    "class weights": lambda: (a_net(class_weight="balanced"), X, y),
}


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("session", [contextlib.nullcontext, fused])
def test_every_net_is_validated(kind: str, session: Any) -> None:
    net, data, labels = NETS[kind]()
    search = searched(net, {"lr": [0.01, 0.001]})
    with session():
        search.fit(data, labels)
    frame = to_frame(search, "epoch")
    last = frame[frame["epoch"] == 3].sort_values(["candidate", "fold"])
    folds = list(FOLDS.split(X[: len(labels)], labels))
    for row in last.to_dict("records"):
        params = search.cv_results_["params"][row["candidate"]]
        train, held_out = folds[row["fold"]]
        again = clone(net).set_callbacks().set_params(**params)
        again.fit(data[train], labels[train])
        proba = again.predict_proba(data[held_out])
        codes = np.searchsorted(again.classes_, labels[held_out])
        loss = -np.log(proba[np.arange(len(held_out)), codes]).mean()
        assert row["fold_loss"] == pytest.approx(loss, rel=1e-4)
        assert row["fold_acc"] == again.score(data[held_out], labels[held_out])


def test_a_regressor_has_a_loss_and_no_accuracy() -> None:
    data, target = load_diabetes(return_X_y=True)
    data, target = scale(data), scale(target)
    net = ActMLPRegressor(max_epochs=4, random_state=0)
    search = searched(net, {"width": [4, 8]}, cv=KFold(3)).fit(data, target)
    frame = to_frame(search, "epoch")
    assert "fold_acc" not in frame
    for row in frame[frame["epoch"] == 4].to_dict("records"):
        score = search.cv_results_[f"split{row['fold']}_test_score"][row["candidate"]]
        _, held_out = list(KFold(3).split(data))[row["fold"]]
        r2 = 1 - row["fold_loss"] / target[held_out].var()
        assert r2 == pytest.approx(score, rel=1e-5)


def test_a_label_that_only_the_fold_has_leaves_the_loss_out() -> None:
    folds = [(np.arange(100), np.arange(50, 150))]  # no virginica in training
    search = searched(None, {"lr": [0.1]}, cv=folds).fit(X, y)
    frame = to_frame(search, "epoch")
    assert frame["fold_loss"].isna().all()
    assert frame["fold_acc"].iloc[-1] == search.cv_results_["mean_test_score"][0]


def test_halving_has_its_folds_in_every_iteration() -> None:
    log = TrainingLog()
    search = HalvingGridSearchCV(
        a_net().set_callbacks(log),
        GRID,
        cv=FOLDS,
        scoring=log.scorer(),
        resource="max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
    ).fit(X, y)
    assert set(search.cv_results_["iter"]) == {0, 1, 2}
    assert to_frame(search, "epoch")["fold_loss"].notna().all()


def test_a_fit_that_fails_has_no_score_and_no_fold() -> None:
    search = searched(None, {"lr": [0.1, 1e30]})
    with (
        pytest.warns(FitFailedWarning),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    frame = to_frame(search, "epoch")
    good = frame["candidate"] == 0
    assert frame[good]["fold_loss"].notna().all()
    assert frame[~good]["fold_loss"].isna().all()


def test_weights_are_gone_when_the_fold_has_been_seen(kept_weights: Any) -> None:
    search = searched().fit(X, y)
    assert kept_weights.n_received == 4 * 2 + 1
    assert kept_weights.n_alive == 0  # those of the refit, too
    assert len(pickle.dumps(search)) < 200_000


def test_the_refit_has_no_fold() -> None:
    search = searched().fit(X, y)
    frame = log_of(search.estimator).to_frame()
    assert frame[frame["refit"]]["fold_loss"].isna().all()
    assert frame[~frame["refit"]]["fold_loss"].notna().all()


def test_a_net_alone_is_validated_by_the_scorer_once() -> None:
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    scorer = log.scorer("accuracy")
    assert repr(scorer) == "FoldScorer('accuracy')"
    for _ in range(2):
        net.fit(X[::2], y[::2])
        score = scorer(net, X[1::2], y[1::2])
    frame = log.to_frame()
    assert frame["fold_acc"].iloc[-1] == score == net.score(X[1::2], y[1::2])
    assert len(frame) == 6
    scorer(net, X[::2], y[::2])  # there is nothing left to see
    assert log.to_frame().equals(frame)
    with pytest.raises(ValueError, match="'acuracy'"):
        log.scorer("acuracy")(net, X, y)


def test_training_on_begins_where_the_weights_begin() -> None:
    log = TrainingLog()
    net = a_net(warm_start=True).set_callbacks(log)
    scorer = log.scorer()
    for _ in range(2):
        net.fit(X[::2], y[::2])
        scorer(net, X[1::2], y[1::2])
    frame = log.to_frame()
    second = frame[frame["run"] == 1]
    assert second["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert second["fold_loss"].isna().tolist() == [True] * 3 + [False] * 3


def test_cross_validate_may_have_it_too() -> None:
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    result = cross_validate(net, X, y, cv=FOLDS, scoring=log.scorer())
    frame = log.to_frame()
    last = frame[frame["epoch"] == 3]["fold_acc"]
    assert last.tolist() == result["test_score"].tolist()


def test_what_fails_in_it_is_said_and_fails_nothing_else() -> None:
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    scorer = log.scorer(lambda net, X, y: 0.5)
    net.fit(X, y)
    with pytest.warns(UserWarning, match="could not validate on the fold.*features"):
        assert scorer(net, X[:, :2], y) == 0.5


def test_without_a_scorer_no_weights_are_kept(kept_weights: Any) -> None:
    log = TrainingLog()
    net = a_net().set_callbacks(log).fit(X, y)
    assert kept_weights.n_received == 0
    assert math.isfinite(net.history[-1, "train_loss"])


def test_the_page_draws_it_and_saved_results_keep_it(tmp_path: Any) -> None:
    search = searched().fit(X, y)
    experiment = to_hiplot(search, "epoch")
    assert experiment.enabledDisplays[0] == "XY"
    assert experiment._asdict()["display_data"]["XY"]["axis_y"] == "fold_loss"
    save_results(search, tmp_path / "saved")
    later = to_frame(load_results(tmp_path / "saved"), "epoch")
    assert (
        later["fold_loss"].tolist() == to_frame(search, "epoch")["fold_loss"].tolist()
    )


def test_many_epochs_together_are_each_as_alone() -> None:
    """Cutting epochs and rows into parts changes nothing but the last bits."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(30_000, 40)).astype(np.float32)
    labels = (data[:, 0] > 0).astype(int)
    net = a_net(width=150, max_epochs=1).fit(data, labels)
    epochs = []
    for _ in range(4):
        net.partial_fit(data, labels)
        epochs.append(weights_of(net.module_))
    before = {name: value.clone() for name, value in net.module_.state_dict().items()}
    together = fold_curves(net, epochs, data, labels)
    for i, weights in enumerate(epochs):
        alone = fold_curves(net, [weights], data, labels)
        assert alone["fold_loss"][0] == pytest.approx(together["fold_loss"][i])
        assert alone["fold_acc"][0] == pytest.approx(together["fold_acc"][i])
    assert together["fold_acc"][-1] == net.score(data, labels)
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_scorer_of_another_log_or_of_none_says_that_it_validates_nothing() -> None:
    scorer = TrainingLog().scorer()
    net = a_net().fit(X, y)
    with pytest.warns(UserWarning, match="the net has no TrainingLog"):
        assert scorer(net, X, y) == net.score(X, y)
    net.set_callbacks(TrainingLog()).fit(X, y)
    with pytest.warns(UserWarning, match="of another log than the net's"):
        scorer(net, X, y)


def test_an_unknown_scoring_is_refused_before_anything_is_trained() -> None:
    for scoring in ("acuracy", ["accuracy", "acuracy"]):
        with pytest.raises(ValueError, match="'acuracy'"):
            TrainingLog().scorer(scoring)


def test_the_net_that_was_scored_has_it_in_its_own_history() -> None:
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    result = cross_validate(
        net, X, y, cv=FOLDS, scoring=log.scorer(), return_estimator=True
    )
    frame = to_frame(result["estimator"])
    assert frame["fold_acc"].tolist() == log.to_frame()["fold_acc"].tolist()
    assert frame["fold_loss"].notna().all()


# ------------------------------------------------------------- as the scoring alone

WEIGHT = np.where(y == 2, 10.0, 1.0)


def spread(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    return float(np.average(y_true == y_pred, weights=sample_weight))


def by_hand(estimator: Any, X: Any, y: Any) -> float:
    return float(estimator.predict_proba(X)[:, 0].sum())


def by_hand_weighted(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
    return float(np.average(estimator.predict(X) == y, weights=sample_weight))


def several_by_hand(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    return {"a": by_hand(estimator, X, y), "b": estimator.score(X, y)}


SCORINGS: dict[str, Any] = {
    "None": None,
    "name": "accuracy",
    "needs probabilities": "neg_log_loss",
    "scorer": make_scorer(spread),
    "function": by_hand,
    "function with weights": by_hand_weighted,
    "function of several": several_by_hand,
    "list": ["f1_macro", "accuracy"],
    "tuple": ("neg_log_loss", "accuracy"),
    "dict": {"a": "accuracy", "b": make_scorer(spread), "c": "roc_auc_ovr"},
}
REFITS = {"list": "accuracy", "tuple": "accuracy", "dict": "b"}
REFITS["function of several"] = "b"


def results_without_times(search: Any) -> dict[str, Any]:
    return {
        key: np.asarray(value).tolist()
        for key, value in search.cv_results_.items()
        if "time" not in key
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [GridSearchCV, RandomizedSearchCV])
@pytest.mark.parametrize("name", SCORINGS)
@pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight")
def test_a_search_with_it_is_the_search_with_the_scoring_alone(
    name: str, kind: Any, weighted: bool
) -> None:
    scoring, fit_params = SCORINGS[name], {"sample_weight": WEIGHT} if weighted else {}
    options: dict[str, Any] = {"cv": FOLDS, "refit": REFITS.get(name, True)}
    if kind is RandomizedSearchCV:
        options |= {"n_iter": 3, "random_state": 0}
    plain = kind(a_net(), GRID, scoring=scoring, **options).fit(X, y, **fit_params)
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    search = kind(net, GRID, scoring=log.scorer(scoring), **options)
    search.fit(X, y, **fit_params)
    assert results_without_times(search) == results_without_times(plain)
    assert list(search.cv_results_) == list(plain.cv_results_)
    assert search.best_params_ == plain.best_params_
    assert search.best_score_ == plain.best_score_
    assert search.score(X, y) == plain.score(X, y)
    assert to_frame(search, "epoch")["fold_loss"].notna().all()


@pytest.mark.parametrize("name", ["name", "scorer", "dict"])
def test_metadata_is_routed_to_it_as_to_the_scoring_alone(name: str) -> None:
    def routed(scoring: Any) -> Any:
        if name == "dict":
            other = get_scorer("accuracy").set_score_request(sample_weight=False)
            return {"a": request(make_scorer(spread)), "b": other}
        return request(get_scorer("accuracy") if name == "name" else scoring)

    def request(scorer: Any) -> Any:
        return scorer.set_score_request(sample_weight=True)

    def run(scoring: Any, log: Any = None) -> Any:
        net = a_net().set_fit_request(sample_weight=True)
        if log is not None:
            net.set_callbacks(log)
        refit = "a" if name == "dict" else True
        search = GridSearchCV(net, GRID, cv=FOLDS, scoring=scoring, refit=refit)
        return search.fit(X, y, sample_weight=WEIGHT)

    with sklearn.config_context(enable_metadata_routing=True):
        log = TrainingLog()
        plain = run(routed(make_scorer(spread)))
        search = run(log.scorer(routed(make_scorer(spread))), log)
        assert results_without_times(search) == results_without_times(plain)
        if name == "name":  # and the request may be set on the log's scorer
            other = TrainingLog()
            search = run(request(other.scorer("accuracy")), other)
            assert results_without_times(search) == results_without_times(plain)


# scikit-learn's own fails in a pipeline where the score requests False
@pytest.mark.parametrize(
    ("request_of_score", "in_pipeline"), [(True, False), (True, True), (False, False)]
)
def test_with_routing_the_score_of_the_net_says_whether_it_takes_weights(
    request_of_score: bool, in_pipeline: bool
) -> None:
    def run(scoring: Any, log: Any = None) -> Any:
        net = a_net().set_fit_request(sample_weight=True)
        net.set_score_request(sample_weight=request_of_score)
        if log is not None:
            net.set_callbacks(log)
        model = make_pipeline(net) if in_pipeline else net
        grid = {f"{'actmlp__' * in_pipeline}{k}": v for k, v in GRID.items()}
        search = GridSearchCV(model, grid, cv=FOLDS, scoring=scoring)
        return search.fit(X, y, sample_weight=WEIGHT)

    with sklearn.config_context(enable_metadata_routing=True):
        plain, log = run(None), TrainingLog()
        search = run(log.scorer(), log)
    assert results_without_times(search) == results_without_times(plain)


def test_with_routing_a_score_that_says_nothing_of_weights_fails() -> None:
    log = TrainingLog()
    with sklearn.config_context(enable_metadata_routing=True):
        net = a_net().set_fit_request(sample_weight=True).set_callbacks(log)
        search = GridSearchCV(
            net, GRID, cv=FOLDS, scoring=log.scorer(), error_score="raise"
        )
        with pytest.raises(ValueError, match=r"\[sample_weight\] are passed"):
            search.fit(X, y, sample_weight=WEIGHT)
        scorer = log.scorer().set_score_request(sample_weight=True)
        weighted = GridSearchCV(net, GRID, cv=FOLDS, scoring=scorer)
        weighted.fit(X, y, sample_weight=WEIGHT)
    plain = GridSearchCV(a_net(), GRID, cv=FOLDS).fit(X, y, sample_weight=WEIGHT)
    assert results_without_times(weighted) == results_without_times(plain)


@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "f1_macro"]])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_validate_and_halving_take_it_too(scoring: Any, n_jobs: Any) -> None:
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    plain = cross_validate(a_net(), X, y, cv=FOLDS, scoring=scoring)
    found = cross_validate(
        net, X, y, cv=FOLDS, scoring=log.scorer(scoring), n_jobs=n_jobs
    )
    for key in plain:
        if key.startswith("test_"):
            assert found[key].tolist() == plain[key].tolist()
    assert log.to_frame()["fold_loss"].notna().all()
    if isinstance(scoring, str):
        options: dict[str, Any] = {"cv": FOLDS, "random_state": 0, "n_jobs": n_jobs}
        plain = HalvingGridSearchCV(a_net(), GRID, scoring=scoring, **options)
        log.clear()
        search = HalvingGridSearchCV(net, GRID, scoring=log.scorer(scoring), **options)
        assert results_without_times(search.fit(X, y)) == results_without_times(
            plain.fit(X, y)
        )


@pytest.mark.parametrize(
    ("scoring", "message"),
    [("acuracy", "acuracy"), (["accuracy", "accuracy"], "Duplicate"), ([], "Empty")],
)
def test_a_wrong_metric_is_refused_before_any_training(
    scoring: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingLog().scorer(scoring)


@given(weights=st.lists(st.integers(0, 3), min_size=20, max_size=20).filter(any))
@settings(max_examples=10, deadline=None)
def test_a_row_of_weight_3_is_three_rows_in_the_curves(weights: list[int]) -> None:
    net = a_net().fit(X[:100], y[:100])
    epochs, held_out, weight = [weights_of(net.module_)], np.arange(80, 100), weights
    rows = np.repeat(held_out, weight)
    found = fold_curves(net, epochs, X[held_out], y[held_out], weight)
    expected = fold_curves(net, epochs, X[rows], y[rows])
    for name in ("fold_loss", "fold_acc"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


# ------------------------------------------------------------- beside and inside others


def test_models_that_are_no_nets_are_no_reason_to_warn() -> None:
    log = TrainingLog()
    grid = [
        {"clf": [a_net().set_callbacks(log)]},
        {"clf": [LogisticRegression()], "clf__C": [0.1, 1, 10]},
        {"clf": [SVC(), RandomForestClassifier(3)]},
    ]
    pipeline = Pipeline([("scale", StandardScaler()), ("clf", LogisticRegression())])
    search = GridSearchCV(pipeline, grid, cv=FOLDS, scoring=log.scorer("accuracy"))
    frame = to_frame(search.fit(X, y), "epoch")
    assert len(frame) == 2 * 3
    assert frame["fold_acc"].notna().all()


def test_a_net_without_the_log_is_a_reason_to_warn() -> None:
    log = TrainingLog()
    search = GridSearchCV(a_net(), GRID, cv=FOLDS, scoring=log.scorer("accuracy"))
    with pytest.warns(UserWarning, match="the net has no TrainingLog"):
        search.fit(X, y)


def test_rows_that_a_sampler_makes_are_not_held_out() -> None:
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    pipeline = make_resampling_pipeline(
        StandardScaler(), RandomOverSampler(random_state=0), net
    )
    binary = (y == 2).astype(int)
    search = GridSearchCV(
        pipeline, {"actmlp__lr": [0.1, 0.01]}, cv=FOLDS, scoring=log.scorer("f1")
    ).fit(X, binary)
    frame = log.to_frame()
    last = frame[(frame["epoch"] == 3) & frame["fold_acc"].notna()]
    assert len(last) == 4
    with pytest.raises(ValueError, match=r"log\.to_frame\(\) has these fits, numbered"):
        to_frame(search, "epoch")  # imbalanced-learn does not pass the candidate on


def test_targets_that_are_transformed_are_validated_in_their_own_scale() -> None:
    log = TrainingLog()
    net = ActMLPRegressor(max_epochs=3, random_state=0).set_callbacks(log)
    table, target = load_diabetes(return_X_y=True)
    model = TransformedTargetRegressor(net, transformer=StandardScaler())
    cross_validate(model, table, target, cv=3, scoring=log.scorer("r2"))
    frame = log.to_frame()
    assert len(frame) == 9
    assert frame["fold_loss"].between(0.3, 2).all()
