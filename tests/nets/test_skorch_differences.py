"""The table of deliberate differences from skorch in the user guide: one test a row."""

import os
import re
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import BatchScoring, Callback, EarlyStopping, EpochScoring
from skorch.dataset import Dataset, ValidSplit
from skorch.exceptions import NotInitializedError
from skorch.helper import SliceDataset

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, DivergedError


def test_row_initialize(iris):
    message = "learns its sizes and classes from data: call initialize(X, y)"
    for call in (
        ActMLP().initialize,
        lambda: ActMLP().load_params(checkpoint=_Checkpoint()),
    ):
        with pytest.raises(NotInitializedError, match=re.escape(message)):
            call()
    net = ActMLP().initialize(*iris)
    assert net.predict(iris[0]).shape == (150,)
    assert not net.history
    assert (
        net.initialize().module_.output.out_features == 3
    )  # the data are not needed again


class _Checkpoint:
    f_history = None


def test_row_shuffle(iris):
    X, y = iris
    shuffled = ActMLP(max_epochs=2, batch_size=30, random_state=0).fit(X, y)
    ordered = ActMLP(max_epochs=2, batch_size=30, random_state=0, shuffle=False).fit(
        X, y
    )
    assert not torch.equal(
        shuffled.module_.output.weight, ordered.module_.output.weight
    )


def test_row_train_split(iris):
    net = ActMLP(max_epochs=1).fit(*iris)
    assert "valid_loss" not in net.history[-1]
    assert sum(batch["train_batch_size"] for batch in net.history[-1, "batches"]) == 150


def test_row_defaults():
    ours, theirs = (
        ActMLP().get_params(),
        NeuralNetClassifier(torch.nn.Identity).get_params(),
    )
    assert (ours["verbose"], theirs["verbose"]) == (0, 1)
    assert (ours["optimizer"], theirs["optimizer"]) == ("adam", torch.optim.SGD)
    assert (ours["max_epochs"], theirs["max_epochs"]) == (50, 10)
    assert (ours["lr"], theirs["lr"]) == (0.002, 0.01)
    assert ours["batch_size"] == theirs["batch_size"]


@pytest.mark.parametrize("moment", ["on_batch_begin", "on_epoch_end"])
def test_row_ctrl_c(moment, iris):
    # a real signal, in the middle of an epoch and at its end
    class PressCtrlC(Callback):
        pass

    def press(self, net, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)  # the signal arrives in here

    setattr(PressCtrlC, moment, press)
    with pytest.raises(KeyboardInterrupt):
        ActMLP(callbacks=[PressCtrlC()]).fit(*iris)


