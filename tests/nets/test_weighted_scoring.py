"""Scores of skorch's callbacks count weights as rows: a row of weight 3 is three."""

import pickle

import numpy as np
import pytest
from sklearn.metrics import f1_score, make_scorer, mean_absolute_error
from skorch.callbacks import BatchScoring, Checkpoint, EarlyStopping, EpochScoring
from torch.utils.data import Subset

from skact import ActMLP, ActMLPRegressor
from skact.nets.weighted_scoring import WeightedScoring

rng = np.random.default_rng(0)
X = np.column_stack([rng.normal(size=(60, 3)), np.where(np.arange(60) % 3, 1, -1)])
Y = np.array(["a", "b", "c"])[rng.integers(3, size=60)]
WEIGHT = rng.integers(4, size=60)
LOOPS = pytest.mark.parametrize("loop", [{}, {"iterator_train__num_workers": 0}])
SCORINGS = [None, "accuracy", "f1_macro", "neg_log_loss"]
SCORINGS += [make_scorer(f1_score, average="macro")]


def marked(dataset, y=None):
    """Hold out the rows that a column marks, whatever their number."""
    is_train, rows = dataset.X[:, -1] > 0, np.arange(len(dataset))
    return Subset(dataset, rows[is_train]), Subset(dataset, rows[~is_train])


def a_net(callbacks, kind=ActMLP, **params):
    fixed = {"width": 5, "max_epochs": 3, "random_state": 0, "batch_size": -1}
    return kind(callbacks=callbacks, train_split=marked, **{**fixed, **params})


def fits(callbacks, y=Y, **params):
    """Fit a net to weighted rows, and one to rows that are repeated."""
    rows = np.repeat(np.arange(60), WEIGHT)
    return [
        a_net(callbacks(), **params).fit(X, y, sample_weight=WEIGHT),
        a_net(callbacks(), **params).fit(X[rows], y[rows]),
    ]


def assert_same_scores(net, other, name="mine"):
    np.testing.assert_allclose(net.history[:, name], other.history[:, name], rtol=1e-6)


@LOOPS
@pytest.mark.parametrize("on_train", [False, True])
@pytest.mark.parametrize("use_caching", [False, True])
@pytest.mark.parametrize("scoring", SCORINGS, ids=["None", *SCORINGS[1:4], "scorer"])
def test_a_row_of_weight_3_scores_as_three_rows(scoring, use_caching, on_train, loop):
    def callbacks():
        return [EpochScoring(scoring, name="mine", **options)]

    options = {"on_train": on_train, "use_caching": use_caching}
    for class_weight in (None, "balanced"):
        nets = fits(callbacks, class_weight=class_weight, **loop)
        assert_same_scores(*nets)
        assert_same_scores(*nets, "valid_acc")


@LOOPS
@pytest.mark.parametrize("use_caching", [False, True])
def test_scores_of_a_regressor_count_weights(use_caching, loop):
    def callbacks():
        return [
            EpochScoring(one, name=name, use_caching=use_caching)
            for name, one in (("mine", "r2"), ("metric", mean_absolute_error))
        ]

    nets = fits(callbacks, X[:, 0] ** 2, kind=ActMLPRegressor, **loop)
    assert_same_scores(*nets)
    assert_same_scores(*nets, "metric")


def test_valid_acc_counts_weights_without_caching_too():
    nets = fits(list, use_caching=False)
    assert_same_scores(*nets, "valid_acc")


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_weights_stay_with_their_rows_in_batches_of_any_order(class_weight):
    def of_net(**params):
        callbacks = [EpochScoring("accuracy", name="train_acc", on_train=True)]
        params = {**params, "class_weight": class_weight, "lr": 1e-12}
        return a_net(callbacks, **params).fit(X, Y, sample_weight=WEIGHT)

    whole = of_net()
    with pytest.warns(UserWarning, match="iterator_valid__shuffle"):
        batches = of_net(batch_size=7, iterator_valid__shuffle=True, shuffle=True)
    for name in ("train_acc", "valid_acc"):
        assert_same_scores(whole, batches, name)


def test_early_stopping_and_checkpoints_follow_weighted_scores():
    def callbacks():
        return [
            EpochScoring("f1_macro", name="mine", lower_is_better=False),
            EarlyStopping("mine", patience=3, lower_is_better=False, sink=str),
            Checkpoint(
                monitor="mine_best",
                f_params=None,
                f_optimizer=None,
                f_criterion=None,
                f_history=None,
                event_name="saved",
            ),
        ]

    net, other = fits(callbacks, max_epochs=30, lr=0.1)
    assert len(net.history) == len(other.history) < 30
    assert net.history[:, "saved"] == other.history[:, "saved"]


def test_a_scoring_that_takes_no_weights_gets_none():
    def mine(net, X, y):
        return float(len(y))

    net = a_net([EpochScoring(mine), BatchScoring(mine, name="batch")])
    net.fit(X, Y, sample_weight=WEIGHT)
    assert net.history[-1, "mine"] == net.history[-1, "batch"] == 20


def test_a_callback_that_scored_a_fit_scores_other_nets_and_travels():
    callback = EpochScoring("accuracy", name="mine")
    net = a_net([callback]).fit(X, Y, sample_weight=WEIGHT)
    again = pickle.loads(pickle.dumps(net)).partial_fit(X, Y, sample_weight=WEIGHT)
    net.partial_fit(X, Y, sample_weight=WEIGHT)
    assert_same_scores(net, again)
    assert_same_scores(a_net([callback]).fit(X, Y), a_net([callback]).fit(X, Y, 1.0))


def test_outside_a_fit_no_row_has_a_weight():
    net = a_net([]).fit(X, Y, sample_weight=WEIGHT)
    assert WeightedScoring("accuracy", on_train=False)(net, X, Y) == net.score(X, Y)
