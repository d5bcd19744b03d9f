"""Losses of a stack: the gradient in each step, and the losses of many steps at once.

The loss of a batch is ``sum(w l) / sum(w)``; `weight` is w, divided by its sum. Tensors
are ``(L, C, B)``, lanes first and rows last; weights are ``(L, 1, B)``, zero for rows
that only fill a batch up. A step computes only the gradient and keeps intermediate
values. The losses of many steps are computed from the kept values, all at once.
"""

from abc import ABC, abstractmethod
from functools import partial

import torch
from torch import Tensor

from skact._torch import find_function
from skact.engine.layers import BoundCall


class Loss(ABC):
    """A loss bound to the outputs of a stack, for several steps.

    Parameters
    ----------
    outputs : Tensor of shape (L, C, B)
        Outputs of the networks, in each step.
    grad : Tensor of shape (L, C, B)
        Filled with the gradient of the batch's loss with respect to `outputs`.
    n_steps : int
        Most steps whose losses are computed at once.
    """

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        self.outputs, self.grad = outputs, grad
        shape = n_steps, *outputs.shape
        self.kept = outputs.new_zeros(shape)
        self.factors = outputs.new_zeros(shape)

    @abstractmethod
    def load_targets(self, targets: Tensor, weight: Tensor) -> None:
        """Take the targets and weights of the next steps.

        Parameters
        ----------
        targets : Tensor of shape (n, L, 1, B) or (n, L, C, B)
        weight : Tensor of shape (n, L, 1, B)
        """

    @abstractmethod
    def calls(self, step: int) -> list[BoundCall]:
        """Return the calls that compute the gradient from the outputs of a step."""

    @abstractmethod
    def losses_of_rows(self, targets: Tensor) -> Tensor:
        """Return the loss of each row in the n steps that were taken, (n, L, 1, B)."""

    @staticmethod
    @abstractmethod
    def losses_of_outputs(outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each row, (L, 1, B), from outputs that do not train."""

    @staticmethod
    def find_correct(outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Return whether the label of each row is true, (L, 1, B); None: no labels."""
        return None


class CrossEntropy(Loss):
    """Softmax and negative log-likelihood of class codes ``(n, L, 1, B)``.

    A step keeps the logarithms of the probabilities p. The gradient is
    ``w p - w [code]``: the backward pass of log_softmax turns ``-w [code]`` into it.
    """

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        super().__init__(outputs, grad, n_steps)
        n_classes, n_rows = outputs.shape[1:]
        # flat indices of the values of class 0: flat indexing is much faster
        places = torch.arange(n_steps * len(outputs), device=outputs.device)
        columns = torch.arange(n_rows, device=outputs.device)
        self.first = places.view(n_steps, -1, 1, 1) * (n_classes * n_rows) + columns

    def _flat_indices(self, targets: Tensor) -> Tensor:
        """Return the flat index of the value of each row's class."""
        first, n_rows = self.first[: len(targets)], targets.shape[3]
        return torch.add(first, targets, alpha=n_rows).flatten()

    def load_targets(self, targets: Tensor, weight: Tensor) -> None:
        """Set the factors to ``-w`` at the class of each row, to 0 elsewhere."""
        self.factors.zero_()
        self.factors.view(-1).scatter_(
            0, self._flat_indices(targets), -weight.flatten()
        )

    def calls(self, step: int) -> list[BoundCall]:
        """Return the calls of log_softmax, forward and backward."""
        kept, factors = self.kept[step], self.factors[step]
        return [
            partial(torch.log_softmax, self.outputs, 1, out=kept),
            partial(
                find_function("_log_softmax_backward_data"),
                factors,
                kept,
                1,
                factors.dtype,
                out=self.grad,
            ),
        ]

    def losses_of_rows(self, targets: Tensor) -> Tensor:
        """Return the negative logarithm of each row's probability."""
        kept = self.kept.view(-1).index_select(0, self._flat_indices(targets))
        return kept.view(targets.shape).neg_()

    @staticmethod
    def losses_of_outputs(outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the negative logarithm of each row's probability."""
        return torch.log_softmax(outputs, 1).gather(1, targets).neg_()

    @staticmethod
    def find_correct(outputs: Tensor, targets: Tensor) -> Tensor:
        """Return whether the first of the largest outputs is that of the true class."""
        return outputs.argmax(1, keepdim=True) == targets


class BCEWithLogits(Loss):
    """Sigmoid and binary cross-entropy, targets ``(n, L, 1, B)`` of 0 and 1.

    With ``s = 1 - 2 t``, the loss of a row is ``-log(sigmoid(-s z))`` and its gradient
    ``s sigmoid(s z)``.
    """

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        super().__init__(outputs, grad, n_steps)
        self.sign = torch.zeros_like(self.factors)

    def load_targets(self, targets: Tensor, weight: Tensor) -> None:
        """Compute the signs s, and the factors ``w s``."""
        n = len(targets)
        self.sign[:n] = 1 - 2 * targets
        torch.mul(self.sign[:n], weight, out=self.factors[:n])

    def calls(self, step: int) -> list[BoundCall]:
        """Return the calls of ``w s sigmoid(s z)``."""
        kept = self.kept[step]
        return [
            partial(torch.mul, self.outputs, self.sign[step], out=kept),
            partial(torch.sigmoid, kept, out=self.grad),
            partial(self.grad.mul_, self.factors[step]),
        ]

    def losses_of_rows(self, targets: Tensor) -> Tensor:
        """Return the negative logarithm of each row's probability."""
        return torch.nn.functional.logsigmoid(-self.kept[: len(targets)]).neg_()

    @staticmethod
    def losses_of_outputs(outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the negative logarithm of each row's probability."""
        return torch.nn.functional.logsigmoid((2 * targets - 1).mul_(outputs)).neg_()

    @staticmethod
    def find_correct(outputs: Tensor, targets: Tensor) -> Tensor:
        """Return whether the true one of both classes has the larger probability."""
        share = torch.sigmoid(outputs)
        return (share > 1 - share) == (targets > 0)


class SquaredError(Loss):
    """Squared error, the mean over the outputs."""

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        super().__init__(outputs, grad, n_steps)
        self.targets = torch.zeros_like(self.factors)

    def load_targets(self, targets: Tensor, weight: Tensor) -> None:
        """Keep the targets; set the factors to ``2 w / C``."""
        n = len(targets)
        self.targets[:n] = targets
        self.factors[:n] = weight * (2 / self.outputs.shape[1])

    def calls(self, step: int) -> list[BoundCall]:
        """Return the calls of ``2 w / C (z - t)``."""
        kept = self.kept[step]
        return [
            partial(torch.sub, self.outputs, self.targets[step], out=kept),
            partial(torch.mul, kept, self.factors[step], out=self.grad),
        ]

    def losses_of_rows(self, targets: Tensor) -> Tensor:
        """Return the mean square of each row's differences."""
        return self.kept[: len(targets)].square().mean(2, keepdim=True)

    @staticmethod
    def losses_of_outputs(outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean square of each row's differences."""
        return (outputs - targets).square_().mean(1, keepdim=True)


LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "bce_with_logits": BCEWithLogits,
    "squared_error": SquaredError,
}
