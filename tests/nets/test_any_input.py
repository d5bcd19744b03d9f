"""Whatever a fit gets: it predicts finite values, or an error names the thing.

Values of parameters and keywords, X, y and weights are drawn, valid and not. No other
error comes out, and no global state is changed.
"""

import functools
import os
import random
import signal
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EarlyStopping, EpochScoring, LRScheduler, PrintLog
from skorch.dataset import ValidSplit
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, DivergedError

N_EXAMPLES = int(os.environ.get("SKACT_ANY_INPUT", "150"))
N = 24
TABLE = np.random.default_rng(0).normal(size=(N, 3))
CODES = np.arange(N) % 2
ALLOWED = (ValueError, TypeError, NotFittedError, DivergedError)

ODD_VALUES = [
    *(None, True, False, 0, 1, 2, 3, -1, -2, 10**12, 10**400, 2**63, -(10**400)),
    *(0.0, 0.5, 1.0, -0.5, 1e-320, 1e300, -0.0, float("nan"), float("inf")),
    *(1j, "", "0.1", "x", "relu", "adam", "batch", "cpu", "cuda", "auto", b"x"),
    *((), [], {}, (1,), [1, 2], (2, 0), ("relu",), {"a": 1}, {0: 1.0, 1: 2.0}, {1}),
    *(np.int64(3), np.float32(0.5), np.bool_(True), np.array([1, 2]), np.array(3)),
    *(Decimal("0.1"), Fraction(1, 2), np.nan, np.datetime64("2020"), pd.NA, pd.NaT),
    *(int, float, nn.ReLU, nn.ReLU(), nn.Linear(2, 2), nn.MSELoss, torch.optim.SGD),
    *(torch.optim.LBFGS, torch.tensor(0.1), torch.float32, torch.device("cpu")),
    *(len, abs, torch.relu, object(), ValidSplit(3), ValidSplit(100), range(3)),
    *([EarlyStopping()], [LRScheduler()], [1], [EpochScoring("f1")], ["x"], "disable"),
    *((0.9,), (0.9, 0.99), (2, 0.9), ("a", "b"), np.random.RandomState(0)),
    *(np.int8(70), np.uint8(200), np.int8(-1), np.float16(0.1), np.longdouble(0.01)),
    *(Fraction(1, 100), Fraction(3), (Fraction(1, 2), Fraction(9, 10))),
    *(torch.tensor([0.5]), torch.tensor([2]), torch.ones(3), torch.zeros(2)),
    *(torch.ones(2), torch.ones(2, dtype=torch.complex64), torch.ones(2).to_sparse()),
    *(torch.ones(2, device="meta"), torch.tensor(True), torch.Generator()),
    *(np.array(0.5), np.array("relu"), np.array([0.5, 0.9]), np.array([3, 2], "u1")),
    *(nn.Softmax, nn.LayerNorm(8), nn.BCEWithLogitsLoss, nn.CrossEntropyLoss),
    *(torch.optim.RMSprop, torch.optim.Rprop, torch.optim.ASGD, torch.optim.NAdam),
    *(torch.optim.lr_scheduler.StepLR, EarlyStopping, [EarlyStopping], PrintLog()),
    *(torch.sigmoid, lambda *args, **params: None, lambda *args, **params: 3.0),
    *(lambda *args, **params: [1, 2], lambda x, *args, **params: x, iter(range(20))),
    *([("*weight", {"lr": Fraction(1, 2)})], [("*weight", {"momentum": 0.5})]),
    *([("*weight", {"params": []})], [("*bias", {"betas": (0.5,)})], "default"),
]
NAMES = [
    *("activation", "width", "depth", "hidden", "output_activation", "dropout", "norm"),
    *(
        "init",
        "optimizer",
        "lr",
        "lr_schedule",
        "warmup",
        "momentum",
        "nesterov",
        "weight_decay",
        "batch_size",
    ),
    *("shuffle", "max_epochs", "early_stopping", "validation_fraction", "patience"),
    *("class_weight", "dtype", "random_state", "device", "callbacks", "train_split"),
    *("warm_start", "verbose", "criterion", "predict_nonlinearity", "use_caching"),
    *("iterator_train", "iterator_valid", "dataset", "torch_load_kwargs"),
    *("optimizer", "criterion", "lr", "predict_nonlinearity"),
]
KEYWORDS = [
    *("optimizer__lr", "optimizer__betas", "optimizer__eps", "optimizer__weight_decay"),
    *("optimizer__momentum", "optimizer__nosuch", "optimizer__param_groups"),
    *("criterion__weight", "criterion__label_smoothing", "criterion__ignore_index"),
    *("criterion__nosuch", "iterator_train__batch_size", "iterator_train__shuffle"),
    *("iterator_train__drop_last", "optimizer__params", "optimizer__lr__x"),
    *("optimizer__amsgrad", "optimizer__centered", "optimizer__dampening"),
    *("optimizer__alpha", "optimizer__history_size", "optimizer__step_sizes"),
    *("optimizer__etas", "optimizer__foreach", "optimizer__nesterov", "optimizer__"),
    *("iterator_train__sampler", "iterator_train__batch_sampler"),
    *("iterator_train__generator", "iterator_train__worker_init_fn"),
    *("iterator_valid__sampler", "iterator_valid__batch_sampler"),
    *("iterator_valid__generator", "iterator_valid__collate_fn"),
    *("iterator_valid__prefetch_factor", "compile__mode", "compile__backend"),
    *("callbacks__valid_acc__scoring", "callbacks__train_loss__name"),
    *("callbacks__valid_loss", "callbacks__train_loss", "callbacks__valid_acc"),
    *(
        "iterator_train__nosuch",
        "iterator_train__collate_fn",
    ),
    *("iterator_valid__batch_size", "iterator_valid__shuffle", "dataset__length"),
    *("callbacks__x", "callbacks__early_stopping__patience", "callbacks__print_log"),
    *("module__width", "lr_", "classes_", "history", "history_", "widht", "compile__x"),
    *("virtual_params_", "initialized_", "prefixes_", "optimizer_", "__x", "x__y"),
]
OPTIM = functools.partial(getattr, torch.optim)
OPTIMIZERS = ["RMSprop", "LBFGS", "ASGD", "NAdam", "Rprop", "Adagrad"]
OF_OPTIMIZERS = [key for key in KEYWORDS if key.startswith("optimizer__")]
TABLES = [
    TABLE,
    TABLE.astype("float32"),
    TABLE.tolist(),
    TABLE * 1e30,
    np.full_like(TABLE, 1e300),
    np.zeros_like(TABLE),
    np.where(TABLE > 1, np.nan, TABLE),
    np.where(TABLE > 1, np.inf, TABLE),
    TABLE[:1],
    TABLE[:0],
    TABLE[:, :0],
    TABLE[:, 0],
    TABLE[None],
    TABLE + 1j,
    TABLE.astype(str),
    TABLE.astype(object),
    TABLE > 0,
    (TABLE * 10).astype("int8"),
    sp.csr_matrix(TABLE),
    sp.coo_array(TABLE),
    pd.DataFrame(TABLE, columns=list("abc")),
    pd.DataFrame(TABLE).assign(x="word"),
    pd.DataFrame(TABLE).assign(x=pd.Timestamp("2020")),
    pd.DataFrame(TABLE, columns=["a", "a", "b"]),
    pd.DataFrame(TABLE).convert_dtypes(),
    np.ma.masked_less(TABLE, 0),
    torch.tensor(TABLE),
    torch.tensor(TABLE).bfloat16(),
    np.rec.array([(1.0, 2)] * N),
    None,
    "table",
    {"a": TABLE},
    5,
]
TARGETS = [
    CODES,
    CODES.astype(float),
    CODES.astype(str),
    CODES == 1,
    CODES.astype(object),
    np.where(CODES, "a", None),
    CODES * 1e300,
    TABLE[:, 0],
    TABLE,
    CODES[:, None],
    CODES[:-1],
    np.zeros(N),
    np.arange(N),
    np.where(CODES, np.nan, 1.0),
    np.where(CODES, np.inf, 1.0),
    CODES + 1j,
    np.array(["2020", "2021"], "datetime64[D]")[CODES],
    pd.Series(CODES, index=range(5, 5 + N)),
    pd.Categorical(CODES),
    pd.Series(CODES).astype("Int64").where(CODES == 0),
    np.ma.masked_equal(CODES, 0),
    torch.tensor(CODES),
    CODES.tolist(),
    [[0]] * N,
    "y",
    None,
    5,
    {"y": 1},
]
WEIGHTS = [
    None,
    np.ones(N),
    np.arange(N),
    np.arange(N) - 3,
    np.zeros(N),
    np.full(N, 1e308),
    np.full(N, 5e-324),
    np.where(CODES, 1e-300, 1e300),
    np.full(N, np.nan),
    np.full(N, np.inf),
    np.ones(N) + 1j,
    np.ones(N).astype(str),
    np.ones(N).astype(object),
    np.ones(3),
    np.ones((N, 1)),
    CODES == 0,
    2,
    -1,
    "w",
    {"a": 1},
    pd.Series(np.ones(N)),
    torch.ones(N),
    np.ma.masked_equal(np.ones(N), 0),
]


