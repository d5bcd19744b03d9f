"""Wrong values raise from fit: the parameter, the value, what is allowed."""

import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import InputShapeSetter
from torch import nn

from skact import ActMLP, ActMLPRegressor
from skact.parameters.checks import check_device_of_network

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)

WRONG = [
    ({"lr": -1}, "The 'lr' parameter of ActMLP must be a finite number >= 0, got -1."),
    ({"lr": float("nan")}, "must be a finite number >= 0, got nan."),
    ({"lr": "0.1"}, "must be a finite number >= 0, got '0.1'."),
    ({"width": 0}, "The 'width' parameter of ActMLP must be an int >= 1, got 0."),
    ({"width": 2.0}, "must be an int >= 1, got 2.0."),
    ({"width": True}, "must be an int >= 1, got True."),
    (
        {"depth": -1},
        "The 'depth' parameter of ActMLP must be an int from 0 to 10000, got -1.",
    ),
    ({"hidden": (4, 0)}, "must be None, an int >= 1 or a tuple of them, got (4, 0)."),
    (
        {"hidden": np.array(3)},
        "must be None, an int >= 1 or a tuple of them, got array(3).",
    ),
    ({"depth": 0, "activation": "nosuch"}, "activation='nosuch' is unknown"),
    ({"hidden": (), "activation": "nosuch"}, "activation='nosuch' is unknown"),
    ({"hidden": 0}, "must be None, an int >= 1 or a tuple of them, got 0."),
    ({"activation": (64, 32)}, "got (64, 32): give widths of layers as hidden=(64, 32"),
    (
        {"optimizer": "adm"},
        "or a class from torch.optim, got 'adm'; did you mean 'adam'.",
    ),
    ({"norm": "Batch"}, "'layer', got 'Batch'; did you mean 'batch'."),
    ({"activation": "rellu"}, "activation='rellu' is unknown; did you mean 'relu'"),
    (
        {"output_activation": "sotfmax"},
        "output_activation='sotfmax' is unknown; did you mean 'softmax'",
    ),
    (
        {"activation": ("relu", "tanh")},
        "names 2 activations, but the number of hidden layers",
    ),
    (
        {"activation": ("relu",), "hidden": (3, 3)},
        "or the length of hidden) is 2: give one",
    ),
    (
        {"dropout": 1.0},
        "The 'dropout' parameter of ActMLP must be a number in [0, 1), got 1.0.",
    ),
    ({"norm": "group"}, "must be one of None, 'batch', 'layer', got 'group'."),
    ({"init": "he"}, "must be one of 'auto', 'torch', got 'he'."),
    (
        {"optimizer": "lbfgs"},
        "one of 'sgd', 'adam', 'adamw' or a class from torch.optim",
    ),
    (
        {"momentum": 1},
        "The 'momentum' parameter of ActMLP must be a number in [0, 1), got 1.",
    ),
    (
        {"lr_schedule": "cosin"},
        "The 'lr_schedule' parameter of ActMLP must be one of None, 'cosine', "
        "'one_cycle', 'linear', 'exponential', got 'cosin'; did you mean 'cosine'.",
    ),
    (
        {"warmup": 1.0},
        "The 'warmup' parameter of ActMLP must be None or a number in [0, 1), got 1.0.",
    ),
    ({"warmup": True}, "must be None or a number in [0, 1), got True."),
    ({"nesterov": "yes"}, "must be True or False, got 'yes'."),
    (
        {"nesterov": True, "momentum": 0, "optimizer": "sgd"},
        "cannot use nesterov=True with momentum=0",
    ),
    ({"weight_decay": -0.1}, "must be a finite number >= 0, got -0.1."),
    ({"batch_size": 0}, "an int >= 1, or -1 for all rows in one batch, got 0."),
    ({"batch_size": -2}, "an int >= 1, or -1 for all rows in one batch, got -2."),
    ({"shuffle": 2}, "must be True or False, got 2."),
    (
        {"max_epochs": -1},
        "The 'max_epochs' parameter of ActMLP must be an int >= 0, got -1.",
    ),
    ({"early_stopping": 1}, "must be True or False, got 1."),
    ({"validation_fraction": 1.0}, "must be a number in (0, 1), got 1.0."),
    ({"patience": 0}, "The 'patience' parameter of ActMLP must be an int >= 1, got 0."),
    ({"class_weight": "even"}, "None, 'balanced' or a dict from class label to weight"),
    ({"dtype": "float16"}, "must be 'auto', 'float32' or 'float64', got 'float16'."),
    ({"random_state": -1}, "None, an int >= 0 or a numpy.random.RandomState, got -1."),
    (
        {"callbacks": "off"},
        "'disable' (scikit-learn's, such as a TrainingLog, go to set_callbacks), got "
        "'off'.",
    ),
    ({"callbacks": [3]}, "go to set_callbacks), got [3]."),
    (
        {"train_split": 0.2},
        "None, False or a callable such as skorch.dataset.ValidSplit(5), got 0.2.",
    ),
    ({"warm_start": None}, "must be True or False, got None."),
    ({"device": "gpu"}, "must be a torch device such as 'cpu' or 'cuda', got 'gpu'."),
    ({"device": 1.5}, "must be a torch device such as 'cpu' or 'cuda', got 1.5."),
    (
        {"early_stopping": True, "callbacks": "disable"},
        "cannot use early_stopping=True with callbacks='disable'",
    ),
    ({"widht": 3}, "ActMLP got an unexpected parameter 'widht'; did you mean 'width'?"),
    ({"optimiser__momentum": 0.9}, "unexpected parameter 'optimiser__momentum'"),
    (
        {"module__width": 3},
        "builds its own module, so 'module__width' would have no effect",
    ),
    ({"module": nn.Linear}, "builds its own module, so 'module' would have no effect"),
    ({"criterion__reduction": "sum"}, "'criterion__reduction' would have no effect"),
    (
        {"use_caching": "never"},
        "'use_caching' parameter of ActMLP must be 'auto', True or False",
    ),
    ({"criterion": "mse"}, "The 'criterion' parameter of ActMLP must be a loss class"),
    ({"dataset": None}, "The 'dataset' parameter of ActMLP must be a class such as"),
    ({"verbose": "x"}, "The 'verbose' parameter of ActMLP must be an int or a bool"),
    ({"compile": "yes"}, "The 'compile' parameter of ActMLP must be True or False"),
]


