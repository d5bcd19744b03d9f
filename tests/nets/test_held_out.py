"""Held-out rows are scored as skorch's loop scores them, in any number of threads."""

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
)
from skorch.dataset import ValidSplit
from skorch.exceptions import SkorchException, SkorchWarning

from skact import ActMLP, fused
from skact.engine.batches import to_tensor
from skact.nets.held_out import has_no_batch_callbacks
from skact.parameters.callback_errors import NoHeldOutRowsError
from skact.threads import use_threads

rng = np.random.default_rng(0)
X = rng.normal(size=(83, 5))
y = np.array(["setosa", "versicolor", "virginica"])[np.arange(83) % 3]


@pytest.mark.parametrize("use_caching", [True, False, "auto"])
def test_scores_of_validation_rows_are_those_of_skorchs_loop(use_caching, both_loops):
    def scoring():
        return [
            EpochScoring("f1_macro", name="f1", lower_is_better=False),
            EpochScoring("neg_log_loss", name="log_loss", lower_is_better=False),
            BatchScoring("accuracy", name="batch_acc", lower_is_better=False),
        ]

    both_loops(scoring, train_split=ValidSplit(3), use_caching=use_caching)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_held_out_rows_of_many_fits_are_scored_as_those_of_one(n_threads):
    table = rng.normal(size=(6000, 100)).astype(np.float32)
    labels = np.arange(6000) % 7
    net = ActMLP(
        hidden=(128,), max_epochs=2, early_stopping=True, validation_fraction=0.5
    )
    params = {"activation": ["relu", "tanh"], "random_state": [0, 1]}
    fitted = []
    for parameters in ParameterGrid(params):
        with use_threads(1):
            fitted.append(clone(net).set_params(**parameters).fit(table, labels))
    with use_threads(n_threads), fused():
        together = Parallel()(
            delayed(clone(net).set_params(**parameters).fit)(table, labels)
            for parameters in ParameterGrid(params)
        )
    for one, other in zip(fitted, together, strict=True):
        assert other.trained_by_ == "the engine"
        keys = ("valid_loss", "valid_acc", "valid_loss_best", "valid_batch_count")
        assert one.history[:, keys] == other.history[:, keys]
        keys = ("valid_loss", "valid_batch_size", "valid_batch_weight")
        batches = [net.history[:, "batches", :, keys] for net in (one, other)]
        assert batches[0] == batches[1]


def test_a_network_that_computes_otherwise_fails_by_itself():
    def fit(fails):
        net = ActMLP(max_epochs=3, early_stopping=True, random_state=0)
        net.callbacks = [("breaks", Breaks())] if fails else None
        try:
            return net.fit(X, y)
        except ValueError as error:
            return str(error)

    with fused():
        good, bad = Parallel()(delayed(fit)(fails) for fails in (False, True))
    assert len(good.history) == 3
    assert "what the engine trains: forward of the module was replaced" in bad


class Breaks(Callback):
    """Takes the network away after an epoch."""

    def on_epoch_end(self, net, **kwargs):
        net.module_.forward = lambda x: x


def test_sparse_rows_that_are_held_out_are_made_dense_little_by_little(monkeypatch):
    def dense(array):
        sizes.append(array.shape)
        return to_tensor(array)

    sizes: list = []
    table = rng.normal(size=(400, 50)) * (rng.random((400, 50)) < 0.1)
    labels = np.arange(400) % 3
    net = ActMLP(max_epochs=2, early_stopping=True, validation_fraction=0.5)
    net.set_params(random_state=0, width=8)
    plain = clone(net).fit(table, labels)
    monkeypatch.setattr("skact.engine.validation.to_tensor", dense)
    monkeypatch.setattr("skact.engine.validation._ROWS_AT_ONCE", 64)
    monkeypatch.setattr("skact.engine.batches._MAX_DENSE_BYTES", 0)
    sparse = clone(net).fit(sp.csr_matrix(table), labels)
    assert [shape[0] for shape in sizes if shape[1:]] == 2 * [64, 64, 64, 8]
    keys = ("valid_acc", "valid_batch_count")
    assert sparse.history[:, keys] == plain.history[:, keys]
    np.testing.assert_allclose(
        sparse.history[:, "valid_loss"], plain.history[:, "valid_loss"], rtol=1e-9
    )


class CollectsToo(EpochScoring):
    def on_batch_end(self, net, **kwargs):
        super().on_batch_end(net, **kwargs)


def on_instance():
    callback = Callback()
    callback.on_batch_begin = lambda net, **kwargs: None
    return callback


@pytest.mark.parametrize(
    ("callback", "has_none"),
    [
        (Callback(), True),
        (EpochScoring("accuracy"), True),
        (EarlyStopping(), True),
        (BatchScoring("accuracy"), False),
        (CollectsToo("accuracy"), False),
        (on_instance(), False),
    ],
    ids=["callback", "by epoch", "stopping", "by batch", "a subclass", "on instance"],
)
def test_callbacks_that_look_at_batches_are_found(callback, has_none):
    assert has_no_batch_callbacks([("one", Callback()), ("two", callback)]) == has_none
    assert has_no_batch_callbacks([])


@pytest.mark.parametrize("callback", [Checkpoint, EarlyStopping])
@pytest.mark.parametrize("loop", [{}, {"iterator_train__num_workers": 0}])
def test_users_of_both_libraries_catch_the_error_of_missing_held_out_rows(
    callback, loop
):
    for error in (ValueError, SkorchException, NoHeldOutRowsError):
        with pytest.raises(error, match="There are no validation rows: skact trains"):
            ActMLP(callbacks=[callback()], **loop).fit(np.ones((9, 2)), [0, 1, 1] * 3)


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_a_score_of_held_out_rows_that_a_fit_lacks_is_said(kind):
    net = ActMLP(max_epochs=1, callbacks=[("f1", kind("f1_macro", name="f1"))])
    message = r"callbacks \['f1'\] of ActMLP record nothing, because no rows are held"
    with pytest.warns(SkorchWarning, match=message):
        net.fit(X, y)
    assert "f1" not in net.history[-1]
    # these record: no warning, which would be an error here
    assert "f1" in net.set_params(early_stopping=True).fit(X, y).history[-1]
    training = kind("f1_macro", name="f1", on_train=True)
    net.set_params(early_stopping=False, callbacks=[training])
    assert "f1" in net.fit(X, y).history[-1]


def test_rows_that_a_subclass_holds_out_are_scored_without_a_word():
    class Own(ActMLP):
        def get_split_datasets(self, X, y=None, **params):
            return self.get_dataset(X, y), self.get_dataset(X, y)

    scoring = EpochScoring("f1_macro", name="f1")
    assert "f1" in Own(max_epochs=1, callbacks=[scoring]).fit(X, y).history[-1]
