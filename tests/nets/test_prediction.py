"""Predictions are the same in any number of threads."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, DivergedError
from skact.network import forward
from skact.network.mlp import Linear

HERE = threading.get_ident


@pytest.fixture(autouse=True)
def many_small_batches(monkeypatch):
    """Let threads have work at a size that suits a test."""
    monkeypatch.setattr(forward, "_MAX_LAYER_VALUES", 1)  # batches of 256 rows
    monkeypatch.setattr(forward, "LITTLE_WORK", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def places(monkeypatch):
    """Threads in which a linear layer was computed."""
    seen, forward = set(), Linear.forward

    def noted(self, x):
        seen.add(HERE())
        return forward(self, x)

    monkeypatch.setattr(Linear, "forward", noted)
    return seen


@pytest.fixture(scope="module")
def table():
    X = np.random.default_rng(0).normal(size=(3000, 20)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


def fitted(table, kind=ActMLP, **params):
    X, y = table
    params = {"hidden": (130, 70), "max_epochs": 1, "random_state": 0, **params}
    return kind(**params).fit(X[:300], y[:300])


def outputs(net, X):
    return torch.cat(list(net.forward_iter(X))).numpy()


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_threads_changes_no_bit(kind, dtype, table, places):
    net = fitted(table, kind, dtype=dtype, norm="batch", dropout=0.3)
    results = []
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        places.clear()
        results.append((outputs(net, table[0]), net.predict(table[0])))
        assert (places == {HERE()}) == (number == 1)
        assert torch.get_num_threads() == number
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("activation", ["rrelu", "swish_beta", "gelu", nn.PReLU()])
def test_skacts_and_torchs_own_activations_are_computed_side_by_side(
    activation, table, places
):
    net = fitted(table, activation=activation)
    places.clear()
    together = outputs(net, sp.csr_array(table[0]))
    assert HERE() not in places
    torch.set_num_threads(1)
    np.testing.assert_array_equal(together, outputs(net, table[0]))


def test_one_batch_and_little_work_start_no_thread(table, places, monkeypatch):
    net = fitted(table)
    outputs(net, table[0][:256])
    monkeypatch.setattr(forward, "LITTLE_WORK", 10**9)
    outputs(net, table[0])
    assert places == {HERE()}


class Watching(ActMLP):
    def infer(self, x, **params):
        return super().infer(x, **params)


class Mine(nn.Module):
    def forward(self, x):
        return x.relu()


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward"])
def test_hooks_are_called_in_the_callers_thread(kind, table, places):
    net, called = fitted(table), []
    layer = net.module_.hidden[1].activation
    getattr(layer, f"register_{kind}_hook")(lambda *args: called.append(HERE()))
    places.clear()
    outputs(net, table[0])
    assert places == {HERE()}
    assert kind == "full_backward" or called == [HERE()] * 12


def test_what_users_bring_is_called_in_the_callers_thread(table, places):
    X, y = table
    nets = [
        Watching(max_epochs=1).fit(X[:300], y[:300]),
        fitted(table, activation=Mine),
        fitted(table, activation=torch.tanh),
        fitted(table, criterion=type("Loss", (nn.CrossEntropyLoss,), {})),
    ]
    for change in ("layer", "forward", "infer", "weight"):
        net = fitted(table)
        hidden = net.module_.hidden[0]
        if change == "layer":
            hidden.activation = Mine()
        elif change == "forward":
            hidden.activation.forward = torch.relu
        elif change == "infer":
            object.__setattr__(net, "infer", net.infer)
        else:
            hidden.linear.weight = type("W", (nn.Parameter,), {})(hidden.linear.weight)
        nets.append(net)
    for net in nets:
        places.clear()
        outputs(net, X)
        assert places == {HERE()}


def test_what_torch_watches_in_a_thread_is_computed_in_it(table, places):
    net = fitted(table)
    places.clear()
    with FlopCounterMode(display=False) as counter:
        outputs(net, table[0])
    assert counter.get_total_flops() > 3000 * 20 * 130
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert next(net.forward_iter(table[0])).dtype == torch.bfloat16
    with torch.device("cpu"), torch.autograd.profiler.profile():
        outputs(net, table[0])
    hook = nn.modules.module.register_module_forward_hook(lambda *args: None)
    outputs(net, table[0])
    hook.remove()
    net.forward(table[0], training=True)
    assert places == {HERE()}
    outputs(net, table[0])
    assert len(places) > 1


def test_modes_of_the_caller_hold_in_all_threads_and_stay_as_they_were(table, places):
    net = fitted(table)
    places.clear()
    for inference in (False, True):
        with torch.inference_mode(inference), torch.enable_grad():
            for output in net.forward_iter(table[0]):
                assert output.is_inference() == inference
                assert not output.requires_grad
                assert torch.is_grad_enabled()
                assert torch.get_num_threads() == 2
    assert HERE() not in places
    assert not any(module.training for module in net.module_.modules())


def test_an_error_in_a_thread_reaches_the_caller(table):
    net = fitted(table)
    net.module_.hidden[0].activation = nn.Softmax(dim=7)
    with pytest.raises(IndexError, match="Dimension out of range"):
        net.predict(table[0])
    assert torch.get_num_threads() == 2


def test_nan_is_refused_before_anything_is_computed(table, places):
    net = fitted(table)
    places.clear()
    X = table[0].copy()
    X[2999, 3] = np.nan
    with pytest.raises(ValueError, match="NaN at row 2999, column 3"):
        next(net.forward_iter(X))
    assert not places


def test_users_nonlinearity_is_called_in_the_callers_thread(table):
    places = []

    def nonlinearity(x):
        places.append(HERE())
        return x.softmax(-1)

    net = fitted(table)
    expected = net.predict_proba(table[0])
    net.set_params(predict_nonlinearity=nonlinearity)
    np.testing.assert_array_equal(net.predict_proba(table[0]), expected)
    assert set(places) == {HERE()}


@pytest.mark.parametrize("wrong", [(300, 19), (0, 20), (20,), (3, 20, 1), ()])
def test_an_array_of_the_wrong_shape_is_refused_as_scikit_learn_does(table, wrong):
    net = fitted(table)
    with pytest.raises(ValueError, match=r"expect|Expect|minimum|dim 3"):
        net.predict(np.ones(wrong, np.float32))


def test_what_an_array_is_like_changes_no_prediction(table):
    X, net = table[0][:300], fitted(table)
    expected = net.predict_proba(X)
    swapped = X.astype(X.dtype.newbyteorder())
    for same in (X.copy(order="F"), X.tolist(), X[:, :], swapped):
        np.testing.assert_array_equal(net.predict_proba(same), expected)


@pytest.mark.parametrize("number", [1, 3])
def test_nan_is_found_in_any_part_of_large_input_and_overflow_is_none(
    number, table, monkeypatch
):
    monkeypatch.setattr("skact.nets.inputs._VALUES_PER_CHECK", 1000)
    torch.set_num_threads(number)
    net, X = fitted(table), table[0].copy()
    expected = net.predict_proba(X)
    X[2000] = np.finfo(X.dtype).max  # finite, but not its sum; in every thread
    with pytest.warns(RuntimeWarning, match=r"NaN for 1 of 3000 .* first is row 2000"):
        found = net.predict_proba(X)
    np.testing.assert_array_equal(found[:2000], expected[:2000])
    for row in (0, 1999, 2999):
        bad = X.copy()
        bad[row, 7] = np.inf
        with pytest.raises(ValueError, match=rf"infinity \(inf\) at row {row}, col"):
            net.predict(bad)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary])
def test_a_row_for_which_the_network_gives_nan_gets_no_label(kind):
    table = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
    # weights of such a size that products of a row overflow to both infinities
    net = kind(max_epochs=2, lr=0.01, init="auto", random_state=0)
    net.fit(table, np.arange(24) % 2)
    table[5] = 3e38
    message = r"gives NaN for 1 of 24 rows \(the first is row 5\)"
    with pytest.warns(RuntimeWarning, match=message):
        proba = net.predict_proba(table)
    assert np.isnan(proba[5]).all()
    assert np.isfinite(np.delete(proba, 5, axis=0)).all()
    for method in (net.predict, lambda X: net.score(X, np.zeros(24))):
        with (
            pytest.warns(RuntimeWarning, match=message),
            pytest.raises(ValueError, match="Such a row has no label"),
        ):
            method(table)


def test_a_regressor_that_predicts_nan_says_so():
    table = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
    net = ActMLPRegressor(max_epochs=2, lr=0.01, init="auto", random_state=0)
    net.fit(table, table[:, 0])
    table[5] = 3e38
    with pytest.warns(RuntimeWarning, match="ActMLPRegressor gives NaN for 1 of 24"):
        assert np.isnan(net.predict(table)[5])


@pytest.mark.parametrize("loop", [{}, {"iterator_train__num_workers": 0}])
def test_held_out_rows_for_which_the_network_gives_nan_stop_the_fit(loop):
    table = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
    held_out = Dataset(np.full((4, 3), 3e38, "float32"), np.zeros(4, int))
    net = ActMLP(train_split=predefined_split(held_out), random_state=0, **loop)
    with pytest.raises(DivergedError, match="loss of held-out rows became nan"):
        net.fit(table, np.arange(24) % 2)
