"""Nets predict in onnxruntime as in Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor, list_activations, to_onnx
from skact.deploying.onnx_nets import labels_of

X, Y = load_iris(return_X_y=True)
FEW = {"max_epochs": 3, "random_state": 0, "width": 8}


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("activation", list_activations())
def test_each_activation_and_norm(activation, norm, check):
    rows, y = load_breast_cancer(return_X_y=True)
    net = ActMLP(activation, norm=norm, depth=2, dropout=0.2, **FEW)
    model = make_pipeline(StandardScaler(), net).fit(rows, y)
    check(to_onnx(model), model, rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kind", "y"),
    [
        (ActMLP, Y),
        (ActMLP, Y - 5),
        (ActMLP, Y.astype(float)),
        (ActMLP, np.array(["a", "bb", "c c"])[Y]),
        (ActMLP, np.array(["a", "bb", "c c"], dtype=object)[Y]),
        (ActMLP, Y > 0),
        (ActMLP, np.zeros(len(Y), dtype=int)),
        (ActMLPBinary, Y > 0),
        (ActMLPBinary, np.array(["no", "yes"])[(Y > 0).astype(int)]),
        (ActMLPBinary, np.zeros(len(Y), dtype=int)),
    ],
)
def test_labels_of_any_kind(kind, y, dtype, check, run):
    net = kind(dtype=dtype, **FEW).fit(X, y)
    model = to_onnx(net)
    check(model, net, X)
    label, _ = run(model, X)
    wanted = labels_of(net.classes_).dtype
    assert label.dtype == (np.float32 if wanted.kind == "f" else wanted)


@pytest.mark.parametrize("y", [Y * 1.5, np.column_stack([Y, -Y]) * 1.0])
def test_numbers_have_a_column_for_each_output(y, run):
    net = ActMLPRegressor(**FEW).fit(X, y)
    (found,) = run(to_onnx(net), X)
    expected = net.predict(X).reshape(len(X), -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("transformer", [StandardScaler(), None])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_scaled_target_is_scaled_back(transformer, n_outputs, run):
    rows, y = load_diabetes(return_X_y=True)
    y = y if n_outputs == 1 else np.column_stack([y, -3 * y])
    y = y if transformer is not None else y / 100
    net = make_pipeline(StandardScaler(), ActMLPRegressor(**FEW))
    model = TransformedTargetRegressor(net, transformer=transformer).fit(rows, y)
    onnx_model = to_onnx(model)
    (found,) = run(onnx_model, rows)
    expected = model.predict(rows).reshape(len(rows), -1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    assert [one.name for one in onnx_model.graph.output] == ["variable"]


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 0},
        {"hidden": (9, 3, 5), "activation": ("relu", "prelu", "tanh")},
        {"output_activation": "tanh"},
        {"output_activation": "softmax", "criterion": nn.NLLLoss},
        {"predict_nonlinearity": None},
        {"class_weight": "balanced", "early_stopping": True},
    ],
    ids=str,
)
def test_other_settings(options, run):
    net = ActMLP(**{**FEW, **options}).fit(X, Y)
    _, proba = run(to_onnx(net), X)
    np.testing.assert_allclose(proba, net.predict_proba(X), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    layers=st.lists(
        st.tuples(st.sampled_from(list_activations()), st.integers(1, 9)), max_size=4
    ),
    norm=st.sampled_from([None, "batch", "layer"]),
    seed=st.integers(0, 99),
)
def test_random_networks(layers, norm, seed, check):
    names, widths = tuple(name for name, _ in layers), tuple(n for _, n in layers)
    net = ActMLP(names, hidden=widths, norm=norm, max_epochs=1, random_state=seed)
    check(to_onnx(net.fit(X, Y)), net, X)


def test_code_of_ones_own_is_named():
    net = ActMLP(**FEW).fit(X, Y).set_params(predict_nonlinearity=len)
    with pytest.raises(ValueError, match=r"cannot write predict_nonlinearity=.*len"):
        to_onnx(net)
    net = ActMLP(lambda x: 2 * x, **FEW).fit(X, Y)
    with pytest.raises(ValueError, match=r"cannot write the activation .*code of your"):
        to_onnx(net)
    model = TransformedTargetRegressor(
        ActMLPRegressor(**FEW), transformer=MinMaxScaler()
    )
    with pytest.raises(
        ValueError, match=r"the transformer MinMaxScaler\(\) of Transfor"
    ):
        to_onnx(model.fit(X, Y * 1.0))
