"""One call from data to an answer."""

import pickle
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold

from skact import ActMLP, SearchResult, search

X, y = load_iris(return_X_y=True)
OPTIONS = {
    "activations": ["relu"],
    "n_candidates": 1,
    "width": 8,
    "max_epochs": 1,
    "progress": False,
}


@pytest.fixture(scope="module")
def found() -> SearchResult:
    options = {"activations": ["relu", "tanh"], "n_lr": 2, "width": 8, "depth": 1}
    return search(X, y, n_candidates=4, max_epochs=8, cv=3, progress=False, **options)


def test_it_answers_in_full(found: SearchResult) -> None:
    assert found.search_.rounds_ == [(1, 4), (2, 3), (4, 3), (8, 3)]
    assert len(found.to_frame()) == 13
    assert len(found.to_frame("fold")) == 13 * 3
    epochs = found.to_frame("epoch")
    assert len(epochs) == 3 * (4 * 1 + 3 * 2 + 3 * 4 + 3 * 8)
    assert epochs["train_loss"].notna().all()
    assert set(found.compare().scores.columns) == {"relu", "tanh"}
    assert str(found.diagnose())
    assert found.to_hiplot("epoch").enabledDisplays[0] == "XY"
    with mpl.rc_context({"backend": "Agg"}):
        assert len(found.plot_curves(metrics="train_loss").lines_) == 2
        assert found.plot().ax_.get_xlabel().startswith("lr")


def test_the_best_is_fitted_on_all_rows_and_predicts(found: SearchResult) -> None:
    assert {"activation", "lr", "width", "depth", "numbers"} <= set(found.best_params_)
    assert (found.predict(X) == found.best_estimator_.predict(X)).all()
    assert found.predict_proba(X).shape == (150, 3)
    assert found.score(X, y) > 0.8
    net = found.search_.best_estimator_[-1]
    assert isinstance(net, ActMLP)
    assert net.activation == found.best_params_["activation"]


def test_a_number_is_a_list_of_one() -> None:
    found = search(X, y, depth=2, cv=2, **OPTIONS)
    assert (found.best_params_["width"], found.best_params_["depth"]) == (8, 2)


def test_one_activation_needs_no_comparison() -> None:
    alone = search(X, y, cv=2, **OPTIONS)
    assert alone.comparison is None
    assert "values of activation" not in str(alone)


def test_a_frame_of_all_kinds_of_columns() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=200),
            "empty": np.nan,
            "word": rng.choice(np.array(["x", "y", None], dtype=object), 200),
            "flag": rng.random(200) > 0.5,
            "category": pd.Categorical(rng.choice(["a", "b"], 200)),
        }
    )
    frame.loc[3, "number"] = np.nan
    labels = np.where(frame["flag"] & (frame["word"] == "x"), "yes", "no")
    found = search(
        frame,
        labels,
        activations=["relu"],
        n_candidates=4,
        progress=False,
        cv=StratifiedKFold(3),
        width=[16],
        max_epochs=80,
    )
    assert found.best_score_ > 0.95
    unseen = frame.head(4).assign(word="never seen")
    assert set(found.predict(unseen)) <= {"yes", "no"}


def test_numbers_are_predicted_in_their_own_units() -> None:
    data, target = load_diabetes(return_X_y=True, as_frame=True)
    options = {"activations": ["relu"], "n_candidates": 4, "progress": False}
    found = search(data, target, max_epochs=40, width=16, cv=3, **options)
    assert found.best_score_ > 0.35
    predicted = found.predict(data)
    assert abs(predicted.mean() - target.mean()) < 10
    assert predicted.std() > 20
    text = str(found)
    assert text.startswith("Regression: y holds 214 different whole numbers; if they")
    assert "scored by R2" in text
    # a score with a unit has that of y
    found = search(data, target, scoring="neg_root_mean_squared_error", cv=2, **OPTIONS)
    assert found.best_score_ < -40


def test_labels_that_look_like_numbers_can_be_told_what_they_are() -> None:
    many = np.arange(150) % 30
    numbers = search(X, many, cv=2, **OPTIONS)
    assert not hasattr(numbers.best_estimator_, "predict_proba")
    labels = search(X, many, cv=2, task="classification", **OPTIONS)
    assert len(labels.best_estimator_.classes_) == 30


def test_more_parameters_go_to_the_net() -> None:
    found = search(
        X,
        y,
        cv=2,
        dropout=0.5,
        norm="layer",
        **OPTIONS,
    )
    net = found.best_estimator_[-1]
    assert "dropout" not in found.best_params_
    assert (net.dropout, net.norm) == (0.5, "layer")
    assert net.random_state == 0


def test_infinite_values_are_refused_before_any_fold_fails() -> None:
    infinite = X.copy()
    infinite[3, 1] = np.inf
    with pytest.raises(ValueError, match="Column 1 of X holds infinite values"):
        search(infinite, y, progress=False)
    with pytest.raises(ValueError, match="Column 'b' of X holds infinite values"):
        search(pd.DataFrame(infinite, columns=list("abcd")), y, progress=False)


