"""How the layers of a net are while it trains: dead and saturated units, gradients.

All of it follows from the weights of each epoch and some training rows, so it is worked
out when the fit ends, many epochs as one tensor program. Nothing of it can reach the
training.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from skact.engine.weights import Trajectory, Weights
from skact.nets.forward import epochs_at_once, stack_weights
from skact.nets.net_view import NetView
from skact.threads import one_thread


class ActivationMonitor(Callback):
    """Records how each hidden layer is, at every epoch.

    A callback of skorch: ``ActMLP(callbacks=[ActivationMonitor()])``. What it records
    is in the net's history when the fit ends, and so in a :class:`~skact.TrainingLog`,
    in ``to_frame(..., level="epoch")`` and on pages. :func:`~skact.diagnose` reads it.

    Of hidden layer k, counted from 1, on some training rows, without dropout:

    ``dead_k``
        Share of units with output 0 and derivative 0 on all of these rows: they
        cannot learn.
    ``saturated_k``
        Share of the units that are not dead whose derivative is below `saturation` in
        absolute value on the mean of the rows: they hardly can.
    ``preact_mean_k``, ``preact_std_k``
        Of what goes into the activation, over units and rows.
    ``act_mean_k``, ``act_std_k``
        Of what comes out.
    ``grad_norm_k``
        Norm of the gradient of the loss for the layer's weights; ``grad_norm_out``
        for those of the output layer.
    ``grad_ratio``
        ``grad_norm_1`` over ``grad_norm_out``: small if gradients vanish on their way
        back, large if they explode.
    ``update_ratio_k``, ``update_ratio_out``
        By how much the epoch has changed the layer's weights: norm of the change over
        the norm before.

    A layer whose activation mixes its units, such as softmax, has no share of dead and
    saturated ones.

    Parameters
    ----------
    n_rows : int, default=128
        Training rows to look at, chosen once; all, if there are fewer. A unit that is
        dead on all of them may be alive on a rare one.
    saturation : float, default=0.05
        Below this a derivative counts as none. That of sigmoid is .25 at most, that of
        tanh 1.

    Notes
    -----
    The fit keeps its weights of every epoch until it ends. A forward and a backward
    pass over `n_rows` an epoch is what it costs beside that.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skact import ActivationMonitor, ActMLP
    >>> net = ActMLP(max_epochs=2, callbacks=[ActivationMonitor()], random_state=0)
    >>> net = net.fit(*load_iris(return_X_y=True))
    >>> 0 <= net.history[-1, "dead_1"] < 0.5
    True
    """

    ignores_epochs = True  # so the engine need not stop after each for this one
    wants_weights = True

    def __init__(self, n_rows: int = 128, saturation: float = 0.05) -> None:
        self.n_rows, self.saturation = n_rows, saturation

    def initialize(self) -> "ActivationMonitor":
        """Check the parameters, as skorch asks for before a fit."""
        if not (isinstance(self.n_rows, int | np.integer) and self.n_rows >= 1):
            raise ValueError(
                f"The 'n_rows' parameter of ActivationMonitor must be an int >= 1, got "
                f"{self.n_rows!r}."
            )
        if not 0 <= self.saturation < 1:
            raise ValueError(
                f"The 'saturation' parameter of ActivationMonitor must be a number in "
                f"[0, 1), got {self.saturation!r}."
            )
        return self

    def receive_weights(self, net: Any, trajectory: Trajectory) -> None:
        """Record what the weights of each epoch amount to."""
        n = trajectory.X.shape[0]
        rows = np.arange(n)
        if n > self.n_rows:
            rows = np.sort(np.random.default_rng(0).choice(n, self.n_rows, False))
        found = layer_columns(net, trajectory, rows, self.saturation)
        for epoch, columns in enumerate(found, start=trajectory.first_epoch):
            net.history_[epoch].update(columns)


def layer_columns(
    net: Any, trajectory: Trajectory, rows: np.ndarray, saturation: float
) -> Iterator[dict[str, float | None]]:
    """Yield what `ActivationMonitor` records, epoch by epoch."""
    view, epochs = NetView(net), trajectory.epochs
    X = view.to_tensor(trajectory.X[rows])
    targets = view.to_tensor(trajectory.targets[rows])
    together = not view.has_custom_parts
    at_once = epochs_at_once(view.module, len(X)) if together else 1
    probe = _Probe(copy.deepcopy(view.module).eval())
    before = trajectory.initial
    for start in range(0, len(epochs), at_once):
        part = epochs[start : start + at_once]
        with one_thread(), view.lend_generators():
            passed = _pass(view, probe, part, X, targets, together=together)
            columns = _of_layers(probe, part, passed, saturation)
            columns |= _of_gradients(passed[0])
            columns |= _of_updates([before, *part])
        before = part[-1]
        for i in range(len(part)):
            yield {name: cells[i] for name, cells in columns.items()}


class _Probe(nn.Module):
    """An MLP that also returns what goes into its activations and comes out."""

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


Passed = tuple[Weights, list[Tensor], list[Tensor]]


def _pass(
    view: NetView,
    probe: _Probe,
    part: Sequence[Weights],
    X: Tensor,
    targets: Tensor,
    *,
    together: bool,
) -> Passed:
    """Return gradients, pre-activations, activations: each with an axis of epochs."""
    learned = [name for name, _ in probe.mlp.named_parameters()]

    def loss(weights: Weights, others: Weights) -> tuple[Tensor, Any]:
        named = {f"mlp.{name}": value for name, value in (weights | others).items()}
        output, before, after = functional_call(probe, named, (X,))
        return view.losses(output, targets).mean(), (before, after)

    def split(weights: Weights) -> tuple[Weights, Weights]:
        others = {k: v for k, v in weights.items() if k not in learned}
        return {k: weights[k] for k in learned}, others

    if together:
        gradients = vmap(grad(loss, has_aux=True))
        grads, (before, after) = gradients(*split(stack_weights(part)))
        return grads, list(before), list(after)
    (weights,) = part
    own, others = split(weights)
    own = {name: value.clone().requires_grad_() for name, value in own.items()}
    value, (before, after) = loss(own, others)
    found = torch.autograd.grad(value, list(own.values()), allow_unused=True)
    grads = {
        name: torch.zeros_like(own[name]) if g is None else g
        for name, g in zip(own, found, strict=True)
    }
    return (
        {name: value[None] for name, value in grads.items()},
        [z.detach()[None] for z in before],
        [a.detach()[None] for a in after],
    )


def _of_layers(
    probe: _Probe, part: Sequence[Weights], passed: Passed, saturation: float
) -> dict[str, list[float | None]]:
    """Describe hidden layers: z and a are (epochs, n, units)."""
    columns: dict[str, list[float | None]] = {}
    _, before, after = passed
    for k, (z, a) in enumerate(zip(before, after, strict=True), start=1):
        activation = probe.mlp.hidden[k - 1].activation
        if not isinstance(activation, nn.Softmax | nn.LogSoftmax):
            slope = _slopes(activation, f"hidden.{k - 1}.activation.", part, z).abs()
            dead = ((a == 0) & (slope == 0)).all(dim=1)
            flat = (slope.mean(dim=1) < saturation) & ~dead
            columns[f"dead_{k}"] = dead.double().mean(dim=1).tolist()
            columns[f"saturated_{k}"] = flat.double().mean(dim=1).tolist()
        for name, values in (("preact", z), ("act", a)):
            mean = values.mean(dim=(1, 2), keepdim=True)
            variance = (values - mean).square_().mean(dim=(1, 2))
            columns[f"{name}_mean_{k}"] = mean.flatten().tolist()
            columns[f"{name}_std_{k}"] = variance.sqrt().tolist()
    return columns


def _slopes(
    activation: nn.Module, prefix: str, part: Sequence[Weights], z: Tensor
) -> Tensor:
    """Differentiate an elementwise activation at z, (epochs, n, units)."""
    own = [name for name, _ in activation.named_parameters()]
    own += [name for name, _ in activation.named_buffers()]
    if not own:
        flat = z.flatten(0, 1).detach().requires_grad_()
        return _derivative(activation(flat), flat).view_as(z)
    found = []
    for weights, of_epoch in zip(part, z, strict=True):
        values = {name: weights[prefix + name] for name in own}
        one = of_epoch.detach().requires_grad_()
        found.append(_derivative(functional_call(activation, values, (one,)), one))
    return torch.stack(found)


def _derivative(values: Tensor, z: Tensor) -> Tensor:
    if not values.requires_grad:  # a step
        return torch.zeros_like(z)
    (slope,) = torch.autograd.grad(values.sum(), z)
    return slope


def _of_gradients(grads: Weights) -> dict[str, list[float | None]]:
    columns = {
        f"grad_norm_{_layer(name)}": value.flatten(1).double().norm(dim=1)
        for name, value in grads.items()
        if _is_linear(name)
    }
    found: dict[str, list[float | None]] = {
        name: norms.tolist() for name, norms in columns.items()
    }
    if "grad_norm_1" in columns:
        last = columns["grad_norm_out"]
        ratio = torch.where(last > 0, columns["grad_norm_1"] / last, torch.nan)
        found["grad_ratio"] = ratio.tolist()
    return found


def _of_updates(weights: Sequence[Weights]) -> dict[str, list[float | None]]:
    """Compare the weights of each epoch with those before it."""
    columns: dict[str, list[float | None]] = {}
    for name in weights[0]:
        if _is_linear(name):
            stacked = torch.stack([w[name] for w in weights]).flatten(1).double()
            size = stacked[:-1].norm(dim=1).clamp_min(1e-300)
            change = (stacked[1:] - stacked[:-1]).norm(dim=1)
            columns[f"update_ratio_{_layer(name)}"] = (change / size).tolist()
    return columns


def _is_linear(name: str) -> bool:
    return name.endswith("linear.weight") or name == "output.weight"


def _layer(name: str) -> str:
    """Return "1" for the first hidden layer, "out" for the last."""
    return "out" if name == "output.weight" else str(int(name.split(".")[1]) + 1)
