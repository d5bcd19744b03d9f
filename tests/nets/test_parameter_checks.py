"""Wrong values raise from fit: the parameter, the value, what is allowed."""

import copy
import re

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

X, Y = np.arange(20.0).reshape(10, 2), np.tile([0, 1], 5)

WRONG = [
    ({"lr": -1}, "The 'lr' parameter of ActMLP must be a finite number > 0, got -1."),
    ({"lr": 0}, "'lr' parameter of ActMLP must be a finite number > 0, got 0."),
    ({"lr": float("nan")}, "must be a finite number > 0, got nan."),
    ({"lr": "0.1"}, "must be a finite number > 0, got '0.1'."),
    ({"width": 0}, "The 'width' parameter of ActMLP must be an int >= 1, got 0."),
    ({"width": 2.0}, "must be an int >= 1, got 2.0."),
    ({"width": True}, "must be an int >= 1, got True."),
    ({"depth": -1}, "The 'depth' parameter of ActMLP must be an int >= 0, got -1."),
    ({"hidden": (4, 0)}, "must be None or a tuple of ints >= 1, got (4, 0)."),
    ({"hidden": 4}, "must be None or a tuple of ints >= 1, got 4."),
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
        {"max_epochs": 0},
        "The 'max_epochs' parameter of ActMLP must be an int >= 1, got 0.",
    ),
    ({"early_stopping": 1}, "must be True or False, got 1."),
    ({"validation_fraction": 1.0}, "must be a number in (0, 1), got 1.0."),
    ({"patience": 0}, "The 'patience' parameter of ActMLP must be an int >= 1, got 0."),
    ({"class_weight": "even"}, "None, 'balanced' or a dict from class label to weight"),
    ({"dtype": "float16"}, "one of 'auto', 'float32', 'float64', got 'float16'."),
    ({"random_state": -1}, "None, an int >= 0 or a numpy.random.RandomState, got -1."),
    (
        {"callbacks": "off"},
        "'disable' (scikit-learn's, such as a TrainingLog, go to set_callbacks), got "
        "'off'.",
    ),
    ({"callbacks": [3]}, "go to set_callbacks), got [3]."),
    (
        {"train_split": 0.2},
        "None or a callable such as skorch.dataset.ValidSplit(5), got 0.2.",
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
    ({"use_caching": "never"}, "Incorrect value for use_caching"),
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
    ],
    ids=lambda params: "-".join(params),
)
def test_right_values_of_every_spelling_are_taken(params):
    assert ActMLP(max_epochs=1, **params).fit(X, Y).predict(X).shape == (10,)


