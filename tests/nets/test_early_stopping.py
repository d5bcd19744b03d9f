"""Early stopping is the same: fused, alone, with hooks, and by skorch's own loop."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from skorch.callbacks import Callback, EarlyStopping, EpochScoring
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, TrainingLog, fused
from skact.exceptions import DivergedError
from skact.nets.eligibility import plan_fit

X = np.random.default_rng(0).normal(size=(83, 5))
LABELS = {
    ActMLP: np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3],
    ActMLPBinary: np.array(["no", "yes"])[np.arange(83) % 2],
    ActMLPRegressor: X @ np.arange(5) / 10,
}
PARAMS = {
    "width": 9,
    "depth": 2,
    "batch_size": 20,
    "max_epochs": 12,
    "optimizer": "sgd",
    "lr": 0.1,
    "random_state": 3,
}


class Hooked(Callback):
    """Does nothing, but the engine cannot know."""

    def on_epoch_end(self, net, **kwargs):
        pass


class OnSkorch(Callback):
    """Does nothing, but at each batch: so skorch's loop trains."""

    def on_batch_begin(self, net, **kwargs):
        pass


def silent(*args):
    pass


def rows_of(history):
    return [
        {name: cell for name, cell in row.items() if name != "dur"} for row in history
    ]


def assert_equal_fits(net, other):
    """Equal bit for bit: history, weights, what the callbacks know."""
    assert rows_of(net.history_) == rows_of(other.history_)
    state = other.module_.state_dict()
    for name, value in net.module_.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert repr(knowledge_of(net)) == repr(knowledge_of(other))


def check_is_nearly_best(history, i, score):
    """Rounding decides which of equal scores is the best."""
    before = history[:i, score]
    best = max(before) if "acc" in score else min(before)
    assert history[i, score] == pytest.approx(best, rel=1e-5, abs=1e-6), score


def assert_close_rows(history, other, i):
    row, theirs = history[i], other[i]
    assert row.keys() == theirs.keys()
    for name in row.keys() - {"batches", "dur"}:
        if name.endswith("_best") and row[name] != theirs[name]:
            check_is_nearly_best(history, i, name.removesuffix("_best"))
            continue
        assert row[name] == pytest.approx(theirs[name], rel=1e-5, abs=1e-6), name
        assert type(row[name]) is type(theirs[name]), name
    for batch, their in zip(row["batches"], theirs["batches"], strict=True):
        assert batch == pytest.approx(their, rel=1e-5, abs=1e-6)


def assert_close_fits(net, other):
    """Equal to rounding."""
    assert len(net.history_) == len(other.history_)
    for i in range(len(net.history_)):
        assert_close_rows(net.history_, other.history_, i)
    state = other.module_.state_dict()
    for name, value in net.module_.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=1e-5, atol=1e-6)
    assert net.module_.training == other.module_.training
    ours, theirs = knowledge_of(net), knowledge_of(other)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        for key, value in values.items():
            if key == "best_model_weights_" and value is not None:
                assert type(value) is type(theirs[name][key])
                assert list(value) == list(theirs[name][key])
                for part, weight in value.items():
                    expected = theirs[name][key][part]
                    torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-6)
            elif isinstance(value, float):
                assert value == pytest.approx(theirs[name][key], rel=1e-5), key
            else:
                assert value == theirs[name][key]


def knowledge_of(net):
    """Return what training leaves in the callbacks of a net."""
    names = ("best_score_", "misses_", "dynamic_threshold_", "best_epoch_")
    names = (*names, "best_model_weights_", "y_trues_", "y_preds_")
    return {
        name: {key: vars(callback)[key] for key in names if key in vars(callback)}
        for name, callback in net.callbacks_
        if name not in ("hooked", "on_skorch")
    }


