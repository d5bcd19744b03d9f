"""Nets as records: all parts come back, what cannot is named, hostile ones raise."""

import copy
import json

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from skorch.callbacks import GradientNormClipping
from skorch.dataset import ValidSplit
from torch import nn

import skact
from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.deploying.net_records import CannotSaveError, net_of, record_of

X, Y = load_iris(return_X_y=True)
FAST = {"max_epochs": 2, "width": 4, "random_state": 0}


def fitted(**params):
    return ActMLP(**FAST | params).fit(X, Y)


def round_trip(net):
    record, tensors = record_of(net)
    return net_of(json.loads(json.dumps(record)), copy.deepcopy(tensors))


def same_bits(one, other):
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("activation", skact.list_activations())
def test_every_activation_comes_back(activation, norm, dtype):
    net = fitted(activation=activation, norm=norm, dtype=dtype)
    same_bits(net, round_trip(net))


@pytest.mark.parametrize(
    "kind",
    [
        *("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "ASGD"),
        *("LBFGS", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
    ],
)
def test_every_optimizer_goes_on_where_it_stood(kind):
    net = fitted(optimizer=getattr(torch.optim, kind))
    loaded = round_trip(net)
    same_bits(net.partial_fit(X, Y), loaded.partial_fit(X, Y))
    for one in (net, loaded):
        one.set_params(lr=0.001)
    same_bits(net.partial_fit(X, Y), loaded.partial_fit(X, Y))


def test_warm_start_and_held_out_rows_go_on_where_they_stood():
    for params in (
        {"early_stopping": True, "patience": 1, "max_epochs": 8},
        {"train_split": ValidSplit(3, stratified=True)},
        {"activation": "rrelu", "dropout": 0.3},
    ):
        net = fitted(warm_start=True, **params)
        loaded = round_trip(net)
        same_bits(net.fit(X, Y), loaded.fit(X, Y))
        scores = [row.get("valid_loss") for row in net.history]
        assert scores == [row.get("valid_loss") for row in loaded.history]


def test_the_history_has_its_epochs_without_their_batches():
    net = fitted(batch_size=32)
    loaded = round_trip(net)
    assert loaded.n_iter_ == 2
    assert loaded.loss_curve_ == net.loss_curve_
    assert [row["batches"] for row in loaded.history] == [[], []]
    for one, other in zip(net.history, loaded.history, strict=True):
        assert {**one, "batches": []} == other


def test_names_of_columns_come_back():
    frame = load_iris(as_frame=True).data
    net = ActMLP(**FAST).fit(frame, Y)
    loaded = round_trip(net)
    assert loaded.feature_names_in_.dtype == object
    assert [*loaded.feature_names_in_] == [*frame.columns]
    np.testing.assert_array_equal(net.predict(frame), loaded.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[frame.columns[::-1]])


def test_a_net_that_is_built_and_not_trained_comes_back():
    net = ActMLP(**FAST).initialize(X, Y)
    loaded = round_trip(net)
    same_bits(net, loaded)
    same_bits(net.partial_fit(X, Y), loaded.partial_fit(X, Y))


def test_a_net_that_is_not_fitted_comes_back():
    for net in (ActMLP("tanh", width=7), ActMLPBinary(lr=2.0), ActMLPRegressor()):
        loaded = round_trip(net)
        assert repr(loaded) == repr(net)
        assert not loaded.__sklearn_is_fitted__()


def test_a_loaded_net_is_cloned():
    net = fitted(class_weight={0: 2.0}, optimizer__eps=1e-5)
    assert repr(clone(round_trip(net))) == repr(clone(net))
    params = net.get_params(deep=False)
    assert round_trip(net).get_params(deep=False) == params


def test_a_criterion_with_weights_comes_back():
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))
    net = fitted(criterion=criterion)
    loaded = round_trip(net)
    same_bits(net.partial_fit(X, Y), loaded.partial_fit(X, Y))
    net = fitted(criterion__label_smoothing=0.1)
    loaded = round_trip(net)
    same_bits(net.partial_fit(X, Y), loaded.partial_fit(X, Y))


@pytest.mark.parametrize("value", ["auto", None])
def test_a_trimmed_net_predicts_as_before(value):
    net = fitted(predict_nonlinearity=value, criterion=nn.CrossEntropyLoss())
    net.trim_for_prediction()
    loaded = round_trip(net)
    same_bits(net, loaded)
    assert loaded.optimizer_ is None
    assert not any(name.startswith("optimizer") for name in record_of(net)[1])


def test_a_net_of_a_device_that_is_not_here_comes_to_the_cpu(monkeypatch):
    record, tensors = record_of(fitted())
    record["parameters"]["device"] = "cuda:3"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(Warning, match='Loading on device "cpu" instead'):
        net = net_of(record, tensors)
    assert net.device == "cpu"
    same_bits(net, fitted())


# ------------------------------------------------------------------ refused to save


class OwnNet(ActMLP):
    pass


def own_head(net):
    net.module_.register_forward_hook(print)
    return net


