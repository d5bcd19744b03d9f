"""The layers of a stack of networks, forward and backward in closed form.

Activations lie features first, rows last: ``(L, H, B)``. So every product is ``W @ A``,
softmax and norms over features run along contiguous rows, and the narrow output layer
is no special case (10 columns are slow for a BLAS, 10 rows are not). Only the input
comes as ``(L, B, D)``, because batches are gathered by rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn


@dataclass
class Batch:
    """What layers may ask about the batch that passes through."""

    rows: Sequence[int]  # of each lane; the columns beyond only fill the batch up
    valid: Tensor  # (L, 1, B), 1 for rows and 0 for filling
    count: Tensor  # (L, 1, 1), the number of rows


class Layer(Protocol):
    """A step of the forward pass that knows its own way back."""

    def forward(self, batch: Batch) -> None:
        """Fill the layer's output from its input."""
        ...

    def backward(self, batch: Batch) -> None:
        """Find the gradients of its parameters and of its input."""
        ...


class Linear:
    """``out = weight @ source + bias``.

    Parameters
    ----------
    weight : Tensor of shape (L, H, D)
    bias : Tensor of shape (L, H, 1)
    grad_weight, grad_bias : Tensor
        Their gradients, views of the flat buffer.
    source : Tensor of shape (L, D, B)
    out, grad_out : Tensor of shape (L, H, B)
    grad_source : Tensor of shape (L, D, B) or None
        None for the first layer, whose input needs no gradient.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        grad_weight: Tensor,
        grad_bias: Tensor,
        source: Tensor,
        out: Tensor,
        grad_out: Tensor,
        grad_source: Tensor | None,
    ) -> None:
        self.weight, self.bias = weight, bias
        self.grad_weight, self.grad_bias = grad_weight, grad_bias
        self.source, self.out = source, out
        self.grad_out, self.grad_source = grad_out, grad_source
        # torch multiplies a stack in one go only into contiguous memory, and only
        # aligned lanes round alike wherever they lie
        lane = weight[0].numel() * weight.element_size()
        self.product = grad_weight
        if not grad_weight.is_contiguous() and lane % 64 == 0:
            self.product = torch.empty_like(grad_weight)

    def forward(self, batch: Batch) -> None:
        """Fill `out`."""
        torch.baddbmm(self.bias, self.weight, self.source, out=self.out)

    def backward(self, batch: Batch) -> None:
        """Fill the gradients."""
        if self.source.shape[1] == 1:
            # a product with one column rounds differently in a stack and alone
            self.grad_weight.copy_((self.grad_out * self.source).sum(2, keepdim=True))
        else:
            torch.bmm(self.grad_out, self.source.mT, out=self.product)
            if self.product is not self.grad_weight:
                self.grad_weight.copy_(self.product)
        torch.sum(self.grad_out, 2, keepdim=True, out=self.grad_bias)
        if self.grad_source is not None:
            torch.bmm(self.weight.mT, self.grad_out, out=self.grad_source)


class LayerNorm:
    """``nn.LayerNorm`` over the features of each row.

    Parameters
    ----------
    eps : float
    weight, bias, grad_weight, grad_bias : Tensor of shape (L, H, 1)
    source, out, grad : Tensor of shape (L, H, B)
        `grad` is the gradient of `out` before `backward`, of `source` after it.
    """

    def __init__(
        self,
        eps: float,
        weight: Tensor,
        bias: Tensor,
        grad_weight: Tensor,
        grad_bias: Tensor,
        source: Tensor,
        out: Tensor,
        grad: Tensor,
    ) -> None:
        self.eps, self.weight, self.bias = eps, weight, bias
        self.grad_weight, self.grad_bias = grad_weight, grad_bias
        self.source, self.out, self.grad = source, out, grad

    def forward(self, batch: Batch) -> None:
        """Fill `out`."""
        centred = self.source - self.source.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        self.scale = variance.add_(self.eps).rsqrt_()
        self.normed = centred.mul_(self.scale)
        torch.mul(self.normed, self.weight, out=self.out).add_(self.bias)

    def backward(self, batch: Batch) -> None:
        """Turn `grad` into the gradient of the source."""
        _affine_gradients(self)
        grad = self.grad.mul_(self.weight)
        along = (grad * self.normed).mean(1, keepdim=True)
        grad.sub_(grad.mean(1, keepdim=True)).sub_(self.normed * along)
        grad.mul_(self.scale)


class BatchNorm:
    """``nn.BatchNorm1d`` over the rows of a batch; those that only fill it are left out.

    A lane with one row has no variance: it is normalised by the running statistics,
    which it leaves as they are, as `skact.mlp.BatchNorm` does.

    Parameters
    ----------
    eps, momentum : float
    running : Tensor of shape (2, L, H, 1)
        Running mean and variance.
    weight, bias, grad_weight, grad_bias : Tensor of shape (L, H, 1)
    source, out, grad : Tensor of shape (L, H, B)
        `grad` is the gradient of `out` before `backward`, of `source` after it.
    """

    def __init__(
        self,
        eps: float,
        momentum: float,
        running: Tensor,
        weight: Tensor,
        bias: Tensor,
        grad_weight: Tensor,
        grad_bias: Tensor,
        source: Tensor,
        out: Tensor,
        grad: Tensor,
    ) -> None:
        self.eps, self.momentum, self.running = eps, momentum, running
        self.weight, self.bias = weight, bias
        self.grad_weight, self.grad_bias = grad_weight, grad_bias
        self.source, self.out, self.grad = source, out, grad

    def forward(self, batch: Batch) -> None:
        """Fill `out` and move the running statistics."""
        n, valid = batch.count, batch.valid
        mean = (self.source * valid).sum(2, keepdim=True).div_(n)
        centred = (self.source - mean).mul_(valid)
        variance = centred.square().sum(2, keepdim=True).div_(n)
        unbiased = variance * (n / (n - 1).clamp_min(1))
        now = torch.stack([mean, unbiased])
        if 1 in batch.rows:
            lone = n == 1
            mean = torch.where(lone, self.running[0], mean)
            variance = torch.where(lone, self.running[1], variance)
            now = torch.where(lone, self.running, now)
            centred = (self.source - mean).mul_(valid)
        self.scale = variance.add_(self.eps).rsqrt_()
        self.normed = centred.mul_(self.scale)
        self.running.lerp_(now, self.momentum)
        torch.mul(self.normed, self.weight, out=self.out).add_(self.bias)

    def backward(self, batch: Batch) -> None:
        """Turn `grad` into the gradient of the source."""
        _affine_gradients(self)
        n = batch.count
        grad = self.grad.mul_(self.weight)
        mean = grad.sum(2, keepdim=True).div_(n)
        along = (grad * self.normed).sum(2, keepdim=True).div_(n)
        if 1 in batch.rows:
            mean.masked_fill_(n == 1, 0)
            along.masked_fill_(n == 1, 0)
        grad.sub_(mean).sub_(self.normed * along)
        grad.mul_(self.scale).mul_(batch.valid)


def _affine_gradients(norm: Any) -> None:
    torch.sum(norm.grad * norm.normed, 2, keepdim=True, out=norm.grad_weight)
    torch.sum(norm.grad, 2, keepdim=True, out=norm.grad_bias)


class Dropout:
    """Inverted dropout by masks from each lane's own generator.

    Parameters
    ----------
    modules : sequence of skact.mlp.Dropout
        One for each lane, with its rate and generator.
    source, out, grad : Tensor of shape (L, H, B)
        `grad` is the gradient of `out` before `backward`, of `source` after it.
    """

    def __init__(
        self, modules: Sequence[nn.Module], source: Tensor, out: Tensor, grad: Tensor
    ) -> None:
        self.modules, self.source, self.out, self.grad = modules, source, out, grad
        self.keep = torch.ones_like(source)

    def forward(self, batch: Batch) -> None:
        """Draw the masks and apply them."""
        for module, keep, rows in zip(self.modules, self.keep, batch.rows, strict=True):
            drawn = module.mask(keep.new_empty(rows, keep.shape[0]))  # type: ignore[operator]
            keep[:, :rows] = drawn.T
        torch.mul(self.source, self.keep, out=self.out)

    def backward(self, batch: Batch) -> None:
        """Apply the same masks to the gradient."""
        self.grad.mul_(self.keep)
