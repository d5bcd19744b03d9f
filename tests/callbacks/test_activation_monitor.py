"""The monitor records what layers are, and nothing of the training knows of it."""

import contextlib
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale
from skorch.callbacks import EpochScoring, LRScheduler
from torch import nn

from skact import (
    ActivationMonitor,
    ActMLP,
    ActMLPBinary,
    ActMLPRegressor,
    DivergedError,
    TrainingLog,
    fused,
    list_activations,
    to_frame,
    to_hiplot,
)

X, y = load_iris(return_X_y=True)
X = scale(X).astype(np.float32)
KEYS = ("dead", "saturated", "preact_mean", "preact_std", "act_mean", "act_std")


def a_net(**parameters: Any) -> ActMLP:
    """A net whose monitor looks at all rows."""
    net = ActMLP(max_epochs=3, batch_size=50, random_state=0, width=12)
    net.set_params(callbacks=[ActivationMonitor(n_rows=1000)])
    return net.set_params(**parameters)


def columns(net: Any) -> dict[str, list[Any]]:
    frame = to_frame(net).drop(columns="dur")
    return {name: frame[name].tolist() for name in frame}


def by_hand(net: Any, data: np.ndarray, codes: np.ndarray, loss: Any) -> dict[str, Any]:
    """Work the last epoch out from the fitted module, with plain autograd."""
    module = net.module_.eval()
    x = torch.as_tensor(data)
    found: dict[str, Any] = {}
    for k, layer in enumerate(module.hidden, start=1):
        z = layer.norm(layer.linear(x)).detach().requires_grad_()
        a = layer.activation(z)
        (slope,) = torch.autograd.grad(a.sum(), z)
        a = a.detach()
        dead = ((a == 0) & (slope == 0)).all(0)
        flat = (slope.abs().mean(0) < 0.05) & ~dead
        found |= {
            f"dead_{k}": dead.float().mean(),
            f"saturated_{k}": flat.float().mean(),
        }
        found |= {f"preact_mean_{k}": z.mean(), f"preact_std_{k}": z.std(correction=0)}
        found |= {f"act_mean_{k}": a.mean(), f"act_std_{k}": a.std(correction=0)}
        x = a
    module.zero_grad()
    loss(module(torch.as_tensor(data)), torch.as_tensor(codes)).backward()
    for k, layer in enumerate(module.hidden, start=1):
        found[f"grad_norm_{k}"] = layer.linear.weight.grad.norm()
    found["grad_norm_out"] = module.output.weight.grad.norm()
    found["grad_ratio"] = found["grad_norm_1"] / found["grad_norm_out"]
    module.zero_grad()
    return {name: value.item() for name, value in found.items()}


NETS = {
    "relu": {"activation": "relu"},
    "two layers": {"activation": ("tanh", "silu"), "depth": 2},
    "learnable": {"activation": "prelu", "depth": 2},
    "a slope a unit": {"activation": nn.PReLU(12)},
    "batch norm": {"norm": "batch", "depth": 2},
    "layer norm": {"norm": "layer"},
    "dropout": {"dropout": 0.3},
    "a function of the user's": {"activation": torch.sin},
    "skorch's loop": {"optimizer": torch.optim.RMSprop},
    "float64": {"dtype": "float64"},
    "softmax inside": {"activation": ("softmax", "relu"), "depth": 2},
}


@pytest.mark.parametrize("kind", NETS)
def test_it_records_what_plain_autograd_finds_in_the_fitted_net(kind: str) -> None:
    net = a_net(**NETS[kind]).fit(X, y)
    history = net.history[-1]
    data = X.astype(net.dtype_)
    for name, value in by_hand(net, data, y, nn.CrossEntropyLoss()).items():
        if kind == "softmax inside" and name in ("dead_1", "saturated_1"):
            assert name not in history
            continue
        assert history[name] == pytest.approx(value, rel=1e-3, abs=1e-6), name