def global_state():
    legacy = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_rng_state().numpy().tobytes(),
        (legacy[1].tobytes(), legacy[2]),
        random.getstate(),
        np.geterr(),
        list(warnings.filters),
        signal.getsignal(signal.SIGINT),
    )


def names_the_thing(error, params, method):
    """Whether the message names a parameter that was given, or the data."""
    text = f"{error} {getattr(error, '__notes__', '')}".lower()
    parts = {part for name in params for part in (name, *name.split("__")) if part}
    data = {"x", "y", "sample_weight", "class", "label", "sample", "row", "feature"}
    data |= {"loss", "2d", "array", "target", "table", "data", method}
    return any(part.lower() in text for part in parts | data)


def check(kind, params, X, y, sample_weight, later=None):
    n_epochs = {**params, **(later or {})}.get("max_epochs")
    if isinstance(n_epochs, int) and n_epochs > 100:
        return  # a fit that would never end
    before = global_state()
    fixed = {"width": 3, "max_epochs": 2, "random_state": 0}
    answers, said, is_trained = None, None, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = kind(**{**fixed, **params})
            net.fit(X, y, sample_weight=sample_weight)
            if later is not None:
                net.set_params(**later)
                net.partial_fit(X, y, sample_weight=sample_weight)
            is_trained = True
            answers = net.predict(X)
            if kind is not ActMLPRegressor:
                answers = net.predict_proba(X)
    except ALLOWED as error:
        said = error
    assert said is None or not is_trained, f"fit passed, and then: {said}"
    params = {**params, **(later or {})}
    assert global_state() == before
    if said is None:
        assert len(answers) == len(np.asarray(y))
        assert np.isfinite(answers).all()
    else:
        assert names_the_thing(said, params, "fit"), f"{type(said).__name__}: {said}"


