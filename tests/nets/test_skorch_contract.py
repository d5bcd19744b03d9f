"""What users of skorch do with a net, beyond its parameters."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EpochScoring, GradientNormClipping
from skorch.dataset import ValidSplit
from skorch.helper import SliceDataset
from torch import nn
from torch.utils.data import TensorDataset

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, fused

X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
y = (X[:, 0] > 0).astype(int)
LOOPS = pytest.mark.parametrize("loop", [{}, {"iterator_train__num_workers": 0}])


def a_net(kind=ActMLP, **params):
    return kind(**{"width": 4, "max_epochs": 2, "random_state": 0, **params})


# ---------------------------------------------------------------- attributes


def test_an_attribute_of_ones_own_is_a_note_and_no_parameter():
    net = a_net()
    net.note = "baseline"
    net.fit(X, y).partial_fit(X, y)
    assert net.note == "baseline"
    assert "note" not in net.get_params()
    assert "note" not in repr(net)
    assert not hasattr(clone(net), "note")
    assert pickle.loads(pickle.dumps(net)).note == "baseline"
    with pytest.raises(ValueError, match="Invalid parameter 'note'"):
        net.set_params(note=1)
    search = GridSearchCV(net, {"lr": [0.1]}, cv=2).fit(X, y)
    assert search.best_params_ == {"lr": 0.1}


def test_a_patched_method_is_called_and_is_no_parameter():
    net, calls = a_net(), []
    own = net.infer
    net.infer = lambda x, **params: calls.append(1) or own(x, **params)
    net.fit(X, y)
    assert net.trained_by_ == "skorch's loop, because ActMLP overrides infer"
    assert calls
    assert "infer" not in net.get_params()


class Penalty:
    """A mixin with a parameter of its own."""

    def __init__(self, *args, lambda1=0.5, **kwargs):
        super().__init__(*args, **kwargs)
        self.lambda1 = lambda1

    def get_loss(self, *args, **kwargs):
        return super().get_loss(*args, **kwargs) + self.lambda1


class Penalised(Penalty, ActMLP):
    pass


class PenalisedSubclass(ActMLP):
    def __init__(self, *args, lambda1=0.5, **kwargs):
        super().__init__(*args, **kwargs)
        self.lambda1 = lambda1


@pytest.mark.parametrize("kind", [Penalised, PenalisedSubclass])
def test_a_parameter_of_a_mixin_or_a_subclass_is_one(kind):
    net = a_net(kind, lambda1=2.0)
    assert net.get_params()["lambda1"] == 2.0
    assert clone(net).lambda1 == 2.0
    assert net.set_params(lambda1=1.0).fit(X, y).lambda1 == 1.0
    search = GridSearchCV(net, {"lambda1": [0.0, 1.0]}, cv=2).fit(X, y)
    assert "lambda1" in search.best_params_
    with pytest.raises(ValueError, match="did you mean 'lambda1'"):
        a_net(kind, lamda1=2.0).fit(X, y)


@pytest.mark.parametrize("kind", [Penalised, PenalisedSubclass])
def test_a_repr_shows_what_differs_from_the_defaults_of_all_signatures(kind):
    assert repr(kind()) == f"{kind.__name__}()"
    assert repr(kind(lr=0.1)) == f"{kind.__name__}(lr=0.1)"
    assert repr(kind(lambda1=0.1)) == f"{kind.__name__}(lambda1=0.1)"


# ---------------------------------------------------------------- modules


class OwnModule(ActMLP):
    def initialize_module(self):
        with torch.random.fork_rng():
            torch.manual_seed(0)  # else a score depends on the tests before
            self.module_ = nn.Linear(3, 2)
        return self


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_module_of_ones_own_trains_by_skorchs_loop_and_predicts(dtype):
    table = X.astype(dtype)
    net = a_net(OwnModule, max_epochs=20, lr=0.1).fit(table, y)
    assert net.trained_by_ == "skorch's loop, because OwnModule overrides " + (
        "initialize_module"
    )
    assert net.score(table, y) > 0.8
    assert net.predict_proba(table).dtype == dtype
    with fused():
        search = GridSearchCV(net, {"lr": [0.1, 0.01]}, cv=2).fit(table, y)
    assert search.score(table, y) > 0.8
    stopped = a_net(OwnModule, early_stopping=True).fit(table, y)
    assert "valid_acc" in stopped.history[-1]


def test_nllloss_asks_for_probabilities():
    for criterion in (nn.NLLLoss, nn.NLLLoss()):
        with pytest.raises(
            ValueError, match=r"NLLLoss, .* output_activation='softmax'"
        ):
            a_net(criterion=criterion).fit(X, y)
    net = a_net(criterion=nn.NLLLoss, output_activation="softmax").fit(X, y)
    np.testing.assert_allclose(net.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


# ---------------------------------------------------------------- what callbacks see


class Gradients(Callback):
    def on_epoch_end(self, net, **kwargs):
        grads = [p.grad.clone() for p in net.module_.parameters()]
        net.history.record("grads", grads)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"optimizer": "sgd", "weight_decay": 0.1, "lr": 0.1},
        {"norm": "batch", "depth": 2, "batch_size": 13},
        {"train_split": ValidSplit(3, stratified=False), "activation": "prelu"},
    ],
    ids=["adam", "sgd", "norm", "held out"],
)
def test_callbacks_find_the_gradients_of_the_last_batch_on_both_loops(kind, params):
    net = a_net(kind, callbacks=[Gradients()], **params).fit(X, y)
    other = a_net(kind, callbacks=[Gradients(), GradientNormClipping(1e9, 1)], **params)
    other.fit(X, y)
    assert net.trained_by_ == "the engine" != other.trained_by_
    for ours, theirs in zip(net.history, other.history, strict=True):
        for p, q in zip(ours["grads"], theirs["grads"], strict=True):
            torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


def test_gradients_in_a_fused_search_are_those_alone():
    alone = a_net(callbacks=[Gradients()]).fit(X, y)
    with fused():
        first, second = Parallel()(
            delayed(a_net(callbacks=[Gradients()]).fit)(X, y) for _ in range(2)
        )
    for net in (first, second):
        grads = net.history[-1]["grads"]
        for p, q in zip(alone.history[-1]["grads"], grads, strict=True):
            assert torch.equal(p, q)


def test_a_scoring_function_finds_the_gradients_too():
    def flow(net, X, y):
        return sum(float(p.grad.norm()) for p in net.module_.parameters())

    scoring = EpochScoring(flow, name="flow")
    net = a_net(callbacks=[scoring], train_split=ValidSplit(3)).fit(X, y)
    assert net.trained_by_ == "the engine"
    assert min(net.history[:, "flow"]) > 0


# ---------------------------------------------------------------- parameters


@LOOPS
@pytest.mark.parametrize("call", ["max_epochs", "epochs"])
def test_no_epochs_leave_the_first_weights(call, loop):
    params, keywords = ({"max_epochs": 0}, {}) if call == "max_epochs" else ({}, {})
    if call == "epochs":
        keywords = {"epochs": 0}
    net = a_net(**params, **loop).fit(X, y, **keywords)
    assert len(net.history) == net.n_iter_ == 0
    assert net.trained_by_ == "no loop, because it has no epochs"
    untrained = a_net(**loop).initialize(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), untrained.predict_proba(X))
    trained = net.set_params(max_epochs=2).partial_fit(X, y)
    np.testing.assert_array_equal(
        trained.predict_proba(X), a_net(**loop).fit(X, y).predict_proba(X)
    )


@LOOPS
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_rate_of_zero_changes_no_weight(optimizer, loop):
    net = a_net(optimizer=optimizer, lr=0, **loop).fit(X, y)
    assert len(net.history) == 2
    untrained = a_net(optimizer=optimizer, **loop).initialize(X, y)
    for p, q in zip(
        net.module_.parameters(), untrained.module_.parameters(), strict=True
    ):
        assert torch.equal(p, q)


@LOOPS
def test_train_split_false_holds_out_nothing(loop):
    net = a_net(train_split=False, **loop).fit(X, y)
    a_net(train_split=np.False_, **loop).fit(X, y)
    assert "valid_loss" not in net.history[-1]
    held_out = a_net(train_split=False, early_stopping=True, **loop).fit(X, y)
    assert "valid_loss" in held_out.history[-1]


def test_a_history_is_assigned_and_not_passed():
    with pytest.raises(ValueError, match=r"parameter 'history': assign net\.history"):
        a_net(history=[]).fit(X, y)


# ---------------------------------------------------------------- data


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_what_can_be_fitted_can_be_predicted_and_searched(kind):
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    sliced = SliceDataset(data, 0)
    net, other = a_net(kind).fit(sliced, y), a_net(kind).fit(X, y)
    np.testing.assert_array_equal(net.predict(sliced), other.predict(X))
    targets = SliceDataset(data, 1)
    np.testing.assert_array_equal(
        a_net(kind).fit(sliced, targets).predict(X), net.predict(X)
    )
    search = GridSearchCV(a_net(kind), {"lr": [0.01, 0.1]}, cv=3)
    found = search.fit(sliced, y).cv_results_["mean_test_score"]
    expected = clone(search).fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(found, expected)


@LOOPS
@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_autocast_of_the_caller_trains_the_same_network_and_predicts(kind, loop):
    plain = a_net(kind, **loop).fit(X, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net = a_net(kind, **loop).fit(X, y)
        with fused():
            together = a_net(kind, **loop).fit(X, y)
        rough = net.predict(X)
    for other in (net, together):
        for p, q in zip(
            plain.module_.parameters(), other.module_.parameters(), strict=True
        ):
            assert torch.equal(p, q)
    if kind is ActMLPRegressor:
        np.testing.assert_allclose(rough, plain.predict(X), rtol=0.1, atol=0.05)
    else:
        assert np.mean(rough == plain.predict(X)) > 0.9


# ---------------------------------------------------------------- pickling


class Unpicklable(Callback):
    def __init__(self):
        self.lock = threading.Lock()

    def __deepcopy__(self, memo):
        return self


class UnpicklableOfScikitLearn:
    def __init__(self):
        self.lock = threading.Lock()

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


@LOOPS
def test_a_net_whose_callbacks_were_taken_off_can_be_pickled(loop):
    net = a_net(callbacks=[Unpicklable()], **loop).fit(X, y)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(net)
    net.set_params(callbacks=None)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(net)).predict(X), net.predict(X)
    )
    net.set_callbacks(UnpicklableOfScikitLearn()).fit(X, y)
    net.set_callbacks()
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(net)).predict(X), net.predict(X)
    )


def test_callbacks_that_are_set_take_effect_at_once_as_in_skorch():
    net = a_net().fit(X, y)
    net.set_params(callbacks=[("mine", Gradients())])
    assert "mine" in dict(net.callbacks_)
    net.partial_fit(X, y)
    assert len(net.history) == 4
    assert "grads" in net.history[-1]
    assert "grads" not in net.history[0]
    assert copy.deepcopy(net).set_params(callbacks=None).fit(X, y).history


def test_a_subclass_may_override_on_batch_end_without_calling_ours(iris):
    class Counting(ActMLP):
        def on_batch_end(self, net, batch, training, **kwargs):
            self.n_batches_ = getattr(self, "n_batches_", 0) + 1

    params = {"max_epochs": 2, "random_state": 0}
    net, usual = Counting(**params).fit(*iris), ActMLP(**params).fit(*iris)
    assert net.n_batches_ == 4
    assert net.history[:, "train_loss"] == pytest.approx(usual.history[:, "train_loss"])


def test_a_net_pickles_when_its_unpicklable_callbacks_are_taken_off(iris):
    net = ActMLP(max_epochs=1, callbacks=[("lock", _WithLock())]).fit(*iris)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(net)
    net.callbacks = []
    net.callbacks_ = [named for named in net.callbacks_ if named[0] != "lock"]
    copied = pickle.loads(pickle.dumps(net))
    assert np.array_equal(copied.predict(iris[0]), net.predict(iris[0]))
    with pytest.raises(ValueError, match=r"built with callbacks=.*lock"):
        copied.partial_fit(*iris)  # as before, with other callbacks


class _WithLock(Callback):
    def __init__(self):
        self.lock = threading.Lock()


def test_a_loader_that_gives_no_batch_is_named():
    X = np.random.default_rng(0).normal(size=(30, 3))
    net = ActMLP(batch_size=500, iterator_train__drop_last=True, max_epochs=2)
    with pytest.raises(ValueError, match="would train on no batch: iterator_train"):
        net.fit(X, np.arange(30) % 2)


def test_a_function_that_builds_no_optimizer_is_named():
    X = np.random.default_rng(0).normal(size=(30, 3))
    net = ActMLP(optimizer=lambda params, lr: 3, max_epochs=2)
    with pytest.raises(
        TypeError, match=r"optimizer=.*it builds 3, which has no param_groups"
    ):
        net.fit(X, np.arange(30) % 2)


@pytest.mark.parametrize(
    ("nonlinearity", "message"),
    [
        (lambda output: output[:3], "must keep the rows"),
        (lambda output: output[None], "must keep the rows"),
        (lambda output: output.sum(1), r"outputs of shape \(\d+,\)"),
        (lambda output: output[:, :0], r"outputs of shape \(\d+, 0\): its module and"),
    ],
)
@pytest.mark.parametrize("kind", [ActMLP, ActMLPRegressor])
def test_a_nonlinearity_that_loses_rows_or_columns_is_named(
    kind, nonlinearity, message
):
    X = np.random.default_rng(0).normal(size=(30, 3))
    net = kind(predict_nonlinearity=nonlinearity, max_epochs=1)
    with pytest.raises(ValueError, match=message):
        net.fit(X, np.arange(30) % 2).predict(X)
