"""Losses of a stack: each row's loss, and the gradient of the batch's, in one go.

The loss of a batch is ``sum(w l) / sum(w)``; its weights come divided by their sum.
Tensors are ``(L, C, B)``, lanes first and rows last; weights are ``(L, 1, B)``, zero
for rows that only fill a batch up.
"""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def cross_entropy(
    outputs: Tensor, codes: Tensor, weight: Tensor, grad: Tensor
) -> Tensor:
    """Softmax and negative log-likelihood of class codes ``(L, 1, B)``.

    Parameters
    ----------
    outputs : Tensor of shape (L, C, B)
        What the networks answer.
    codes : Tensor of shape (L, 1, B)
        What they should.
    weight : Tensor of shape (L, 1, B)
        Weights of the rows, summing to 1 in each lane.
    grad : Tensor of shape (L, C, B)
        Filled with the gradient of the batch's loss with respect to `outputs`.

    Returns
    -------
    Tensor of shape (L, 1, B)
        The loss of each row.
    """
    torch.log_softmax(outputs, 1, out=grad)
    logs = grad.gather(1, codes)
    grad.exp_().scatter_add_(1, codes, _minus_ones(codes.shape, grad)).mul_(weight)
    return logs.neg_()


def _minus_ones(shape: Sequence[int], like: Tensor) -> Tensor:
    return _minus_one(like.dtype, like.device).expand(shape)


@functools.cache
def _minus_one(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(-1.0, dtype=dtype, device=device)


def bce_with_logits(
    outputs: Tensor, targets: Tensor, weight: Tensor, grad: Tensor
) -> Tensor:
    """Sigmoid and binary cross-entropy, targets ``(L, 1, B)`` of 0 and 1."""
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, targets, reduction="none"
    )
    torch.sigmoid(outputs, out=grad)
    grad.sub_(targets).mul_(weight)
    return losses


def squared_error(
    outputs: Tensor, targets: Tensor, weight: Tensor, grad: Tensor
) -> Tensor:
    """Squared error, its mean over the outputs."""
    torch.sub(outputs, targets, out=grad)
    losses = grad.square().mean(1, keepdim=True)
    grad.mul_(weight).mul_(2 / outputs.shape[1])
    return losses


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "bce_with_logits": bce_with_logits,
    "squared_error": squared_error,
}