stoppings = st.none() | st.fixed_dictionaries(
    {
        "monitor": st.sampled_from(["valid_loss", "valid_acc", "train_loss", "score"]),
        "patience": st.integers(1, 4),
        "threshold": st.sampled_from([0, 1e-4, 0.05]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "load_best": st.booleans(),
    }
)
cases = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([ActMLP, ActMLPBinary, ActMLPRegressor]),
        "stopping": stoppings,
        "weights": st.sampled_from([None, "some", "zeros"]),
        "is_sparse": st.booleans(),
        "split": st.sampled_from([None, "valid", "predefined"]),
        "params": st.fixed_dictionaries(
            {
                "norm": st.sampled_from([None, "batch", "layer"]),
                "dropout": st.sampled_from([0.0, 0.3]),
                "activation": st.sampled_from(["relu", "rrelu", "prelu", "gelu"]),
                "batch_size": st.sampled_from([20, 7, -1]),
                "optimizer": st.sampled_from(["sgd", "adam"]),
                "patience": st.integers(1, 3),
            }
        ),
        "class_weight": st.sampled_from([None, "balanced"]),
        "fits": st.integers(1, 2),
    }
)


def callbacks_of(case):
    """Return the callbacks of a case: a score, and early stopping."""
    if case["stopping"] is None:
        return []
    options, callbacks = dict(case["stopping"]), []
    if case["kind"] is not ActMLPRegressor:
        callbacks.append(EpochScoring("accuracy", name="score"))
        options["lower_is_better"] = options["monitor"].endswith("loss")
    elif not options["monitor"].endswith("loss"):
        options["monitor"] = "valid_loss"
    return [*callbacks, EarlyStopping(**options, sink=silent)]


def fit(case, *extra, random_state=3):
    """Fit the net of a case, with further callbacks."""
    kind, split = case["kind"], case["split"]
    y, params = LABELS[kind], {**PARAMS, **case["params"]}
    params["early_stopping"] = case["stopping"] is None
    if split == "predefined":
        params["train_split"] = predefined_split(Dataset(X[:17] / 2, y[:17]))
    elif split == "valid" or case["stopping"] is not None:
        params["train_split"] = ValidSplit(4)
    if params["optimizer"] == "adam":
        params["optimizer__eps"] = 1e-3  # else it scales rounding errors up
    if params["optimizer"] == "sgd":
        params["lr"] = 0.02  # more, and some draws diverge
    if kind is ActMLPRegressor:
        params["lr"] = 0.01
    elif case["fits"] == 1:
        params["class_weight"] = case["class_weight"]
    weight = None
    if case["weights"] is not None:
        weight = np.arange(83) % 4 / 4  # so that sums are exact
        weight[::2] *= case["weights"] != "zeros"
    callbacks = [*extra, *callbacks_of(case)]
    net = kind(**{**params, "random_state": random_state}, callbacks=callbacks)
    table = sp.csr_matrix(X) if case["is_sparse"] else X
    net.fit(table, y, weight)
    if case["fits"] == 2:
        net.partial_fit(table, y, sample_weight=weight)
    return net


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases)
def test_a_fit_stops_and_scores_the_same_on_each_path(case):
    alone = fit(case)
    assert alone.trained_by_ == "the engine"
    with fused() as session:
        first, _, third = Parallel()(
            delayed(fit)(case, random_state=seed) for seed in (3, 0, 3)
        )
    assert session.report.n_fused == 3 * case["fits"]
    assert_equal_fits(first, alone)
    assert_equal_fits(third, alone)
    hooked = fit(case, ("hooked", Hooked()))
    assert_close_fits(alone, hooked)
    theirs = fit(case, ("on_skorch", OnSkorch()))
    assert "works batch by batch" in theirs.trained_by_
    assert_close_fits(alone, theirs)


# ------------------------------------------------------------------------ no hooks


def test_nothing_runs_between_the_epochs(monkeypatch):
    def plan(*args):
        plans.append(plan_fit(*args))
        return plans[-1]

    plans: list = []
    monkeypatch.setattr("skact.nets.base.plan_fit", plan)
    ActMLP(early_stopping=True, **PARAMS).fit(X, LABELS[ActMLP])
    assert plans[0].between_epochs == "nobody"
    idle = type("Idle", (EarlyStopping,), {})
    net = ActMLP(train_split=ValidSplit(3), callbacks=[idle()], **PARAMS)
    net.fit(X, LABELS[ActMLP])
    assert plans[1].between_epochs == "changes"