@pytest.mark.parametrize(
    ("params", "message"), WRONG, ids=lambda value: str(value)[:40]
)
def test_fit_names_the_parameter_the_value_and_what_is_allowed(params, message):
    net = ActMLP(**params)  # the constructor only stores
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(X, Y)


@pytest.mark.parametrize(("params", "message"), WRONG[:3])
def test_set_params_stores_and_the_next_fit_refuses(params, message):
    net = ActMLP(max_epochs=1).set_params(**params)
    for train in (net.fit, net.partial_fit, net.initialize):
        with pytest.raises(ValueError, match=re.escape(message)):
            train(X, Y)


def test_an_activation_that_no_layer_uses_is_checked():
    with pytest.raises(TypeError, match="activation=3 must be a name such as 'relu'"):
        ActMLP(depth=0, activation=3).fit(X, Y)


@pytest.mark.parametrize("device", ["x", "meta"])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "partial_fit"])
def test_a_device_that_is_set_on_a_fitted_net_is_named_by_what_uses_it(device, method):
    net = ActMLP(max_epochs=1).fit(X, Y).set_params(device=device)
    args = (X, Y) if method == "partial_fit" else (X,)
    with pytest.raises(ValueError, match="'device' parameter of ActMLP"):
        getattr(net, method)(*args)
    assert net.set_params(device=torch.device("cpu")).predict(X).shape == (10,)