def test_a_regressor_has_no_class_weight():
    with pytest.raises(ValueError, match="ActMLPRegressor got an unexpected parameter"):
        ActMLPRegressor(class_weight="balanced").fit(X, Y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("net", [ActMLP(), ActMLPBinary(), ActMLPRegressor()])
def test_nan_and_infinity_in_x_are_located(net, bad):
    dirty = X.copy()
    dirty[3, 1] = dirty[7, 0] = bad
    kind = "NaN" if np.isnan(bad) else "infinity (inf)"
    message = f"Input X contains {kind} at row 3, column 1, and 1 more such values."
    with pytest.raises(ValueError, match=re.escape(message)):
        net.fit(dirty, Y)


def test_predict_locates_nan_too():
    net = ActMLP(max_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="Input X contains NaN at row 0, column 0"):
        net.predict(np.full((1, 2), np.nan))


def test_a_value_too_large_for_float32_is_located():
    large = X.copy()
    large[2, 0] = 1e300
    message = "infinity (inf) at row 2, column 0. Impute"
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        ActMLP(dtype="float32").fit(large, Y)
    assert "too large for float32" in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_in_y_are_refused(bad):
    y = Y.astype(float)
    y[3] = bad
    for net in (ActMLP(), ActMLPRegressor()):
        with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
            net.fit(X, y)


def test_y_of_the_wrong_kind_is_refused():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        ActMLP().fit(X, np.linspace(0, 1, 10))
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        ActMLPBinary().fit(X, np.arange(10) % 3)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        ActMLP().fit(X, np.eye(10, 2, dtype=int))
    with pytest.raises(
        ValueError, match=r"could not convert string to float|Unable to convert"
    ):
        ActMLPRegressor().fit(X, np.array(list("abcdefghij")))
    with pytest.raises(
        ValueError, match="requires y to be passed, but the target y is None"
    ):
        ActMLP().fit(X, None)


def test_sample_weights_of_the_wrong_kind_are_refused():
    for weight, message in [
        (
            np.ones(9),
            "sample_weight must have shape (10,), one weight a row of X, got (9,)",
        ),
        (
            np.zeros(10),
            "must not be negative, nor zero for all rows; got values from 0.0 to 0.0",
        ),
        (-np.ones(10), "must not be negative, nor zero for all rows"),
        (np.full(10, np.nan), "Input sample_weight contains NaN at row 0"),
    ]:
        with pytest.raises(ValueError, match=re.escape(message)):
            ActMLP(max_epochs=1).fit(X, Y, sample_weight=weight)


def test_x_that_is_no_table_is_refused():
    with pytest.raises(TypeError, match="X must be one table of shape"):
        ActMLP().fit({"a": X}, Y)
    dataset = torch.utils.data.ConcatDataset(
        [torch.utils.data.TensorDataset(torch.ones(3, 2))]
    )
    with pytest.raises(
        TypeError, match="X is a ConcatDataset, from which X and y cannot"
    ):
        ActMLP().fit(dataset, None)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("hidden_layer_sizes", "hidden"),
        ("alpha", "weight_decay"),
        ("solver", "optimizer"),
        ("max_iter", "max_epochs"),
        ("learning_rate_init", "lr"),
    ],
)
def test_names_of_mlpclassifier_are_answered_with_ours(theirs, ours):
    message = f"unexpected parameter {theirs!r}; did you mean {ours!r}?"
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(**{theirs: 1}).fit(X, Y)


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (lambda x: x.sum(), "into one of the same shape, got () for (2, 5)"),
        (lambda x: x[:, :3], "into one of the same shape, got (2, 3) for (2, 5)"),
        (lambda x: x.detach().numpy(), "same shape, got ndarray for (2, 5)"),
        (np.tanh, "activation=tanh must turn a tensor of shape (rows, width) into"),
        (nn.PReLU(7), "activation=PReLU(num_parameters=7) must turn a tensor"),
    ],
    ids=["scalar", "narrow", "ndarray", "numpy", "another width"],
)
def test_an_activation_that_does_not_keep_the_shape_is_named(activation, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(activation, width=5).fit(X, Y)


def test_early_stopping_on_too_few_rows_names_its_parameters():
    message = "early_stopping=True cannot hold out validation_fraction=0.1 of 10 rows: "
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(early_stopping=True).fit(X, Y)


@pytest.mark.parametrize("train_on", ["fit", "partial_fit"])
def test_a_network_is_not_trained_on_under_other_parameters(train_on):
    net = ActMLP(max_epochs=1, warm_start=True).fit(X, Y)
    net.set_params(width=5, activation="tanh")
    message = "it was built with hidden=(100,), activation='relu': set that back"
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(net, train_on)(X, Y)
    assert (
        len(net.set_params(width=100, activation="relu", lr=0.1).fit(X, Y).history) == 2
    )
    for change in ({"optimizer": "sgd"}, {"early_stopping": True}, {"callbacks": []}):
        with pytest.raises(
            ValueError, match="cannot train on, because it was built with"
        ):
            copy.deepcopy(net).set_params(**change).fit(X, Y)
    net.set_params(width=5, warm_start=False).fit(X, Y)
    assert net.module_.output.in_features == 5


def test_an_equal_module_is_no_other_architecture():
    net = ActMLP(nn.PReLU(), max_epochs=1, warm_start=True).fit(X, Y)
    assert len(net.set_params(activation=nn.PReLU()).fit(X, Y).history) == 2


@pytest.mark.parametrize(
    "weights", [{0: -1}, {0: np.nan}, {0: 0, 1: 0}, {0: 1, "no such label": 2}], ids=str
)
def test_class_weights_are_checked(weights):
    message = (
        "'class_weight' parameter of ActMLP must give weights that are finite, >= 0"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(class_weight=weights).fit(X, Y)


def test_classes_cannot_change_between_calls_of_partial_fit():
    net = ActMLP(max_epochs=1).partial_fit(X, Y, classes=[0, 1, 2])
    message = (
        "classes=[0, 1] is not what the first call to partial_fit was told: [0, 1, 2]"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        net.partial_fit(X, Y, classes=[0, 1])


def test_y_too_large_for_float32_is_refused():
    y = Y * 1e300
    with pytest.raises(ValueError, match=re.escape("y (as float32) contains infinity")):
        ActMLPRegressor(dtype="float32").fit(X, y)


def test_a_fit_that_fails_at_its_start_leaves_no_net_that_answers():
    net = ActMLP(early_stopping=True)
    with pytest.raises(ValueError, match="cannot hold out"):
        net.fit(X[:3], [0, 1, 2])
    with pytest.raises(NotFittedError):
        net.predict(X)
    fitted = ActMLP(max_epochs=2, random_state=0).fit(X, Y)
    before, epochs = fitted.predict_proba(X), len(fitted.history)
    fitted.optimizer__no_such = 1
    with pytest.raises(TypeError, match="no_such"):
        fitted.fit(X, Y)
    np.testing.assert_array_equal(before, fitted.predict_proba(X))
    assert len(fitted.history) == epochs


def test_ctrl_c_before_the_first_epoch_leaves_a_fitted_net_as_it_was(monkeypatch):
    net = ActMLP(max_epochs=2, random_state=0).fit(X, Y)
    before = net.predict_proba(X)

    def interrupted(self, triggered_directly=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(ActMLP, "initialize_optimizer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.fit(np.ones((4, 3)), list("abcd"))
    np.testing.assert_array_equal(before, net.predict_proba(X))
    assert net.classes_.tolist() == [0, 1]


def test_a_subclass_may_hand_its_arguments_on():
    class Mine(ActMLP):
        def __init__(self, *args, extra=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.extra = extra

    assert Mine("tanh", extra=2, width=3, max_epochs=1).fit(X, Y).extra == 2


def test_a_refused_fit_leaves_the_fitted_net_as_it_was():
    net = ActMLP(max_epochs=2, random_state=0).fit(X, Y)
    before = net.predict_proba(X)
    with pytest.raises(ValueError, match="'lr' parameter"):
        net.set_params(lr=-1).fit(X, Y)
    dirty = X.copy()
    dirty[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        net.set_params(lr=0.1).fit(dirty, Y)
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        net.fit(np.ones((4, 3)), list("abcd"), sample_weight=[-1, 1, 1, 1])
    assert net.n_features_in_ == 2
    assert net.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(before, net.predict_proba(X))