def test_the_log_knows_all_epochs_and_their_weights():
    log = TrainingLog()
    log.scorer()
    params = {**PARAMS, "early_stopping": True, "patience": 2, "max_epochs": 30}
    net = ActMLP(**params).set_callbacks(log).fit(X, LABELS[ActMLP])
    assert 2 < len(net.history_) < 30
    log.validate(net, X, LABELS[ActMLP])
    curve = log.fits[0].history["fold_loss"]
    assert len(curve) == len(net.history_)
    assert log.fits[0].history["valid_loss"] == net.history_[:, "valid_loss"]
    stopping = dict(net.callbacks_)["early_stopping"]
    log_of_best = curve[stopping.best_epoch_ - 1]
    losses = ActMLP(**params, callbacks=[Hooked()])
    losses.set_callbacks(TrainingLog()).fit(X, LABELS[ActMLP])
    proba = net.predict_proba(X)  # of the best weights
    codes = np.arange(83) % 3
    assert log_of_best == pytest.approx(-np.log(proba[np.arange(83), codes]).mean())
    np.testing.assert_allclose(proba, losses.predict_proba(X))


def test_a_fitted_net_pickles_small_and_trains_on():
    params = {**PARAMS, "early_stopping": True, "patience": 2}
    net = ActMLP(**params).fit(X, LABELS[ActMLP])
    copied = pickle.loads(pickle.dumps(net))
    net.partial_fit(X, LABELS[ActMLP])
    copied.partial_fit(X, LABELS[ActMLP])
    assert_equal_fits(net, copied)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float32_is_scored_in_float32(dtype):
    params = {**PARAMS, "early_stopping": True, "dtype": dtype, "max_epochs": 3}
    net = ActMLP(**params).fit(X, LABELS[ActMLP])
    other = ActMLP(**params, callbacks=[OnSkorch()]).fit(X, LABELS[ActMLP])
    assert net.history_[:, "valid_loss"] == pytest.approx(
        other.history_[:, "valid_loss"], rel=1e-4
    )
    assert net.history_[:, "valid_acc"] == other.history_[:, "valid_acc"]


# ------------------------------------------------------------------------ failures


@pytest.mark.parametrize("callbacks", [[], [Hooked()], [OnSkorch()]])
@pytest.mark.parametrize("max_epochs", [0, 5])
def test_a_nan_loss_of_held_out_rows_ends_the_fit(max_epochs, callbacks, monkeypatch):
    # finite, but their products overflow to infinity of both signs
    rows = np.where(np.arange(5) % 2, -1e308, 1e308) * np.ones((6, 1))
    split = predefined_split(Dataset(rows, LABELS[ActMLP][:6]))
    params = {**PARAMS, "max_epochs": max_epochs, "train_split": split, "lr": 1e-3}
    params["init"] = "auto"  # weights so large that the products overflow
    net = ActMLP(callbacks=callbacks, **params)
    if max_epochs == 0:
        assert len(net.fit(X, LABELS[ActMLP]).history_) == 0
        return
    log = TrainingLog()
    net.set_callbacks(log)
    with pytest.raises(
        DivergedError, match="loss of held-out rows became nan in epoch 1"
    ):
        net.fit(X, LABELS[ActMLP])
    assert not net.initialized_
    history = log.fits[0].history
    assert len(history["epoch"]) == 1
    assert "valid_loss" not in history


def test_a_loss_that_diverges_in_training_is_named_as_such():
    params = {**PARAMS, "lr": 1e200, "early_stopping": True}
    for callbacks in ([], [Hooked()], [OnSkorch()]):
        with pytest.raises(DivergedError, match="diverged: the loss became"):
            ActMLP(callbacks=callbacks, **params).fit(X, LABELS[ActMLP])


def test_ctrl_c_leaves_what_was_trained(monkeypatch):
    from skact.engine.stack import Stack

    def run_epoch(self, epochs):
        if epochs[0] == 3:
            raise KeyboardInterrupt
        return run(self, epochs)

    run = Stack.run_epoch
    monkeypatch.setattr(Stack, "run_epoch", run_epoch)
    net = ActMLP(early_stopping=True, **PARAMS)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, LABELS[ActMLP])
    assert len(net.history_) == 3
    stopping = dict(net.callbacks_)["early_stopping"]
    assert 1 <= stopping.best_epoch_ <= 3
    assert stopping.best_model_weights_ is not None