def test_binary_nets_and_regressors_are_monitored() -> None:
    two = a_net().get_params()
    net = ActMLPBinary(
        **{k: two[k] for k in ("width", "max_epochs", "callbacks", "random_state")}
    )
    net.fit(X[:100], y[:100])

    def bce(outputs: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(
            outputs[:, 0], codes.to(outputs)
        )

    for name, value in by_hand(net, X[:100], y[:100], bce).items():
        assert net.history[-1, name] == pytest.approx(value, rel=1e-3, abs=1e-6)
    data, target = load_diabetes(return_X_y=True)
    data, target = scale(data), scale(target)
    regressor = ActMLPRegressor(max_epochs=2, callbacks=[ActivationMonitor(500)])
    regressor.fit(data, target)
    expected = by_hand(regressor, data, target[:, None], nn.MSELoss())
    assert regressor.history[-1, "grad_norm_1"] == pytest.approx(
        expected["grad_norm_1"]
    )


@pytest.mark.parametrize("session", [contextlib.nullcontext, fused])
@pytest.mark.parametrize("kind", ["relu", "learnable", "batch norm", "dropout"])
def test_the_network_is_the_same_with_and_without_it(kind: str, session: Any) -> None:
    with_it = a_net(**NETS[kind])
    without = clone(with_it).set_params(callbacks=None)
    grid = {"lr": [0.1, 0.01]}
    searches = []
    for net in (with_it, without):
        net.set_callbacks(TrainingLog())
        search = GridSearchCV(net, grid, cv=3)
        with session():
            searches.append(search.fit(X, y))
    a, b = (search.best_estimator_ for search in searches)
    assert a.trained_by_ == "the engine"
    for name, weight in a.module_.state_dict().items():
        assert torch.equal(weight, b.module_.state_dict()[name])
    first, second = (to_frame(search, "epoch") for search in searches)
    assert first["train_loss"].equals(second["train_loss"])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_every_fit_of_a_search_has_it_as_alone(n_jobs: int | None) -> None:
    net = a_net(depth=2).set_callbacks(TrainingLog())
    frames = []
    for session, jobs in ((fused, None), (contextlib.nullcontext, n_jobs)):
        search = GridSearchCV(net, {"lr": [0.1, 0.01]}, cv=3, n_jobs=jobs)
        with session():
            frames.append(to_frame(search.fit(X, y), "epoch").drop(columns="dur"))
    assert frames[0].equals(frames[1])
    assert {f"{key}_{k}" for key in KEYS for k in (1, 2)} <= set(frames[0].columns)
    assert frames[0].notna().all(axis=None)


def test_updates_compare_each_epoch_with_the_one_before() -> None:
    nets = [a_net(max_epochs=n).fit(X, y) for n in (1, 2)]
    before, after = (net.module_.output.weight.detach() for net in nets)
    expected = ((after - before).norm() / before.norm()).item()
    assert nets[1].history[-1, "update_ratio_out"] == pytest.approx(expected, rel=1e-5)
    fresh = a_net().initialize(X, y).module_.hidden[0].linear.weight.detach()
    first = nets[0].module_.hidden[0].linear.weight.detach()
    expected = ((first - fresh).norm() / fresh.norm()).item()
    assert nets[0].history[0, "update_ratio_1"] == pytest.approx(expected, rel=1e-5)


def test_training_in_parts_records_what_training_at_once_does() -> None:
    once = a_net(max_epochs=4).fit(X, y)
    parts = a_net(max_epochs=2)
    for _ in range(2):
        parts.partial_fit(X, y)
    assert len(parts.history) == 4
    for name, values in columns(once).items():
        assert columns(parts)[name] == pytest.approx(values, rel=1e-5)


def test_a_planted_dead_layer_and_a_planted_saturated_one_are_counted() -> None:
    net = a_net(max_epochs=1, lr=1e-12, depth=2, activation=("relu", "tanh"))
    net.initialize(X, y)
    with torch.no_grad():
        net.module_.hidden[0].linear.bias[:9] = -1e3
        net.module_.hidden[1].linear.bias[:6] = 1e3
    net.partial_fit(X, y)
    assert net.history[-1, "dead_1"] == pytest.approx(9 / 12)
    assert net.history[-1, "saturated_2"] == pytest.approx(6 / 12)
    assert net.history[-1, "dead_2"] == 0


def test_only_so_many_rows_are_looked_at_and_always_the_same() -> None:
    many = np.repeat(X, 4, axis=0)
    labels = np.repeat(y, 4)
    few = [
        a_net(callbacks=[ActivationMonitor(n_rows=20)]).fit(many, labels)
        for _ in range(2)
    ]
    assert columns(few[0]) == columns(few[1])
    all_rows = a_net().fit(many, labels)
    assert few[0].history[-1, "act_mean_1"] != all_rows.history[-1, "act_mean_1"]
    assert few[0].history[-1, "act_mean_1"] == pytest.approx(
        all_rows.history[-1, "act_mean_1"], rel=0.5
    )


def test_a_threshold_can_be_given() -> None:
    strict, lax = (
        a_net(callbacks=[ActivationMonitor(saturation=value)], activation="sigmoid")
        for value in (0.0, 0.3)
    )
    assert strict.fit(X, y).history[-1, "saturated_1"] == 0
    assert lax.fit(X, y).history[-1, "saturated_1"] == 1  # sigmoid' is at most .25


def test_a_fit_that_fails_has_been_monitored_up_to_there() -> None:
    net = a_net(lr=1e30, optimizer="sgd", max_epochs=5)
    with pytest.raises(DivergedError):
        net.fit(X, y)
    assert all(
        "dead_1" in epoch
        for epoch in net.history
        if np.isfinite(epoch.get("dur", np.nan))
    )
    search = GridSearchCV(
        a_net(optimizer="sgd").set_callbacks(TrainingLog()), {"lr": [1e30, 0.01]}, cv=2
    )
    with (
        pytest.warns(FitFailedWarning),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    frame = to_frame(search, "epoch")
    assert frame[frame["lr"] == 0.01]["dead_1"].notna().all()


def test_other_callbacks_stay_what_they_are() -> None:
    rate = LRScheduler(policy="StepLR", step_size=1)
    score = EpochScoring("accuracy", name="acc", on_train=True, use_caching=False)
    net = a_net(callbacks=[ActivationMonitor(), ("rate", rate), ("acc", score)])
    net.fit(X, y)
    assert len(net.history[:, ("dead_1", "acc", "event_lr")]) == 3


def test_sparse_input_and_no_hidden_layer() -> None:
    assert "dead_1" in a_net().fit(csr_array(X), y).history[-1]
    linear = a_net(depth=0).fit(X, y)
    assert "grad_norm_out" in linear.history[-1]
    assert not any(key.startswith(("dead", "grad_ratio")) for key in linear.history[-1])


def test_a_net_with_it_can_be_cloned_and_pickled() -> None:
    net = a_net().fit(X, y)
    again = pickle.loads(pickle.dumps(net))
    assert columns(again) == columns(net)
    fresh = clone(net)
    assert fresh.callbacks[0] is not net.callbacks[0]
    assert columns(fresh.fit(X, y)) == columns(net)


def test_a_page_has_axes_for_it() -> None:
    net = a_net().set_callbacks(TrainingLog())
    search = GridSearchCV(net, {"lr": [0.1, 0.01]}, cv=2).fit(X, y)
    experiment = to_hiplot(search, "epoch")
    hidden = experiment._asdict()["display_data"]["PARALLEL_PLOT"]["hide"]
    assert "act_mean_1" not in hidden


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_rows": 0}, "The 'n_rows' parameter of ActivationMonitor must be an int"),
        ({"n_rows": 1.5}, r"an int >= 1, got 1\.5"),
        ({"n_rows": True}, r"an int >= 1, got True"),
        ({"saturation": "a"}, r"number in \[0, 1\), got 'a'"),
        ({"saturation": 1.0}, r"'saturation' .* in \[0, 1\), got 1\.0"),
    ],
)
def test_bad_input_is_named_by_fit(bad: dict[str, Any], message: str) -> None:
    net = a_net(callbacks=[ActivationMonitor(**bad)])
    with pytest.raises(ValueError, match=message):
        net.fit(X, y)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("name", list_activations())
def test_every_activation_is_monitored_and_validated(
    name: str, norm: str | None
) -> None:
    log = TrainingLog()
    net = a_net(activation=name, norm=norm, depth=2, width=6).set_callbacks(log)
    scorer = log.scorer()
    net.fit(X[::2], y[::2])
    score = scorer(net, X[1::2], y[1::2])
    last = net.history[-1]
    assert last["fold_acc"] == score
    numbers = [value for value in last.values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()
    assert {"grad_norm_1", "preact_std_2", "update_ratio_out"} <= set(last)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_mode_of_torch_around_the_fit_changes_nothing(context: Any) -> None:
    with context():
        net = a_net(activation="tanh").fit(X, y)
    assert columns(net) == columns(a_net(activation="tanh").fit(X, y))


def test_a_history_without_losses_has_its_rows_in_place() -> None:
    net = a_net(max_epochs=2, callbacks__train_loss=None)
    net.partial_fit(X, y)
    first = net.history[:, "act_mean_1"]
    net.partial_fit(X, y)
    assert net.history[:2, "act_mean_1"] == first
    assert len(net.history[:, "act_mean_1"]) == 4
