"""Unusual inputs: some once gave wrong results, others a careful user may try.

Unless a test says otherwise, right is what skorch's own loop makes of the same net, to
1e-8 in float64; and what a network becomes alone, bit for bit.
"""

import contextlib
import functools
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import ConcatDataset

import skact
from skact import ActMLP, ActMLPBinary, ActMLPRegressor, DivergedError
from skact.engine import batches

rng = np.random.default_rng(0)
X, y = rng.normal(size=(83, 5)), np.arange(83) % 3
NUMBERS = X @ np.arange(5)
BASE = {"width": 9, "batch_size": 20, "max_epochs": 4, "random_state": 3}


def on_skorch(cls):
    class OnSkorch(cls):
        def train_step(self, *args, **kwargs):
            return super().train_step(*args, **kwargs)

    OnSkorch.__name__ = cls.__name__
    return OnSkorch


def outcome(net, *data):
    """Fit; return tensors and history, or the message of the error and the history."""
    try:
        net.fit(*data)
    except DivergedError as error:
        return str(error), [len(row["batches"]) for row in net.history]
    for number, state in net.optimizer_.state_dict()["state"].items():
        for name, value in state.items():
            net.module_.register_buffer(f"optimizer{number}{name}", value)
    return {**net.module_.state_dict()}, net.history


def assert_as_on_skorchs_loop(X=X, y=y, weight=None, cls=ActMLP, **params):
    net, theirs = (kind(**{**BASE, **params}) for kind in (cls, on_skorch(cls)))
    ours, expected = (outcome(n, X, y, weight) for n in (net, theirs))
    assert type(ours[0]) is type(expected[0])
    if isinstance(ours[0], str):
        assert ours == expected
        return net
    assert ours[0].keys() == expected[0].keys()
    for name, value in ours[0].items():
        # torch.equal is for what is infinite
        same = torch.allclose(value, expected[0][name], rtol=1e-9, atol=1e-8)
        assert same, name
    for row, other in zip(ours[1], expected[1], strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=1e-8)
        assert len(row["batches"]) == len(other["batches"])
    return net


def weights(net):
    return {name: value.clone() for name, value in net.module_.state_dict().items()}


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


# ------------------------------------------------------------------ data


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize(
    ("rows", "columns", "batch_size"),
    [(1, 5, 128), (83, 1, 20), (83, 5, 41), (83, 5, 1), (83, 5, 10**18), (2, 1, 1)],
)
def test_odd_sizes_train_as_on_skorchs_loop(rows, columns, batch_size, norm):
    # 83 rows in batches of 41 leave a lone row, which a batch norm does not count
    data = X[:rows, :columns], y[:rows]
    params = {"batch_size": batch_size, "norm": norm, "max_epochs": 2}
    # a bias before a norm has no gradient but rounding errors: not for Adam
    assert_as_on_skorchs_loop(*data, optimizer="sgd", **params)


@pytest.mark.parametrize(
    "params",
    [
        {"depth": 0, "norm": "batch", "dropout": 0.3},
        {"width": 1, "depth": 3, "norm": "layer"},
        {"hidden": (1, 17, 2), "activation": ("relu", torch.sin, nn.PReLU(2))},
    ],
    ids=lambda params: "-".join(params),
)
def test_odd_networks_train_as_on_skorchs_loop(params):
    assert_as_on_skorchs_loop(**params)


def test_one_class_and_many_classes_train_as_on_skorchs_loop():
    assert_as_on_skorchs_loop(y=0 * y)
    assert_as_on_skorchs_loop(y=0 * y, cls=ActMLPBinary)
    many = np.arange(300) % 120
    assert_as_on_skorchs_loop(X=np.random.default_rng(1).normal(size=(300, 5)), y=many)


ONE = np.where(np.arange(83) == 0, 1.0, 0.0)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize(
    "weight",
    [ONE, np.full(83, 0.1), np.full(83, 1e-300), np.full(83, 1e-320), ONE * 1e3],
    ids=["all but one 0", "equal", "small", "subnormal", "large"],
)
def test_odd_weights_train_as_on_skorchs_loop(weight, optimizer):
    params = {"batch_size": 5, "weight_decay": 0.1, "optimizer": optimizer}
    assert_as_on_skorchs_loop(weight=weight, **params)