MOSTLY_GOOD = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(0, 10**6))


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
@given(
    params=st.dictionaries(
        st.sampled_from([*NAMES, *NAMES, *KEYWORDS]),
        st.integers(0, len(ODD_VALUES) - 1),
        max_size=3,
    ),
    table=MOSTLY_GOOD,
    target=MOSTLY_GOOD,
    weight=MOSTLY_GOOD,
)
@settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_a_fit_predicts_finite_values_or_an_error_names_the_thing(
    kind, params, table, target, weight
):
    check(
        kind,
        {name: ODD_VALUES[i] for name, i in params.items()},
        TABLES[table % len(TABLES)],
        TARGETS[target % len(TARGETS)],
        WEIGHTS[weight % len(WEIGHTS)],
    )


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
@given(
    optimizer=st.sampled_from(["adam", "sgd", *map(OPTIM, OPTIMIZERS)]),
    later=st.dictionaries(
        st.sampled_from([*NAMES, *KEYWORDS, *OF_OPTIMIZERS]),
        st.integers(0, len(ODD_VALUES) - 1),
        min_size=1,
        max_size=2,
    ),
)
@settings(
    max_examples=N_EXAMPLES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_a_net_with_other_parameters_trains_on_or_an_error_names_the_thing(
    kind, optimizer, later
):
    values = {name: ODD_VALUES[i] for name, i in later.items()}
    check(kind, {"optimizer": optimizer}, TABLE, CODES, None, later=values)
