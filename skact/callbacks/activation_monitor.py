"""The state of a net's layers at every epoch: dead and saturated units, gradients.

The columns follow from the weights of each epoch and some training rows. So the monitor
computes them when the fit ends, many epochs as one tensor program. The monitor cannot
change the training.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from skact.callbacks.net_view import NetView
from skact.engine.weights import Trajectory, Weights
from skact.network.forward import n_epochs_at_once, stack_weights
from skact.parameters.allowed import is_finite_number, is_int
from skact.threads import use_one_thread


class ActivationMonitor(Callback):
    """Records the state of each hidden layer at every epoch.

    A callback of skorch: ``ActMLP(callbacks=[ActivationMonitor()])``. When the fit
    ends, the columns are in the net's history, and so in a
    :class:`~skact.TrainingLog`, in ``to_frame(..., level="epoch")`` and on pages.
    :func:`~skact.diagnose` reads the columns.

    For hidden layer k, counted from 1, on some training rows, without dropout:

    ``dead_k``
        Share of units with output 0 and derivative 0 on all of these rows: dead units
        cannot learn.
    ``saturated_k``
        Share of units that are not dead, but whose absolute derivative, averaged over
        the rows, is below `saturation`: saturated units hardly learn.
    ``preact_mean_k``, ``preact_std_k``
        Mean and standard deviation of the activation's input, over units and rows.
    ``act_mean_k``, ``act_std_k``
        Mean and standard deviation of the activation's output.
    ``grad_norm_k``, ``grad_norm_out``
        Norm of the loss gradient for the weights of the layer, and of the output layer.
    ``grad_ratio``
        ``grad_norm_1`` over ``grad_norm_out``: small if gradients vanish in the
        backward pass, large if they explode.
    ``update_ratio_k``, ``update_ratio_out``
        Change of the layer's weights in the epoch: norm of the change over the norm
        before.

    And of the training rows, the same in each epoch:

    ``input_max``, ``input_median``
        The greatest root mean square of a column of X, and the median deviation of its
        columns: both near 1 if X is scaled.
    ``loss_constant``
        The loss of the best constant output: entropy of the shares of the classes, or
        variance of y. Without it for other losses than the estimators' own, and for a
        `class_weight` that is a dict; `sample_weight` does not count.

    If an activation mixes units, as softmax does, its layer has no ``dead_k`` and no
    ``saturated_k``.

    Parameters
    ----------
    n_rows : int, default=128
        Number of training rows to use, drawn once; all, if there are fewer. A unit that
        is dead on all of these rows may be alive on other rows.
    saturation : float, default=0.05
        Below this mean absolute derivative a unit is saturated. The derivative of
        sigmoid is at most .25, that of tanh at most 1.

    Notes
    -----
    The fit keeps its weights of every epoch until it ends. The monitor adds one forward
    and one backward pass over `n_rows` rows for each epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skact import ActivationMonitor, ActMLP
    >>> net = ActMLP(max_epochs=2, callbacks=[ActivationMonitor()], random_state=0)
    >>> net = net.fit(*load_iris(return_X_y=True))
    >>> 0 <= net.history[-1, "dead_1"] < 0.5
    True
    """

    ignores_epochs = True  # so the engine need not stop after each epoch
    wants_weights = True

    def __init__(self, n_rows: int = 128, saturation: float = 0.05) -> None:
        self.n_rows, self.saturation = n_rows, saturation

    def initialize(self) -> "ActivationMonitor":
        """Check the parameters; skorch calls this method before a fit."""
        if not is_int(self.n_rows, 1):
            raise ValueError(
                f"The 'n_rows' parameter of ActivationMonitor must be an int >= 1, got "
                f"{self.n_rows!r}."
            )
        if not (is_finite_number(self.saturation) and 0 <= self.saturation < 1):
            raise ValueError(
                f"The 'saturation' parameter of ActivationMonitor must be a number in "
                f"[0, 1), got {self.saturation!r}."
            )
        return self

    def receive_weights(self, net: Any, trajectory: Trajectory) -> None:
        """Compute the columns of each epoch and write them into the history."""
        n = trajectory.X.shape[0]
        rows = np.arange(n)
        if n > self.n_rows:
            rows = np.sort(np.random.default_rng(0).choice(n, self.n_rows, False))
        found = layer_columns(net, trajectory, rows, self.saturation)
        facts = NetView(net).facts_of_data(trajectory.X, trajectory.targets)
        for epoch in net.history_[trajectory.first_epoch :]:  # also one that failed
            epoch.update(facts)
        for epoch, columns in enumerate(found, start=trajectory.first_epoch):
            net.history_[epoch].update(columns)


def layer_columns(
    net: Any, trajectory: Trajectory, rows: np.ndarray, saturation: float
) -> Iterator[dict[str, float | None]]:
    """Yield the columns of `ActivationMonitor`, epoch by epoch."""
    view, epochs = NetView(net), trajectory.epochs
    X = view.to_tensor(trajectory.X[rows])
    targets = view.to_tensor(trajectory.targets[rows])
    is_stacked = not view.has_custom_parts
    n_at_once = n_epochs_at_once(view.module, len(X)) if is_stacked else 1
    recorder = _RecordingMLP(copy.deepcopy(view.module).eval())
    before = trajectory.initial
    for start in range(0, len(epochs), n_at_once):
        part = epochs[start : start + n_at_once]
        with use_one_thread(), view.lend_generators():
            passes = _run_passes(
                view, recorder, part, X, targets, is_stacked=is_stacked
            )
            columns = _activation_columns(recorder, part, passes, saturation)
            columns |= _gradient_columns(passes[0])
            columns |= _update_columns([before, *part])
        before = part[-1]
        for i in range(len(part)):
            yield {name: cells[i] for name, cells in columns.items()}


class _RecordingMLP(nn.Module):
    """An MLP that also returns the inputs and outputs of its activations."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.mlp = mlp

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Map (n, n_features) to outputs, pre-activations and activations."""
        before, after = [], []
        for layer in self.mlp.hidden:
            before.append(layer.norm(layer.linear(x)))
            x = layer.activation(before[-1])
            after.append(x)
        return self.mlp.output_activation(self.mlp.output(x)), before, after


# gradients, pre-activations and activations, each with an axis of epochs
Passes = tuple[Weights, list[Tensor], list[Tensor]]


def _run_passes(
    view: NetView,
    recorder: _RecordingMLP,
    part: Sequence[Weights],
    X: Tensor,
    targets: Tensor,
    *,
    is_stacked: bool,
) -> Passes:
    """Run a forward and a backward pass with the weights of each epoch."""
    learned = [name for name, _ in recorder.mlp.named_parameters()]

    def loss(weights: Weights, others: Weights) -> tuple[Tensor, Any]:
        named = {f"mlp.{name}": value for name, value in (weights | others).items()}
        output, before, after = functional_call(recorder, named, (X,))
        return view.losses_of_rows(output, targets).mean(), (before, after)

    def split(weights: Weights) -> tuple[Weights, Weights]:
        others = {k: v for k, v in weights.items() if k not in learned}
        return {k: weights[k] for k in learned}, others

    if is_stacked:
        gradients = vmap(grad(loss, has_aux=True))
        grads, (before, after) = gradients(*split(stack_weights(part)))
        return grads, list(before), list(after)
    (weights,) = part
    params, others = split(weights)
    params = {name: value.clone().requires_grad_() for name, value in params.items()}
    value, (before, after) = loss(params, others)
    found = torch.autograd.grad(value, list(params.values()), allow_unused=True)
    grads = {
        name: torch.zeros_like(params[name]) if g is None else g
        for name, g in zip(params, found, strict=True)
    }
    return (
        {name: value[None] for name, value in grads.items()},
        [z.detach()[None] for z in before],
        [a.detach()[None] for a in after],
    )


def _activation_columns(
    recorder: _RecordingMLP, part: Sequence[Weights], passes: Passes, saturation: float
) -> dict[str, list[float | None]]:
    """Describe the units of hidden layers; z and a are (epochs, n, units)."""
    columns: dict[str, list[float | None]] = {}
    _, before, after = passes
    for k, (z, a) in enumerate(zip(before, after, strict=True), start=1):
        activation = recorder.mlp.hidden[k - 1].activation
        if not isinstance(activation, nn.Softmax | nn.LogSoftmax):
            prefix = f"hidden.{k - 1}.activation."
            slope = _activation_slopes(activation, prefix, part, z).abs()
            is_dead = ((a == 0) & (slope == 0)).all(dim=1)
            is_saturated = (slope.mean(dim=1) < saturation) & ~is_dead
            columns[f"dead_{k}"] = is_dead.double().mean(dim=1).tolist()
            columns[f"saturated_{k}"] = is_saturated.double().mean(dim=1).tolist()
        for name, values in (("preact", z), ("act", a)):
            mean = values.mean(dim=(1, 2), keepdim=True)
            variance = (values - mean).square_().mean(dim=(1, 2))
            columns[f"{name}_mean_{k}"] = mean.flatten().tolist()
            columns[f"{name}_std_{k}"] = variance.sqrt().tolist()
    return columns


def _activation_slopes(
    activation: nn.Module, prefix: str, part: Sequence[Weights], z: Tensor
) -> Tensor:
    """Differentiate an elementwise activation at z, (epochs, n, units)."""
    names = [name for name, _ in activation.named_parameters()]
    names += [name for name, _ in activation.named_buffers()]
    if not names:
        rows = z.flatten(0, 1).detach().requires_grad_()
        return _elementwise_slopes(activation(rows), rows).view_as(z)
    slopes = []
    for weights, z_of_epoch in zip(part, z, strict=True):
        values = {name: weights[prefix + name] for name in names}
        rows = z_of_epoch.detach().requires_grad_()
        outputs = functional_call(activation, values, (rows,))
        slopes.append(_elementwise_slopes(outputs, rows))
    return torch.stack(slopes)


def _elementwise_slopes(outputs: Tensor, z: Tensor) -> Tensor:
    if not outputs.requires_grad:  # a step function
        return torch.zeros_like(z)
    (slopes,) = torch.autograd.grad(outputs.sum(), z)
    return slopes


def _gradient_columns(grads: Weights) -> dict[str, list[float | None]]:
    norms = {
        f"grad_norm_{_layer_label(name)}": value.flatten(1).double().norm(dim=1)
        for name, value in grads.items()
        if _is_linear_weight(name)
    }
    columns: dict[str, list[float | None]] = {
        name: values.tolist() for name, values in norms.items()
    }
    if "grad_norm_1" in norms:
        last = norms["grad_norm_out"]
        ratio = torch.where(last > 0, norms["grad_norm_1"] / last, torch.nan)
        columns["grad_ratio"] = ratio.tolist()
    return columns


def _update_columns(weights: Sequence[Weights]) -> dict[str, list[float | None]]:
    """Compare the weights of each epoch with the weights of the epoch before."""
    columns: dict[str, list[float | None]] = {}
    for name in weights[0]:
        if _is_linear_weight(name):
            stacked = torch.stack([w[name] for w in weights]).flatten(1).double()
            size = stacked[:-1].norm(dim=1).clamp_min(1e-300)
            change = (stacked[1:] - stacked[:-1]).norm(dim=1)
            columns[f"update_ratio_{_layer_label(name)}"] = (change / size).tolist()
    return columns


def _is_linear_weight(name: str) -> bool:
    return name.endswith("linear.weight") or name == "output.weight"


def _layer_label(name: str) -> str:
    """Return "1" for the first hidden layer, "out" for the output layer."""
    return "out" if name == "output.weight" else str(int(name.split(".")[1]) + 1)