def layouts():
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((166, 10))
    wide[::2, ::2] = X
    yield "read-only", frozen
    yield "by columns", np.asfortranarray(X)
    yield "strided", wide[::2, ::2]
    yield "backwards", X[::-1].copy()[::-1]
    for name in ("csr", "csc", "coo", "lil"):
        yield name, sp.csr_matrix(X).asformat(name)


LAYOUTS = dict(layouts())


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_of_X_changes_no_bit(name):
    plain = ActMLP(**BASE).fit(X, y)
    assert_equal(weights(ActMLP(**BASE).fit(LAYOUTS[name], y)), weights(plain))


def test_a_memory_mapped_X_changes_no_bit(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    plain = ActMLP(**BASE).fit(X, y)
    assert_equal(weights(ActMLP(**BASE).fit(mapped, y)), weights(plain))


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_sparse_table_too_large_to_be_dense_changes_no_bit(shuffle, monkeypatch):
    sparse = sp.csr_matrix(X * (abs(X) > 1))
    plain = ActMLP(**BASE, shuffle=shuffle).fit(sparse.toarray(), y)
    monkeypatch.setattr(batches, "_MAX_DENSE_BYTES", 8)
    net = ActMLP(**BASE, shuffle=shuffle).fit(sparse, y)
    assert_equal(weights(net), weights(plain))


# ------------------------------------------------------------------ activations


@dataclass
class Swish:
    """A callable without a hash."""

    beta: float = 1.5

    def __call__(self, x):
        return x * torch.sigmoid(self.beta * x)


class Counting(nn.Module):
    """A module whose state is in Python."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        return torch.tanh(x) * (1 + 0.01 * self.calls)


class Centring(nn.Module):
    """A module that keeps statistics, and replaces its buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return torch.tanh(x - self.mean)


class Learning(nn.Module):
    """A module that learns, per column and as a whole."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((9,), 0.5))
        self.slope = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.scale * torch.tanh(self.slope * x)


class Idle(Learning):
    """A module with a parameter that it does not use."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.ones(3))


class KeepsInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        return grad / torch.cosh(ctx.x) ** 2


class InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        ctx.positive = x > 0
        return x.mul_(ctx.positive)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.positive


class CentredGradient(torch.autograd.Function):
    """Elementwise forward, but not backward."""

    @staticmethod
    def forward(ctx, x):
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        return grad - grad.mean()


def signed_root(x):
    """Infinitely steep at 0; rows that only fill a batch up may be 0."""
    return torch.sign(x) * x.abs().sqrt()


def log_size(x):
    return torch.log(x.abs())


def tame(x):
    """Not elementwise, but only where a value is large."""
    return x.tanh() if x.abs().max() < 6 else 0.5 * x


def no_slope(x):
    return (x.detach() > 0).to(x.dtype)


def by_numpy(x):
    return torch.from_numpy(np.tanh(x.detach().numpy()))


def hooked(module):
    module.register_forward_hook(lambda module, inputs, output: 0.5 * output)
    return module


def hooked_backward(module):
    module.register_full_backward_hook(lambda module, gi, go: (0.5 * gi[0],))
    return module


USERS = {
    "no hash": Swish(),
    "partial": functools.partial(nn.functional.leaky_relu, negative_slope=0.3),
    "view": lambda x: x.view_as(x),
    "itself": lambda x: x,
    "turned": lambda x: x.tanh().T.contiguous().T,
    "in place": lambda x: x.mul_(2).tanh_(),
    "expanded": lambda x: torch.zeros(1, dtype=x.dtype).expand_as(x),
    "knows the width": lambda x: x * torch.arange(9.0, dtype=x.dtype),
    "by rows": lambda x: torch.softmax(x, -1),
    "signed root": signed_root,
    "log": log_size,
    "tame": tame,
    "no slope": no_slope,
    "numpy": by_numpy,
    "counting": Counting(),
    "buffer": Centring(),
    "learning": Learning(),
    "idle parameter": Idle(),
    "keeps its input": KeepsInput,
    "marks dirty": InPlace,
    "backward over all": CentredGradient,
    "hooked prelu": hooked(nn.PReLU()),
    "hooked relu": hooked(nn.ReLU()),
    "hooked backward": hooked_backward(nn.ReLU()),
    "a linear layer": nn.Linear(9, 9),
    "weight norm": nn.utils.parametrizations.weight_norm(nn.Linear(9, 9)),
}


@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("name", USERS)
def test_what_users_bring_trains_as_on_skorchs_loop(name, norm):
    params = {"optimizer": "sgd", "weight_decay": 0.1, "momentum": 0.5}
    scale = 10 if name == "tame" else 1
    lr = 0.001 if name in ("tame", "log") else 0.01
    assert_as_on_skorchs_loop(
        X=scale * X, activation=USERS[name], norm=norm, lr=lr, **params
    )


@pytest.mark.parametrize("name", ["signed root", "tame", "learning", "counting"])
def test_what_users_bring_may_be_the_output(name):
    activation = nn.Tanh() if name == "learning" else USERS[name]
    assert_as_on_skorchs_loop(output_activation=activation)


def test_noise_of_a_global_generator_is_found_even_if_it_comes_at_times_only():
    class Noise(nn.Module):
        def forward(self, x):
            loud = self.training and x.abs().max() > 0
            return x + torch.randn_like(x) if loud else x

    before = torch.get_rng_state()
    net = assert_as_on_skorchs_loop(activation=Noise())
    assert "draws from a global generator" in net.trained_by_
    assert torch.equal(before, torch.get_rng_state())


def test_an_activation_that_changes_the_dtype_is_refused_before_training():
    wide = X.astype(np.float32)
    with pytest.raises(ValueError, match=r"same dtype, got torch.float64"):
        ActMLP(lambda x: x.double().tanh(), **BASE).fit(wide, y)


def test_one_instance_given_to_many_candidates_is_copied_for_each():
    mine = Counting()
    grid = {"activation": [mine], "lr": [0.01, 0.1, 0.02]}
    with skact.fused():
        fused = GridSearchCV(ActMLP(**BASE), grid, cv=2).fit(X, y)
    alone = GridSearchCV(ActMLP(**BASE), grid, cv=2).fit(X, y)
    assert mine.calls == 0
    scores = [search.cv_results_["mean_test_score"] for search in (fused, alone)]
    np.testing.assert_array_equal(*scores)


# ------------------------------------------------------------------ one lane fails


class Tires(nn.Module):
    """A module that fails in the second epoch."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        if self.calls > 8:
            raise ValueError("tired")
        return x.tanh()


def test_a_search_scores_the_others_when_one_activation_raises():
    grid = {"activation": ["relu", Tires(), "tanh"]}
    search = GridSearchCV(ActMLP(**BASE), grid, cv=2, refit=False, error_score=-1)
    with skact.fused(), pytest.warns(FitFailedWarning, match="fits failed"):
        fused = search.fit(X, y).cv_results_["mean_test_score"]
    with pytest.warns(FitFailedWarning, match="fits failed"):
        alone = search.fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(fused, alone)
    assert fused[1] == -1
    assert min(fused[0], fused[2]) > 0


@pytest.mark.parametrize("lr", [30, 1e3, 1e150])
@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}], ids=["plain", "early"]
)
def test_a_fit_that_diverges_says_what_it_says_on_skorchs_loop(lr, params):
    # rows that only fill a batch up have losses, too, which do not count
    params = {**params, "optimizer": "sgd", "lr": lr}
    net = assert_as_on_skorchs_loop(y=3 * NUMBERS, cls=ActMLPRegressor, **params)
    with pytest.raises(DivergedError):
        net.fit(X, 3 * NUMBERS)
    fresh = ActMLPRegressor(lr=0.01, **BASE).fit(X, NUMBERS)
    again = net.set_params(lr=0.01, optimizer="adam", early_stopping=False)
    assert_equal(weights(again.partial_fit(X, NUMBERS)), weights(fresh))


# ------------------------------------------------------------------ Ctrl-C


class PressesCtrlC(nn.Module):
    left = None

    def forward(self, x):
        if PressesCtrlC.left is not None and self.training:
            PressesCtrlC.left -= 1
            if PressesCtrlC.left == 0:
                PressesCtrlC.left = None
                raise KeyboardInterrupt
        return x.tanh()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("callbacks", [None, [Callback()]], ids=["plain", "hooks"])
def test_ctrl_c_within_an_epoch_leaves_a_net_that_trains_on(optimizer, callbacks):
    net = ActMLP(PressesCtrlC(), callbacks=callbacks, optimizer=optimizer, **BASE)
    net.initialize(X, y)
    PressesCtrlC.left = 14  # one is a trial, and there are five batches in an epoch
    with pytest.raises(KeyboardInterrupt):
        net.partial_fit(X, y)
    whole = [row for row in net.history if "train_loss" in row]
    assert len(whole) == 2
    for parameter in net.module_.parameters():
        state = net.optimizer_.state[parameter]
        assert state.get("step", 12) == 12  # those that were taken
        size = parameter.numel() * parameter.element_size()
        for value in (parameter, *state.values()):
            if value.dim():
                assert value.untyped_storage().nbytes() == size
    before = net.score(X, y)
    assert 0 <= before <= 1
    net.partial_fit(X, y)
    assert len([row for row in net.history if "train_loss" in row]) == 6


# ------------------------------------------------------------------ torch's modes


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


MODES = {
    "float64 by default": default_dtype,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
    "numpy raises": lambda: np.errstate(all="raise"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torchs_modes_around_a_fit_change_no_bit(mode, dtype):
    for params in (
        {"optimizer": "sgd", "dropout": 0.3, "activation": "prelu"},
        {"activation": torch.sin, "norm": "batch"},
        {"activation": Learning(), "batch_size": 128},
        {"early_stopping": True, "validation_fraction": 0.3},
    ):
        plain = ActMLP(**{**BASE, **params}, dtype=dtype).fit(X, y)
        net = ActMLP(**{**BASE, **params}, dtype=dtype)
        with MODES[mode]():
            net.fit(X, y).partial_fit(X, y)
        assert_equal(weights(net), weights(plain.partial_fit(X, y)))
        keys = ("train_loss", "valid_loss") if "early_stopping" in params else ()
        for key in keys:
            assert net.history[:, key] == plain.history[:, key]


@pytest.mark.parametrize(
    "params",
    [
        {"hidden": (128, 64)},
        {"width": 512, "batch_size": 256, "norm": "batch"},
        {"hidden": (96, 33), "batch_size": 100},
        {"width": 64, "batch_size": 512, "dtype": "float64"},
    ],
    ids=lambda params: "-".join(params),
)
def test_the_number_of_threads_changes_no_bit_of_a_large_net(params):
    images = np.random.default_rng(0).normal(size=(512, 784)).astype(np.float32)
    fitted, before = [], torch.get_num_threads()
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            net = ActMLP(max_epochs=1, random_state=0, **params)
            fitted.append(weights(net.fit(images, np.arange(512) % 10)))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(before)
    for ours, theirs in itertools.pairwise(fitted):
        assert_equal(ours, theirs)


def test_worker_processes_and_stacks_give_the_scores_of_lone_fits():
    grid = {
        "activation": ["relu", torch.sin],
        "lr": [0.01, 0.1],
        "batch_size": [16, 99],
    }
    search = GridSearchCV(ActMLP(random_state=0, width=16, max_epochs=3), grid, cv=3)
    found = [search.set_params(n_jobs=n).fit(X, y).cv_results_ for n in (1, 2)]
    with skact.fused():
        found.append(search.set_params(n_jobs=None).fit(X, y).cv_results_)
    for key in found[0]:
        if key.startswith(("split", "mean_test", "std_test", "rank")):
            for other in found[1:]:
                np.testing.assert_array_equal(found[0][key], other[key])


# ------------------------------------------------------------------ subclasses

METHODS = [
    "get_loss",
    "train_step",
    "train_step_single",
    "get_train_step_accumulator",
    "get_iterator",
    "get_split_datasets",
    "infer",
    "fit_loop",
    "notify",
    "_step_optimizer",
    "_zero_grad_optimizer",
    "_set_training",
]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_of_training_that_a_subclass_overrides_is_called(method):
    def override(self, *args, **kwargs):
        calls.append(method)
        return getattr(ActMLP, method)(self, *args, **kwargs)

    calls: list = []
    net = type("Mine", (ActMLP,), {method: override})(**BASE).fit(X, y)
    assert net.trained_by_ == f"skorch's loop, because Mine overrides {method}"
    assert calls


def test_a_split_that_gives_a_dataset_of_its_own_is_trained_on():
    def twice(dataset, y, **kwargs):
        return ConcatDataset([dataset, dataset]), dataset

    net = ActMLP(train_split=twice, **{**BASE, "iterator_train": Plain}).fit(X, y)
    sizes = [batch.get("train_batch_size", 0) for batch in net.history[-1]["batches"]]
    assert sum(sizes) == 2 * len(X)
    net = ActMLP(train_split=twice, iterator_train__collate_fn=collate, **BASE)
    net.fit(X, y)
    assert "skorch's loop" in net.trained_by_


class Plain(torch.utils.data.DataLoader):
    """A custom loader."""


def collate(samples):
    rows, codes = zip(*samples, strict=True)
    return torch.stack(rows), torch.stack(codes)