def test_no_metadata_are_routed_that_were_not_given() -> None:
    with config_context(enable_metadata_routing=True):
        assert search(X, y, cv=2, **OPTIONS).best_score_ > 0


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"task must be .* got 'ranking'"):
        search(X, y, task="ranking")
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        search(X, y, activations=["rellu"])
    with pytest.raises(ValueError, match="'acuracy'"):
        search(X, y, scoring="acuracy")
    with pytest.raises(ValueError, match="Invalid parameter 'learning_rate'"):
        search(X, y, learning_rate=1)


def test_it_shows_a_bar_and_no_warnings() -> None:
    script = (
        "from sklearn.datasets import load_iris\n"
        "from skact import search\n"
        "print(search(*load_iris(return_X_y=True), activations=['relu', 'tanh'], "
        "n_candidates=2, width=8, depth=1, max_epochs=4, cv=2))\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "epochs" in done.stderr
    assert "scores best" in done.stdout


def test_sparse_input_is_searched() -> None:
    sparse = csr_array(np.where(np.abs(X) > 2, X, 0))
    found = search(sparse, y, cv=2, **OPTIONS)
    assert found.predict(sparse).shape == (150,)
    assert "numbers" not in found.best_params_
    with pytest.raises(ValueError, match="numbers='clip': a sparse X is only scaled"):
        search(sparse, y, numbers="clip", **OPTIONS)


def test_a_bar_is_shown_if_there_can_be_one() -> None:
    script = (
        "import sys; sys.modules['rich'] = None\n"
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name, *rest: None\n"
        "from sklearn.datasets import load_iris\n"
        "from skact import search\n"
        "search(*load_iris(return_X_y=True), activations=['relu'], width=8, "
        "n_candidates=1, max_epochs=1, cv=2)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Training" not in done.stderr


def test_what_the_search_tries_cannot_be_given_once() -> None:
    for name, value in {"activation": "relu", "hidden": (8,)}.items():
        with pytest.raises(TypeError, match=f"{name} is tried by the search: give it"):
            search(X, y, **{name: value})
    with pytest.raises(TypeError, match="callbacks must be a list, got 'disable'"):
        search(X, y, callbacks="disable")


def test_weights_and_groups_reach_nets_and_folds() -> None:
    weights, groups = np.where(y == 0, 5.0, 1.0), np.arange(150) % 6
    plain, weighted = (
        search(X, y, cv=GroupKFold(2), groups=groups, sample_weight=w, **OPTIONS)
        for w in (None, weights)
    )
    proba = plain.predict_proba(X), weighted.predict_proba(X)
    assert proba[1][:, 0].mean() > proba[0][:, 0].mean()
    alone = weighted.search_.estimator.set_params(**weighted.search_.best_params_)
    fold_scores = [
        alone.fit(X[train], y[train], sample_weight=weights[train]).score(
            X[held_out], y[held_out], sample_weight=weights[held_out]
        )
        for train, held_out in GroupKFold(2).split(X, y, groups)
    ]
    assert weighted.best_score_ == pytest.approx(np.mean(fold_scores))


def test_several_scores_are_shown_and_the_first_one_decides() -> None:
    found = search(X, y, scoring=["f1_macro", "accuracy"], **OPTIONS)
    assert found.search_.refit == "f1_macro"
    assert "scored by f1_macro" in str(found)
    frame = found.to_frame()
    assert {"mean_test_f1_macro", "mean_test_accuracy"} <= set(frame)
    assert found.to_hiplot() is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widht": 3}, "did you mean 'width'"),
        ({"n_lr": 0}, "n_lr must be an int >= 1, got 0"),
        ({"n_candidates": 0}, "n_candidates must be an int >= 1, got 0"),
        ({"average": 1.5}, "average must be an int >= 1, got 1.5"),
        ({"numbers": "log"}, "numbers must be some of .* got 'log'"),
        ({"numbers": []}, r"numbers must be some of .* got \[\]"),
        ({"cv": 1}, "cv must be an int >= 2, got 1"),
        ({"width": []}, "width must name at least one number"),
        ({"depth": -1}, "depth must be an int >= 0, got -1"),
        ({"progress": "x"}, "progress must be True, False or None, got 'x'"),
        ({"activations": []}, "activations"),
    ],
)
def test_keywords_are_checked_before_training(options: dict, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        search(X, y, **options)


def test_rates_may_be_given() -> None:
    options = OPTIONS | {"activations": ["relu", "tanh"], "n_candidates": 4}
    found = search(X, y, cv=2, depth=1, lr=[0.01, 0.1], **options)
    assert set(found.ranking_["lr"].dropna()) == {0.01, 0.1}


def test_one_fold_is_printed_without_a_comparison() -> None:
    rows = np.random.default_rng(0).permutation(150)
    options = OPTIONS | {"activations": ["relu", "tanh"], "n_candidates": 2}
    found = search(X, y, cv=[(rows[:100], rows[100:])], **options)
    assert found.comparison is None
    assert "on 1 fold, scored by accuracy" in str(found)


def test_the_score_of_other_rows_is_the_score_that_was_asked_for() -> None:
    is_last = y == 2
    found = search(X, is_last, scoring="roc_auc", cv=2, **OPTIONS)
    proba = found.predict_proba(X)[:, 1]
    assert found.score(X, is_last) == roc_auc_score(is_last, proba)
    weights = np.arange(150.0)
    expected = roc_auc_score(is_last, proba, sample_weight=weights)
    assert found.score(X, is_last, sample_weight=weights) == expected
    plain = search(X, y, cv=2, **OPTIONS)
    assert plain.score(X, y) == (plain.predict(X) == y).mean()


def test_a_class_of_few_rows_of_numbers_may_be_a_regression() -> None:
    few = np.r_[y[:149], 9]
    with pytest.raises(ValueError, match="or pass task='regression'"):
        search(X, few, cv=3, **OPTIONS)


def test_tables_have_the_best_first_whatever_its_round(found: SearchResult) -> None:
    ranks = found.to_frame()["rank_test_score"]
    assert (np.diff(ranks) >= 0).all()
    assert not {"iter", "n_resources"} & set(found.to_frame())


def test_curves_are_those_of_the_ranking(found: SearchResult) -> None:
    with mpl.rc_context({"backend": "Agg"}):
        drawn = found.plot_curves(metrics="train_loss").curves
    longest = drawn.groupby("group")["epoch"].max()
    nets = found.ranking_[found.ranking_["model"] == "net"]
    best = nets.drop_duplicates("activation").set_index("activation")["max_epochs"]
    for name, n_epochs in best.items():
        (label,) = [label for label in longest.index if str(label).startswith(name)]
        assert longest[label] == n_epochs


def test_a_numpy_integer_is_a_width() -> None:
    found = search(X, y, cv=2, **OPTIONS | {"width": np.int64(8)})
    assert found.best_params_["width"] == 8


def test_folds_of_groups_are_compared_by_their_true_sizes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 3)), np.arange(90) % 2
    groups = np.repeat(np.arange(4), [10, 10, 10, 60])
    options = OPTIONS | {"activations": ["relu", "tanh"], "n_candidates": 2}
    found = search(X, y, cv=GroupKFold(2), groups=groups, **options)
    assert found.comparison.test_ratio == pytest.approx((30 / 60 + 60 / 30) / 2)
    assert "relu" in str(found)


