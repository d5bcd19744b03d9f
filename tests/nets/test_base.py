"""A net stays usable: errors, copies and more training leave it in a known state."""

import copy
import io
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback, EpochScoring
from skorch.dataset import ValidSplit

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, DivergedError

X = np.random.default_rng(0).normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]
FEW, CODES = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)
CLASSIFIERS = [ActMLP, ActMLPBinary]

OPTIMIZERS = [
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    # eps is not tiny: a bias before a batch norm has no gradient but rounding errors
    {"optimizer": "adam", "optimizer__eps": 1e-4},
    {"optimizer": "adamw", "weight_decay": 0.1, "optimizer__eps": 1e-4},
]
by_optimizer = pytest.mark.parametrize(
    "params", OPTIMIZERS, ids=[params["optimizer"] for params in OPTIMIZERS]
)


def copies(net):
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin.predict_proba(X), net.predict_proba(X))
    clone(net).set_params(callbacks=None).fit(X[:20], y[:20])


@by_optimizer
def test_copies_made_in_mid_training_leave_the_net_as_it_is(
    params, at, assert_same, fit
):
    assert_same(fit([at("on_epoch_end", copies)], **params), fit(**params))


@by_optimizer
def test_a_net_pickled_in_mid_training_trains_on_as_the_original(
    params, assert_same, fit
):
    keep = PickleEpochs()
    net = fit([keep], **params)
    early = pickle.loads(keep.pickles[1])
    assert len(early.history) == 2
    early.set_params(max_epochs=2).partial_fit(X, y)
    assert_same(early, net)


class PickleEpochs(Callback):
    """Keep the net as it is after each epoch."""

    def __init__(self):
        self.pickles = []

    def on_epoch_end(self, net, **kwargs):
        self.pickles.append(pickle.dumps(net))

    def __getstate__(self):
        return {"pickles": []}


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end"])
def test_what_a_callback_raises_reaches_the_caller(hook, at, fit):
    class Odd(Exception):
        pass

    def stumble(net):
        if len(net.history) in (0, 2):
            raise Odd(hook)

    with pytest.raises(Odd, match=hook):
        fit([at(hook, stumble)])


def test_a_net_whose_callback_raised_can_train_on(at, assert_same, fit, net_params):
    def stumble(net):
        if len(net.history) == 2:
            raise OSError("disk full")

    net = ActMLP(callbacks=[at("on_epoch_end", stumble)], **net_params)
    with pytest.raises(OSError, match="disk full"):
        net.fit(X, y)
    net.partial_fit(X, y)
    assert_same(net, fit(max_epochs=6))


@by_optimizer
@pytest.mark.parametrize("callbacks", [None, [Callback()]], ids=["plain", "hooks"])
def test_two_epochs_and_two_more_are_four_bit_for_bit(
    callbacks, params, assert_same, assert_same_history, fit
):
    params = {**params, "dropout": 0.3, "activation": ("prelu", "rrelu")}
    whole = fit(callbacks, **params)
    parts = fit(callbacks, **params, max_epochs=2).partial_fit(X, y)
    assert_same(parts, whole)
    assert_same_history(parts, whole)
    warm = fit(callbacks, **params, max_epochs=2, warm_start=True).fit(X, y)
    assert_same(warm, whole)
    by_copy = pickle.loads(pickle.dumps(fit(callbacks, **params, max_epochs=2)))
    assert_same(copy.deepcopy(by_copy).partial_fit(X, y), whole)


@by_optimizer
def test_engine_and_skorchs_loop_hand_over_to_each_other(
    params, assert_same, fit, net_params, on_skorch
):
    # what one loop leaves in the optimizer, the other goes on with
    batchwise = Callback()
    batchwise.on_batch_end = lambda net, **kwargs: None
    net = fit(max_epochs=1, **params)
    for callback in (batchwise, Callback(), batchwise):
        net.callbacks_[-1] = ("mine", callback)
        net.partial_fit(X, y)
    theirs = on_skorch(**{**net_params, **params}).fit(X, y)
    assert_same(net, theirs, atol=1e-8)


def test_a_rate_set_between_two_trainings_counts(assert_same, net_params, on_skorch):
    nets = [kind(**net_params).fit(X, y) for kind in (ActMLP, on_skorch)]
    for net in nets:
        net.set_params(lr=0.5, optimizer__momentum=0.1).partial_fit(X, y)
    assert_same(*nets, atol=1e-8)
    assert nets[0].optimizer_.param_groups[0]["lr"] == 0.5


