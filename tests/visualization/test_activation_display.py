"""Activations are drawn as they are: values, derivatives, learned shapes."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skact import (
    ActivationDisplay,
    ActMLP,
    activations_frame,
    get_activation,
    list_activations,
    make_activation,
    register_activation,
    to_hiplot,
    unregister_activation,
)

X, y = load_iris(return_X_y=True)
draw = ActivationDisplay.from_activations


def heights(line: Any) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=float)


@pytest.mark.parametrize("name", list_activations())
def test_values_and_derivatives_are_those_of_the_catalogue(name: str) -> None:
    entry = get_activation(name)
    display = draw(name, derivative=True, x=np.linspace(-4.03, 4.01, 83))
    x = torch.from_numpy(display.x)[:, None]
    module = make_activation(name).double().eval()
    if not entry.elementwise:
        x = torch.cat([x, torch.zeros_like(x)], 1)
    with torch.no_grad():
        values = module(x)[:, 0].numpy()
        slopes = entry.derivative(x)[:, 0].numpy()  # type: ignore[misc]
    assert np.allclose(display.curves[0].values[:, 0], values)
    assert np.allclose(display.curves[0].slopes[:, 0], slopes, atol=1e-12)
    assert display.lines_[0].get_linestyle() == "-"
    assert display.derivative_lines_[0].get_linestyle() == "--"
    drawn = heights(display.derivative_lines_[0])
    assert np.allclose(drawn, slopes, equal_nan=False) or np.isnan(drawn).any()


def test_a_few_share_axes_and_many_have_their_own() -> None:
    few = draw(["sigmoid", "tanh", "relu"], derivative=True)
    assert len(few.axes_) == 1
    labels = [text.get_text() for text in few.ax_.get_legend().get_texts()]
    assert labels == ["sigmoid", "sigmoid'", "tanh", "tanh'", "relu", "relu'"]
    many = draw(list_activations())
    assert len(many.axes_) == len(list_activations())
    assert [ax.get_title() for ax in many.axes_] == list_activations()
    assert not many.derivative_lines_
    five = draw(list_activations()[:5])
    rows = [ax.get_subplotspec().rowspan.start for ax in five.axes_]
    assert rows == [0, 0, 0, 1, 1]
    assert len(draw(["relu", "tanh"], multiples=True).axes_) == 2
    assert len(draw(list_activations(), multiples=False).axes_) == 1


def test_anything_that_an_estimator_takes_can_be_drawn() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad * 7  # its own derivative, and not that of its values

    register_activation("sine_for_a_test", torch.sin)
    try:
        specs = ["leaky_relu(0.2)", nn.Tanh, nn.ELU(2.0), torch.sin, Square]
        display = draw([*specs, "sine_for_a_test", nn.PReLU(3)], derivative=True)
    finally:
        unregister_activation("sine_for_a_test")
    assert len(display.curves) == 7
    assert (display.curves[4].slopes == 7).all()
    assert np.allclose(display.curves[3].values[:, 0], np.sin(display.x))
    assert np.allclose(display.curves[5].slopes[:, 0], np.cos(display.x))


def test_derivatives_can_be_drawn_alone() -> None:
    display = draw(["sigmoid", "tanh"], derivative="only")
    assert not display.lines_
    assert len(display.derivative_lines_) == 2
    assert len(draw(list_activations(), derivative="only").axes_) == 27
    with pytest.raises(ValueError, match="True, False or 'only', got 'just'"):
        draw("relu", derivative="just")


def test_labels_can_be_given() -> None:
    display = draw({"steep": "leaky_relu(0.5)", "flat": "leaky_relu(0.01)"})
    assert [curve.label for curve in display.curves] == ["steep", "flat"]


def test_lines_are_interrupted_where_they_jump() -> None:
    display = draw(["relu", "hardshrink", "softsign"], derivative=True)
    relu = heights(display.derivative_lines_[0])
    assert np.isnan(relu).sum() == 1
    assert abs(display.x[np.isnan(relu)][0]) < 0.02
    assert not np.isnan(heights(display.lines_[0])).any()
    assert np.isnan(heights(display.lines_[1])).sum() == 2  # a jump at each side
    assert not np.isnan(heights(display.derivative_lines_[2])).any()  # but a cusp


def test_a_net_shows_what_it_has_learned() -> None:
    net = ActMLP("prelu", width=8, depth=2, max_epochs=5, lr=0.1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), net).fit(X, y)
    display = ActivationDisplay.from_estimator(pipeline, derivative=True)
    slopes = [layer.activation.weight.item() for layer in pipeline[-1].module_.hidden]
    assert len(display.curves) == 2
    for curve, slope in zip(display.curves, slopes, strict=True):
        assert slope != 0.25
        assert np.allclose(curve.slopes[display.x < 0, 0], slope)
        assert f"weight={slope:.3g}" in curve.label


def test_layers_that_are_alike_share_a_line() -> None:
    net = ActMLP(("relu", "tanh", "relu"), depth=3, width=4, max_epochs=1)
    display = ActivationDisplay.from_estimator(net.fit(X, y))
    assert [curve.label for curve in display.curves] == [
        "layers 1, 3: ReLU()",
        "layer 2: Tanh()",
    ]


def test_units_with_shapes_of_their_own_are_thin_lines() -> None:
    net = ActMLP(nn.PReLU(5), width=5, max_epochs=10, lr=0.1, random_state=0)
    display = ActivationDisplay.from_estimator(net.fit(X, y))
    assert display.curves[0].values.shape == (1001, 5)
    thin = [line for line in display.ax_.get_lines() if line.get_linewidth() == 0.5]
    assert len(thin) == 5
    mean = np.mean([heights(line) for line in thin], axis=0)
    assert np.allclose(heights(display.lines_[0]), mean)


def test_drawing_leaves_the_net_as_it_was() -> None:
    net = ActMLP("prelu", width=4, max_epochs=2, random_state=0).fit(X, y)
    before = net.predict_proba(X)
    ActivationDisplay.from_estimator(net, derivative=True)
    assert (net.predict_proba(X) == before).all()
    assert net.module_.output.weight.dtype == torch.float64
    assert all(weight.grad is None for weight in net.module_.parameters())


def test_it_draws_where_and_how_it_is_told() -> None:
    figure, ax = plt.subplots()
    display = draw(list_activations(), ax=ax, line_kw={"linewidth": 3})
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert {line.get_linewidth() for line in display.lines_} == {3}
    assert display.plot() is display
    assert display.figure_ is not figure


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="at least one; got none"):
        draw([])
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        draw("rellu")
    for x in ((1, 1), (2, -2), [0.0, np.inf], [[0.0, 1.0]], [1.0]):
        with pytest.raises(ValueError, match="x must be two finite numbers"):
            draw("relu", x=x)
    with pytest.raises(ValueError, match="one value for each it gets"):
        draw(lambda x: x.sum())
    with pytest.raises(ValueError, match="could not be applied to a column"):
        draw(nn.PReLU(3).forward)
    with pytest.raises(NotFittedError):
        ActivationDisplay.from_estimator(ActMLP())
    with pytest.raises(ValueError, match="no hidden layer"):
        ActivationDisplay.from_estimator(ActMLP(depth=0, max_epochs=1).fit(X, y))


def test_the_frame_says_what_the_catalogue_says() -> None:
    frame = activations_frame().set_index("name")
    assert frame.index.tolist() == list_activations()
    for name in list_activations():
        entry = get_activation(name)
        row = frame.loc[name]
        ends = entry.range()  # type: ignore[misc]
        assert (row["low"], row["high"]) == (ends.low, ends.high)
        assert row["gain"] == entry.gain
        assert row["bounded"] == entry.bounded == np.isfinite(row["high"] - row["low"])
        assert row["monotonic"] == entry.monotonic
        assert (row["formula"], row["paper"]) == (entry.formula, entry.paper)
    assert frame.loc["leaky_relu", "parameters"] == "negative_slope=0.01"


def test_what_a_registered_one_does_not_tell_is_missing() -> None:
    register_activation("sine_for_a_test", torch.sin)
    try:
        row = activations_frame().set_index("name").loc["sine_for_a_test"]
        assert row[["low", "high", "bounded", "smooth"]].isna().all()
        assert row["formula"] == ""
        to_hiplot(activations_frame()).to_html()
    finally:
        unregister_activation("sine_for_a_test")