class ByYear:
    """A splitter of the user's that reads a column of X."""

    def split(self, X, y=None, groups=None):
        for year in (2020, 2021, 2022):
            is_test = (X["year"] == year).to_numpy()
            yield np.flatnonzero(~is_test), np.flatnonzero(is_test)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 3


class Once(ByYear):
    """It splits only once."""

    used = False

    def split(self, X, y=None, groups=None):
        if self.used:
            raise RuntimeError("used up")
        self.used = True
        return super().split(X, y, groups)


def test_a_splitter_of_ones_own_may_read_columns_and_loses_no_search():
    years = np.repeat([2020, 2021, 2022], [30, 30, 60])
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"year": years, "a": rng.normal(size=120)})
    options = OPTIONS | {"activations": ["relu", "tanh"], "n_candidates": 2}
    found = search(frame, frame["a"] > 0, cv=ByYear(), **options)
    expected = (30 / 90 + 30 / 90 + 60 / 60) / 3
    assert found.comparison.test_ratio == pytest.approx(expected)
    once = search(frame, frame["a"] > 0, cv=Once(), **options)
    assert once.best_score_ == found.best_score_
    assert once.compare().means.equals(found.compare().means)


def test_what_predicts_is_small_and_holds_no_log():
    found = search(X, y, cv=2, **OPTIONS | {"n_candidates": 4, "max_epochs": 8})
    for model in (found.best_estimator_, found.search_.best_estimator_):
        data = pickle.dumps(model)
        assert len(data) < 200_000
        again = pickle.loads(data)
        assert (again.predict(X) == model.predict(X)).all()
        assert b"TrainingLog" not in data
    assert len(found.to_frame("epoch")) > 0


def test_a_budget_is_not_spent_on_baselines_of_many_rows():
    rng = np.random.default_rng(0)
    many = rng.normal(size=(20_100, 2))
    found = search(many, many[:, 0] > 0, cv=2, budget=0.001, **OPTIONS)
    assert set(found.baselines_) == {"majority or mean"}


def test_a_generator_as_seed_gives_every_round_the_same_folds():
    options = OPTIONS | {"n_candidates": 4, "max_epochs": 8}
    one, two = (
        search(X, y, random_state=np.random.RandomState(3), **options) for _ in range(2)
    )
    assert one.ranking_.equals(two.ranking_)
    folds = [list(one.search_.cv.split(X, y)) for _ in range(2)]
    for first, again in zip(*folds, strict=True):
        assert (first[1] == again[1]).all()
    assert one.report_.continued > 0  # a fit of a round goes on from the one before