def test_row_ctrl_c_with_a_handler_of_the_users_own(iris):
    class PressCtrlC(Callback):
        def on_epoch_end(self, net, **kwargs):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(5)

    def handler(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            ActMLP(callbacks=[PressCtrlC()]).fit(*iris)
    finally:
        signal.signal(signal.SIGINT, before)


def test_row_ctrl_c_is_not_a_callback_that_stops(iris):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt  # skorch's own way, in EarlyStopping

    assert len(ActMLP(callbacks=[Stop()]).fit(*iris).history) == 1


def test_row_keywords(iris):
    for params, message in [
        ({"module__width": 3}, "'module__width' would have no effect"),
        (
            {"criterion__reduction": "sum"},
            "'criterion__reduction' would have no effect",
        ),
        ({"no_such": 3}, "unexpected parameter 'no_such'"),
        ({"widht_": 3}, "unexpected parameter 'widht_'"),
        ({"history": []}, "unexpected parameter 'history': assign net.history"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            ActMLP(**params).fit(*iris)


def test_row_not_fitted(iris):
    for error in (NotInitializedError, NotFittedError):
        with pytest.raises(error, match="This ActMLP instance is not fitted yet"):
            ActMLP().predict(iris[0])


def test_row_repr(iris):
    assert repr(ActMLP(width=3)) == "ActMLP(width=3)"
    assert repr(ActMLP(max_epochs=1).fit(*iris)) == "ActMLP(max_epochs=1)"


def test_row_errors(iris):
    for params, message in [
        ({"optimizer__betas": (0.9,)}, "'optimizer__betas' parameter of ActMLP"),
        ({"predict_nonlinearity": 3}, "'predict_nonlinearity' parameter of ActMLP"),
        ({"callbacks": [EarlyStopping()]}, "There are no validation rows"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            ActMLP(**params).fit(*iris)


def test_row_attributes(iris):
    net = ActMLP(max_epochs=1)
    net.note = "mine"
    net.fit(*iris)
    assert "note" not in net.get_params()
    assert not hasattr(clone(net), "note")


def test_row_split(iris):
    def split(dataset, y):
        return Dataset(dataset.X[::2], dataset.y[::2]), dataset

    labels = np.array(["a", "b", "c"])[iris[1]]
    net = ActMLP(max_epochs=2, train_split=split, class_weight="balanced")
    assert set(net.fit(iris[0], labels).predict(iris[0])) <= {"a", "b", "c"}
    with pytest.raises(ValueError, match="lost the sample_weight of its rows"):
        net.fit(iris[0], labels, sample_weight=np.linspace(1, 2, 150))

    def own(dataset, y):
        shown.append(dataset[0][1])
        return dataset, Dataset(*iris)

    shown: list = []
    net = ActMLP(max_epochs=1, train_split=own)
    net.fit(*iris, sample_weight=np.linspace(1, 2, 150))
    assert net.history[-1, "valid_acc"] == net.score(*iris)
    net.set_params(train_split=lambda dataset, y: (own(dataset, y)[0], None))
    net.fit(iris[0], labels)
    assert shown == [iris[1][0], labels[0]]


def test_row_nan(iris):
    X, y = iris[0].astype("float32"), iris[1]
    net = ActMLP(max_epochs=1, init="auto", random_state=0).fit(X, y)
    X = X.copy()
    X[3] = 3e38
    with pytest.warns(RuntimeWarning, match="gives NaN for 1 of 150 rows"):
        assert np.isnan(net.predict_proba(X)[3]).all()


def test_row_set_params(iris):
    net = ActMLP(width=8, max_epochs=1).fit(*iris)
    net.set_params(
        width=16, module__bias=False
    )  # skorch would build the module anew here
    assert net.module_.hidden[0].linear.out_features == 8
    del net.module__bias
    assert net.fit(*iris).module_.hidden[0].linear.out_features == 16


def test_row_labels(cancer):
    X, y = cancer
    for kind in (ActMLP, ActMLPBinary):
        net = kind(max_epochs=2).fit(X, np.where(y, "benign", "malignant"))
        assert set(net.predict(X)) <= {"benign", "malignant"}
        assert net.classes_.tolist() == ["benign", "malignant"]
    with pytest.raises(ValueError, match="unexpected parameter 'classes'"):
        ActMLP(classes=[0, 1]).fit(X, y)
    assert ActMLP(max_epochs=1).partial_fit(
        X, y, classes=[0, 1, 2]
    ).classes_.tolist() == [0, 1, 2]


def test_row_threshold(cancer):
    with pytest.raises(ValueError, match="unexpected parameter 'threshold'"):
        ActMLPBinary(threshold=0.3).fit(*cancer)


def test_row_loss(iris):
    X, y = iris
    weight = np.where(y == 0, 3.0, 1.0)
    options = {"max_epochs": 1, "batch_size": -1, "lr": 1e-30, "random_state": 0}
    net = ActMLP(**options).fit(X, y, sample_weight=weight)
    logits = ActMLP(random_state=0).initialize(X, y).forward(X)
    losses = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(y), reduction="none"
    )
    expected = np.average(losses.numpy(), weights=weight)
    assert net.history[-1, "train_loss"] == pytest.approx(expected)


def test_row_scores(iris):
    class Right(ActMLP):
        def score(self, X, y, sample_weight=None):
            seen.append(None if sample_weight is None else len(sample_weight))
            return 1.0

    seen: list = []
    scorings = [EpochScoring(None, name="mine"), BatchScoring(None, name="theirs")]
    net = Right(callbacks=scorings, train_split=ValidSplit(3), max_epochs=1)
    net.fit(*iris, sample_weight=np.linspace(1, 2, 150))
    assert seen == [None, 50]


def test_row_dtype(iris):
    X, y = iris
    assert ActMLP(max_epochs=1).fit(X, y).module_.output.weight.dtype == torch.float64
    linear = {"module__in_features": 4, "module__out_features": 3}
    skorchs = NeuralNetClassifier(torch.nn.Linear, verbose=0, **linear)
    with pytest.raises(RuntimeError, match="dtype"):  # skorch leaves it to the user
        skorchs.fit(X, y)


def test_row_regressor(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(max_epochs=1).fit(X, y)
    assert net.predict(X).shape == y.shape == (300,)
    assert not hasattr(net, "predict_proba")
    assert hasattr(NeuralNetRegressor(torch.nn.Identity), "predict_proba")


def test_row_diverged(diabetes):
    with pytest.raises(DivergedError):
        ActMLPRegressor(optimizer="sgd", lr=1e9).fit(*diabetes)


def test_row_prediction(iris):
    X, y = iris

    class Count(ActMLP):
        def infer(self, x, **params):
            sizes.append(len(x))
            return super().infer(x, **params)

    sizes: list = []
    net = Count(max_epochs=1, batch_size=10).fit(X, y)
    sizes.clear()
    net.predict(X)
    assert sizes == [150]


def test_row_random_state(iris):
    X, y = iris
    before = torch.get_rng_state()
    first, second = (ActMLP(max_epochs=1, random_state=0).fit(X, y) for _ in range(2))
    assert torch.equal(first.module_.output.weight, second.module_.output.weight)
    assert torch.equal(before, torch.get_rng_state())


def test_row_threads(iris):
    class Threads(ActMLP):
        def infer(self, x, **params):
            seen.add(torch.get_num_threads())
            return super().infer(x, **params)

    seen: set = set()
    before = torch.get_num_threads()
    Threads(max_epochs=1).fit(*iris).predict(iris[0])
    assert seen == {1}
    assert torch.get_num_threads() == before


def test_row_loop(iris):
    class Looks(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.module_.output.weight.detach().clone())

    seen: list = []
    net = ActMLP(max_epochs=3, callbacks=[Looks()], batch_size=50).fit(*iris)
    assert net.trained_by_ == "the engine"
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[-1], net.module_.output.weight)
    losses = net.history[:, "batches", :, "train_loss"]
    assert [len(of_epoch) for of_epoch in losses] == [3, 3, 3]
    by_skorch = ActMLP(max_epochs=1, optimizer=torch.optim.RMSprop).fit(*iris)
    assert by_skorch.trained_by_ == (
        "skorch's loop, because the optimizer RMSprop has no stacked form"
    )


def test_row_input(iris):
    X, y = iris
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    assert ActMLP(max_epochs=1).fit(dataset, None).n_features_in_ == 4
    sliced = SliceDataset(dataset, 0)
    assert len(ActMLP(max_epochs=1).fit(sliced, y).predict(sliced)) == 150
    assert len(ActMLP().fit(X, y, epochs=2).history) == 2
    split = ValidSplit(GroupKFold(3), stratified=False)
    net = ActMLP(max_epochs=1, train_split=split)
    assert "valid_loss" in net.fit(X, y, groups=np.arange(150) % 5).history[-1]
    with pytest.raises(TypeError, match="must be one table"):
        ActMLP().fit({"X": X}, y)


def test_each_row_of_the_guide_has_its_test():
    guide = Path(__file__).parents[2] / "docs" / "guide" / "from_skorch.md"
    table = guide.read_text().split("## What is deliberately different")[1]
    rows = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
    tests = {
        name.removeprefix("test_row_")
        for name in globals()
        if name.startswith("test_row_")
    }
    assert rows
    assert set(rows) == {name for name in tests if not name.startswith("ctrl_c_")}