def own_forward(net):
    net.module_.hidden[0].forward = torch.sin
    return net


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda: OwnNet(), "of the class OwnNet, which is not skact's"),
        (
            lambda: fitted(activation=lambda x: x * x),
            "its 'activation' holds <function",
        ),
        (lambda: fitted(activation=("relu",)).set_params(width=3), "another hidden"),
        (lambda: fitted(output_activation=torch.tanh), "its 'output_activation' holds"),
        (lambda: fitted(predict_nonlinearity=torch.sigmoid), "must be 'auto' or None"),
        (lambda: fitted(train_split=lambda *a: (a[0], None)), "Set it to None, if the"),
        (lambda: ActMLP(compile=True), "its 'compile' is True, and must be False"),
        (
            lambda: ActMLP(torch_load_kwargs={}),
            "'torch_load_kwargs' is {}, and must be",
        ),
        (lambda: own_head(fitted()), "its module_ has hooks, or a forward of its own"),
        (
            lambda: own_forward(fitted()),
            "its module_ has hooks, or a forward of its own",
        ),
        (lambda: fitted().set_params(norm="batch"), "built with another norm than it"),
    ],
)
def test_what_cannot_be_saved_is_named(net, message):
    with pytest.raises(CannotSaveError, match=message):
        record_of(net())


def test_an_activation_of_the_catalogue_that_is_the_users_is_named():
    skact.register_activation("own_cube", lambda x: x**3)
    try:
        net = fitted(activation="own_cube")
        record, tensors = record_of(fitted())
        record["parameters"]["activation"] = "own_cube"
        with pytest.raises(CannotSaveError, match="which names your own code"):
            record_of(net)
        with pytest.raises(
            ValueError, match="'activation' is 'own_cube': not of skact"
        ):
            net_of(record, tensors)
    finally:
        skact.unregister_activation("own_cube")


def test_callbacks_are_left_out_also_those_with_state():
    net = fitted(callbacks=[GradientNormClipping(1.0)])
    loaded = round_trip(net)
    assert loaded.callbacks is None
    same_bits(net, loaded)
    same_bits(loaded.partial_fit(X, Y), round_trip(net).partial_fit(X, Y))


# ------------------------------------------------------------------ hostile records


def set_in(*keys, to):
    def change(record, tensors):
        inner = record
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to

    return change


def tensor(name, to):
    def change(record, tensors):
        tensors[name] = to if isinstance(to, torch.Tensor) else to(tensors[name])
        if tensors[name] is None:
            del tensors[name]

    return change


WEIGHT = "module.hidden.0.linear.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in("class", to="SVC"), "a net is of the class 'SVC'"),
        (
            set_in("parameters", "width", to=10**12),
            r"the shape \(4, 4\), and the record",
        ),
        (set_in("parameters", "depth", to=10**12), "has depth=10+, and 1 layers"),
        (set_in("parameters", "hidden", to=[4] * 9), "has 9 widths, and 1 layers"),
        (
            set_in("parameters", "fit", to=1),
            "has the parameter 'fit', which is unknown",
        ),
        (
            set_in("parameters", "_loop", to=1),
            "the parameter '_loop', which is unknown",
        ),
        (set_in("parameters", "compile", to=True), "the parameter 'compile' is True"),
        (set_in("parameters", "callbacks", to=["x"]), r"'callbacks' is \['x'\]"),
        (set_in("parameters", to={}), "a net lacks the parameter 'activation'"),
        (
            set_in("parameters", "activation", to={"class": "torch.nn.Linear"}),
            r"it names the class 'torch\.nn\.Linear', which is not allowed",
        ),
        (
            set_in("parameters", "activation", to={"tuple": ["relu", "tanh"]}),
            "names 2 activations",
        ),
        (set_in("parameters", "activation", to="__import__('os')"), "activation="),
        (
            set_in("fit", "learned", "n_features_in_", to=10**12),
            "the record of the net",
        ),
        (set_in("fit", "learned", "n_features_in_", to=4.0), "'n_features_in_' is 4.0"),
        (set_in("fit", "learned", "n_outputs_", to=2), "the record of the net says"),
        (
            set_in("fit", "learned", "predict", to=1),
            "the attribute 'predict', which is",
        ),
        (set_in("fit", "learned", "dtype_", to="float32"), "must be of torch.float32"),
        (
            set_in("fit", "learned", "classes_inferred_", to=[1, 2, 3]),
            "the classes of a net are of the shape None",
        ),
        (
            set_in(
                "fit", "learned", "classes_inferred_", to={"array": ["<i8", [1], [1]]}
            ),
            r"the classes of a net are of the shape \(1,\)",
        ),
        (set_in("fit", "optimizer", "groups", to=[]), "is of another network"),
        (set_in("fit", "optimizer", "groups", to=[{"lr": 1}]), "has other options"),
        (set_in("requests", "predict", to={}), "a method 'predict' asks for metadata"),
        (tensor(WEIGHT, torch.zeros(4, 5)), r"has the shape \(4, 5\), and the record"),
        (tensor(WEIGHT, lambda one: one.float()), "is of torch.float32 and the shape"),
        (tensor(WEIGHT, lambda one: None), "has depth=1, and 1 layers|the shape None"),
        (tensor("module.output.bias", torch.zeros(9)), "must be of torch.float64 and"),
        (
            tensor("module.output.bias", lambda one: None),
            "lacks the tensor 'module.out",
        ),
        (tensor("module.other", torch.zeros(9)), "has an unknown the tensor|unknown"),
        (
            tensor("optimizer.0.exp_avg", torch.zeros(99)),
            "'optimizer.0.exp_avg' is too",
        ),
    ],
)
def test_a_hostile_record_is_refused(change, message):
    record, tensors = record_of(fitted())
    change(record, tensors)
    with pytest.raises(ValueError, match=message):
        net_of(record, tensors)


def test_an_activation_of_absurd_size_is_not_built():
    record, tensors = record_of(fitted(activation=nn.PReLU(4)))
    written = record["parameters"]["activation"]["module"]
    written["options"]["num_parameters"] = 10**14
    with pytest.raises(ValueError, match="the values of PReLU are of other shapes"):
        net_of(record, tensors)