def test_a_net_whose_network_is_elsewhere_says_where():
    message = "'device' parameter of Net is 'cpu', but its network is on meta: set that"
    with pytest.raises(ValueError, match=message):
        check_device_of_network("Net", "cpu", torch.device("meta"))
    for device in (None, "cpu", "cpu:0", torch.device("cpu")):
        check_device_of_network("Net", device, torch.device("cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=re.escape("torch finds 0 cuda devices here")):
        ActMLP(device="cuda").fit(X, Y)


@pytest.mark.parametrize(
    "params",
    [
        {"lr": np.float32(0.1), "width": np.int64(3), "shuffle": np.True_},
        {"hidden": [3, 2], "activation": ["relu", "tanh"]},
        {"hidden": (), "activation": ()},
        {"depth": 0, "activation": "tanh"},
        {"batch_size": -1},
        {"device": torch.device("cpu")},
        {"device": None},
        {"optimizer__betas": (0.8, 0.9), "optimizer__eps": 1e-6},
        {"random_state": np.random.RandomState(0)},
        {"criterion": nn.CrossEntropyLoss(label_smoothing=0.1)},
        {"batch_size": np.int16(4), "early_stopping": np.True_, "patience": np.int8(2)},
        {"iterator_train__batch_size": np.int64(4)},
        {"iterator_valid__batch_size": np.int64(4), "early_stopping": True},
        {"optimizer": torch.optim.RMSprop, "batch_size": np.int64(3)},
        {"optimizer": "sgd", "nesterov": np.True_, "momentum": np.float32(0.5)},
        {"hidden": np.int64(3)},
        {"max_epochs": np.int64(1), "verbose": np.int64(0), "depth": np.uint8(2)},
    ],
    ids=lambda params: "-".join(params),
)
def test_right_values_of_every_spelling_are_taken(params):
    assert ActMLP(**{"max_epochs": 1, **params}).fit(X, Y).predict(X).shape == (10,)


def test_a_regressor_has_no_class_weight():
    with pytest.raises(ValueError, match="ActMLPRegressor got an unexpected parameter"):
        ActMLPRegressor(class_weight="balanced").fit(X, Y)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"optimizer": "Adam"}, {"optimizer": "adam"}),
        ({"optimizer": "SGD"}, {"optimizer": "sgd"}),
        ({"hidden": 7}, {"hidden": (7,)}),
        ({"dtype": np.float32}, {"dtype": "float32"}),
        ({"dtype": np.dtype("float32")}, {"dtype": "float32"}),
        ({"dtype": torch.float32}, {"dtype": "float32"}),
    ],
    ids=str,
)
def test_a_value_whose_meaning_is_plain_is_taken(given, plain):
    nets = [ActMLP(max_epochs=2, random_state=0, **one) for one in (given, plain)]
    first, second = (net.fit(X, Y).predict_proba(X) for net in nets)
    assert first.dtype == second.dtype
    np.testing.assert_array_equal(first, second)
    assert nets[0].get_params()[next(iter(given))] is next(iter(given.values()))


@pytest.mark.parametrize(
    ("name", "near"), [("widht", "width"), ("max_iter", "max_epochs"), ("LR", "lr")]
)
def test_set_params_suggests_a_near_name(name, near):
    message = (
        f"Invalid parameter {name!r} for estimator ActMLP(); did you mean {near!r}?"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP().set_params(**{name: 3})
    with pytest.raises(ValueError, match=re.escape(f"did you mean {near!r}")):
        GridSearchCV(ActMLP(), {name: [1]}, cv=2).fit(X, Y)


@pytest.mark.parametrize("name", ["lr_", "widht_", "classes_", "dtype_", "module_"])
def test_a_keyword_with_an_underscore_at_its_end_is_refused(name):
    for net in (ActMLP(**{name: 1}), clone(ActMLP(**{name: 1}))):
        for method in ("fit", "partial_fit"):
            with pytest.raises(ValueError, match=f"unexpected parameter {name!r}"):
                getattr(net, method)(X, Y)


def test_a_state_as_a_keyword_breaks_no_net():
    net = ActMLP(initialized_=True)
    with pytest.raises(ValueError, match="unexpected parameter 'initialized_'"):
        net.partial_fit(X, Y)


@pytest.mark.parametrize(
    "callback",
    [InputShapeSetter, InputShapeSetter(), ("set", InputShapeSetter())],
    ids=["class", "instance", "named"],
)
def test_a_callback_that_sets_what_is_read_from_the_data_is_refused(callback):
    message = "reads the number of columns from X: leave the InputShapeSetter out"
    with pytest.raises(ValueError, match=message):
        ActMLP(callbacks=[callback]).fit(X, Y)