@by_optimizer
def test_saved_parameters_and_optimizer_make_a_training_go_on(
    params, assert_same, fit, net_params
):
    net = fit(max_epochs=2, **params)
    files = [io.BytesIO(), io.BytesIO()]
    net.save_params(f_params=files[0], f_optimizer=files[1])
    other = ActMLP(**{**net_params, **params, "max_epochs": 2}).initialize(X, y)
    for file in files:
        file.seek(0)
    other.load_params(f_params=files[0], f_optimizer=files[1])
    other.history_ = net.history_
    assert_same(other.partial_fit(X, y), fit(max_epochs=4, **params))


def test_a_regressors_callbacks_see_numbers():
    target = X @ np.arange(5)
    scoring = EpochScoring("r2", name="r2", lower_is_better=False)
    net = ActMLPRegressor(callbacks=[scoring], train_split=ValidSplit(3), max_epochs=3)
    assert net.fit(X, target).trained_by_ == "the engine"
    assert len(net.history[:, "r2"]) == 3


def test_a_fit_that_fails_at_its_start_leaves_no_net_that_answers():
    net = ActMLP(early_stopping=True)
    with pytest.raises(ValueError, match="cannot hold out"):
        net.fit(FEW[:1], [0])
    with pytest.raises(NotFittedError):
        net.predict(FEW)
    fitted = ActMLP(max_epochs=2, random_state=0).fit(FEW, CODES)
    before, epochs = fitted.predict_proba(FEW), len(fitted.history)
    fitted.optimizer__no_such = 1
    with pytest.raises(TypeError, match="no_such"):
        fitted.fit(FEW, CODES)
    np.testing.assert_array_equal(before, fitted.predict_proba(FEW))
    assert len(fitted.history) == epochs


def test_ctrl_c_before_the_first_epoch_leaves_a_fitted_net_as_it_was(monkeypatch):
    net = ActMLP(max_epochs=2, random_state=0).fit(FEW, CODES)
    before = net.predict_proba(FEW)

    def interrupted(self, triggered_directly=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(ActMLP, "initialize_optimizer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.fit(np.ones((4, 3)), list("abcd"))
    np.testing.assert_array_equal(before, net.predict_proba(FEW))
    assert net.classes_.tolist() == [0, 1]


def test_a_refused_fit_leaves_the_fitted_net_as_it_was():
    net = ActMLP(max_epochs=2, random_state=0).fit(FEW, CODES)
    before = net.predict_proba(FEW)
    with pytest.raises(ValueError, match="'lr' parameter"):
        net.set_params(lr=-1).fit(FEW, CODES)
    dirty = FEW.copy()
    dirty[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        net.set_params(lr=0.1).fit(dirty, CODES)
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        net.fit(np.ones((4, 3)), list("abcd"), sample_weight=[-1, 1, 1, 1])
    assert net.n_features_in_ == 2
    assert net.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(before, net.predict_proba(FEW))


def test_balanced_classes_and_partial_fit_do_not_go_together(iris):
    with pytest.raises(
        ValueError, match="class_weight='balanced' needs all rows at once"
    ):
        ActMLP(class_weight="balanced").partial_fit(*iris)


@pytest.mark.parametrize("net", [*CLASSIFIERS, ActMLPRegressor])
def test_an_unfitted_net_says_so(net):
    for method in ("predict", "forward", "score"):
        with pytest.raises(
            NotFittedError, match=f"This {net.__name__} instance is not fitted"
        ):
            getattr(net(), method)(
                *([[[1.0]], [1]] if method == "score" else [[[1.0]]])
            )
    assert not hasattr(net(), "classes_")


def test_a_fitted_net_keeps_no_data(iris):
    X, y = np.tile(iris[0], (100, 1)), np.tile(iris[1], 100)
    net = ActMLP(max_epochs=1, batch_size=5000, random_state=0).fit(X, y)
    assert X.nbytes > 400_000
    assert len(pickle.dumps(net)) < 50_000


def test_a_net_that_diverged_does_not_answer_and_starts_afresh(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(optimizer="sgd", lr=1e3, warm_start=True, random_state=0)
    with pytest.raises(DivergedError):
        net.fit(X, y)
    assert len(net.history) >= 1  # up to the failure
    with pytest.raises(NotFittedError):
        net.predict(X)
    assert np.isfinite(net.set_params(lr=0.001).fit(X, y).predict(X)).all()
