"""Losses of a stack: the gradient of the batch's loss, and later the loss itself.

The loss of a batch is ``sum(w l) / sum(w)``; its weights come divided by their sum.
Tensors are ``(L, C, B)``, lanes first and rows last; weights are ``(L, 1, B)``, zero
for rows that only fill a batch up. A step computes only what its gradient needs, and
keeps what the loss can be told from: that is done for many steps at once.
"""

from abc import ABC, abstractmethod
from functools import partial

import torch
from torch import Tensor

from skact.engine._torch import function
from skact.engine.layers import Call


class Loss(ABC):
    """A loss bound to the outputs of a stack, for several steps.

    Parameters
    ----------
    outputs : Tensor of shape (L, C, B)
        What the networks answer, in each step.
    grad : Tensor of shape (L, C, B)
        Filled with the gradient of the batch's loss with respect to `outputs`.
    n_steps : int
        Steps whose losses are told in one go.
    """

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        self.outputs, self.grad = outputs, grad
        shape = n_steps, *outputs.shape
        self.kept = outputs.new_zeros(shape)
        self.steer = outputs.new_zeros(shape)

    @abstractmethod
    def load(self, targets: Tensor, weight: Tensor) -> None:
        """Make ready for steps with these targets and weights.

        Parameters
        ----------
        targets : Tensor of shape (n, L, 1, B) or (n, L, C, B)
        weight : Tensor of shape (n, L, 1, B)
        """

    @abstractmethod
    def calls(self, step: int) -> list[Call]:
        """Return what turns the outputs of a step into the gradient."""

    @abstractmethod
    def of_rows(self, targets: Tensor) -> Tensor:
        """Return the loss of each row in the steps that were taken, (n, L, 1, B)."""


class CrossEntropy(Loss):
    """Softmax and negative log-likelihood of class codes ``(n, L, 1, B)``.

    A step keeps the logarithms of the probabilities p; its gradient is
    ``w p - w [code]``, which is what torch's backward pass of log_softmax makes of
    ``-w [code]``.
    """

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        super().__init__(outputs, grad, n_steps)
        n_classes, n_rows = outputs.shape[1:]
        # where the values of class 0 lie in memory: flat indices are faster by far
        places = torch.arange(n_steps * len(outputs), device=outputs.device)
        columns = torch.arange(n_rows, device=outputs.device)
        self.first = places.view(n_steps, -1, 1, 1) * (n_classes * n_rows) + columns

    def _places(self, targets: Tensor) -> Tensor:
        """Return where the value of each row's class lies in memory, flat."""
        first, n_rows = self.first[: len(targets)], targets.shape[3]
        return torch.add(first, targets, alpha=n_rows).flatten()

    def load(self, targets: Tensor, weight: Tensor) -> None:
        """Fill in ``-w`` at the class of each row."""
        self.steer.zero_()
        self.steer.view(-1).scatter_(0, self._places(targets), -weight.flatten())

    def calls(self, step: int) -> list[Call]:
        """Return log_softmax, forward and backward."""
        kept, steer = self.kept[step], self.steer[step]
        return [
            partial(torch.log_softmax, self.outputs, 1, out=kept),
            partial(
                function("_log_softmax_backward_data"),
                steer,
                kept,
                1,
                steer.dtype,
                out=self.grad,
            ),
        ]

    def of_rows(self, targets: Tensor) -> Tensor:
        """Return the negative logarithm of each row's probability."""
        kept = self.kept.view(-1).index_select(0, self._places(targets))
        return kept.view(targets.shape).neg_()


class BCEWithLogits(Loss):
    """Sigmoid and binary cross-entropy, targets ``(n, L, 1, B)`` of 0 and 1.

    With ``s = 1 - 2 t``, the loss of a row is ``-log(sigmoid(-s z))`` and its gradient
    ``s sigmoid(s z)``.
    """

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        super().__init__(outputs, grad, n_steps)
        self.sign = torch.zeros_like(self.steer)

    def load(self, targets: Tensor, weight: Tensor) -> None:
        """Find the signs, and multiply them by the weights."""
        n = len(targets)
        self.sign[:n] = 1 - 2 * targets
        torch.mul(self.sign[:n], weight, out=self.steer[:n])

    def calls(self, step: int) -> list[Call]:
        """Return the sigmoid, and what stands before and after it."""
        kept = self.kept[step]
        return [
            partial(torch.mul, self.outputs, self.sign[step], out=kept),
            partial(torch.sigmoid, kept, out=self.grad),
            partial(self.grad.mul_, self.steer[step]),
        ]

    def of_rows(self, targets: Tensor) -> Tensor:
        """Return the negative logarithm of each row's probability."""
        return torch.nn.functional.logsigmoid(-self.kept[: len(targets)]).neg_()


class SquaredError(Loss):
    """Squared error, its mean over the outputs."""

    def __init__(self, outputs: Tensor, grad: Tensor, n_steps: int) -> None:
        super().__init__(outputs, grad, n_steps)
        self.targets = torch.zeros_like(self.steer)

    def load(self, targets: Tensor, weight: Tensor) -> None:
        """Spread the weights over the outputs."""
        n = len(targets)
        self.targets[:n] = targets
        self.steer[:n] = weight * (2 / self.outputs.shape[1])

    def calls(self, step: int) -> list[Call]:
        """Return the difference, and its weighting."""
        kept = self.kept[step]
        return [
            partial(torch.sub, self.outputs, self.targets[step], out=kept),
            partial(torch.mul, kept, self.steer[step], out=self.grad),
        ]

    def of_rows(self, targets: Tensor) -> Tensor:
        """Return the mean square of each row's differences."""
        return self.kept[: len(targets)].square().mean(2, keepdim=True)


LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "bce_with_logits": BCEWithLogits,
    "squared_error": SquaredError,
}
