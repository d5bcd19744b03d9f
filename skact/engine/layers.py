"""The layers of a stack of networks, forward and backward in closed form.

Activations lie features first, rows last: ``(L, H, B)``. So every product is ``W @ A``,
softmax and norms over features run along contiguous rows, and the narrow output layer
is no special case (10 columns are slow for a BLAS, 10 rows are not). Only the input
comes as ``(L, B, D)``, because batches are gathered by rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skact.engine.plan import WORTH_THREADS
from skact.engine.thread_choice import Pace
from skact.threads import threads

Call = Callable[[], Any]


@dataclass
class Parameter:
    """A parameter of all lanes, ``(L, ...)``, and its gradient."""

    value: Tensor
    grad: Tensor


@dataclass
class Batch:
    """What layers may ask about the batches that pass through, which are all alike."""

    rows: Sequence[int]  # of each lane; the columns beyond only fill the batch up
    valid: Tensor  # (L, 1, B), 1 for rows and 0 for filling
    count: Tensor  # (L, 1, 1), the number of rows
    failed: dict[int, Exception]  # what raised in a lane, which then only fills space


class Layer:
    """A step of the forward pass that knows its own way back."""

    def forward(self, batch: Batch) -> None:
        """Fill the layer's output from its input."""
        raise NotImplementedError

    def backward(self, batch: Batch) -> None:
        """Find the gradients of its parameters and of its input."""
        raise NotImplementedError

    def calls(self, batch: Batch) -> tuple[list[Call], list[Call]]:
        """Return what there is to call, without arguments, in each direction.

        Where that is one function of torch after the other, they are bound to their
        tensors once: looking everything up again in each step takes as long as the
        arithmetic of a small network.
        """
        return [partial(self.forward, batch)], [partial(self.backward, batch)]


class Linear(Layer):
    """``out = weight @ source + bias``.

    Parameters
    ----------
    weight : Parameter of shape (L, H, D)
    bias : Parameter of shape (L, H, 1)
    source : Tensor of shape (L, D, B)
    out, grad_out : Tensor of shape (L, H, B)
    grad_source : Tensor of shape (L, D, B) or None
        None for the first layer, whose input needs no gradient.
    """

    def __init__(
        self,
        weight: Parameter,
        bias: Parameter,
        source: Tensor,
        out: Tensor,
        grad_out: Tensor,
        grad_source: Tensor | None,
    ) -> None:
        self.weight, self.bias = weight, bias
        self.source, self.out = source, out
        self.grad_out, self.grad_source = grad_out, grad_source
        # torch multiplies a stack in one go only into contiguous memory, and only
        # aligned lanes round alike wherever they lie
        lane = weight.value[0].numel() * weight.value.element_size()
        self.product = weight.grad
        if not weight.grad.is_contiguous() and lane % 64 == 0:
            self.product = torch.empty_like(weight.grad)

    def calls(self, batch: Batch) -> tuple[list[Call], list[Call]]:
        """Return the products, and the sums for the biases."""
        backward = [*self._weight_gradient()]
        backward.append(
            partial(torch.sum, self.grad_out, 2, keepdim=True, out=self.bias.grad)
        )
        if self.grad_source is not None:
            weight_t = self.weight.value.mT
            backward.append(
                partial(torch.bmm, weight_t, self.grad_out, out=self.grad_source)
            )
        return [self._output()], backward

    def _output(self) -> Call:
        return partial(
            torch.baddbmm,
            self.bias.value,
            self.weight.value,
            self.source,
            out=self.out,
        )

    def _weight_gradient(self) -> list[Call]:
        if self.source.shape[1] == 1:
            # a product with one column rounds differently in a stack and alone
            return [self._sum_of_products]
        calls = [self._multiply()]
        if self.product is not self.weight.grad:
            calls.append(partial(self.weight.grad.copy_, self.product))
        return calls

    def _sum_of_products(self) -> None:
        product = (self.grad_out * self.source).sum(2, keepdim=True)
        self.weight.grad.copy_(product)

    def _multiply(self) -> Call:
        return partial(torch.bmm, self.grad_out, self.source.mT, out=self.product)


class LoneLinear(Linear):
    """A large layer of a lone network: its products in two halves, on two threads.

    Each half has rows of the product that the whole would have, bit for bit: it is cut
    at a multiple of what a BLAS works on at a time.
    """

    def __init__(self, *args: Any, pace: Pace) -> None:
        super().__init__(*args)
        self.pace = pace

    @staticmethod
    def pays(out: Tensor, source: Tensor) -> bool:
        """Whether a product can be cut, and is large enough."""
        n_lanes, width, size = out.shape
        multiplications = width * size * source.shape[1]
        return n_lanes == 1 and width % 32 == 0 and multiplications >= WORTH_THREADS

    def _output(self) -> Call:
        halves = map(_halves, (self.bias.value, self.weight.value))
        both = self.source.expand(2, -1, -1)
        out = _halves(self.out)
        in_halves = partial(torch.baddbmm, *halves, both, out=out)
        return partial(self._choose, super()._output(), in_halves)

    def _multiply(self) -> Call:
        both = self.source.mT.expand(2, -1, -1)
        grad, product = _halves(self.grad_out), _halves(self.product)
        in_halves = partial(torch.bmm, grad, both, out=product)
        return partial(self._choose, super()._multiply(), in_halves)

    def _choose(self, whole: Call, in_halves: Call) -> None:
        if self.pace.threads == 1:
            whole()
            return
        with threads(2):
            in_halves()


def _halves(tensor: Tensor) -> Tensor:
    """View (1, H, N) as (2, H / 2, N)."""
    return tensor.view(2, tensor.shape[1] // 2, -1)


class Norm(Layer):
    """What both norms share: a gain and a bias for each feature.

    Parameters
    ----------
    weight, bias : Parameter of shape (L, H, 1)
    source, out, grad : Tensor of shape (L, H, B)
        `grad` is the gradient of `out` before `backward`, of `source` after it.
    eps : float
    """

    def __init__(
        self,
        weight: Parameter,
        bias: Parameter,
        source: Tensor,
        out: Tensor,
        grad: Tensor,
        eps: float,
    ) -> None:
        self.weight, self.bias, self.eps = weight, bias, eps
        self.source, self.out, self.grad = source, out, grad
        self.normed = self.scale = source  # set by each forward pass

    def _scale_and_shift(self) -> None:
        torch.mul(self.normed, self.weight.value, out=self.out).add_(self.bias.value)

    def _to_normed(self) -> Tensor:
        """Fill the parameters' gradients; return that of the normed values."""
        product = self.grad * self.normed
        torch.sum(product, 2, keepdim=True, out=self.weight.grad)
        torch.sum(self.grad, 2, keepdim=True, out=self.bias.grad)
        return self.grad.mul_(self.weight.value)


class LayerNorm(Norm):
    """``nn.LayerNorm`` over the features of each row."""

    def forward(self, batch: Batch) -> None:
        """Fill `out`."""
        centred = self.source - self.source.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        self.scale = variance.add_(self.eps).rsqrt_()
        self.normed = centred.mul_(self.scale)
        self._scale_and_shift()

    def backward(self, batch: Batch) -> None:
        """Turn `grad` into the gradient of the source."""
        grad = self._to_normed()
        along = (grad * self.normed).mean(1, keepdim=True)
        grad.sub_(grad.mean(1, keepdim=True)).sub_(self.normed * along)
        grad.mul_(self.scale)


class BatchNorm(Norm):
    """``nn.BatchNorm1d`` over the rows of a batch, without those that only fill it up.

    A lane with one row has no variance: it is normalised by the running statistics,
    which it leaves as they are, as `skact.nets.mlp.BatchNorm` does.

    Parameters
    ----------
    running : Tensor of shape (2, L, H, 1)
        Running mean and variance.
    momentum : float
        By how much a batch moves them.
    """

    running: Tensor
    momentum: float

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
        self._scale_and_shift()

    def backward(self, batch: Batch) -> None:
        """Turn `grad` into the gradient of the source."""
        grad, n = self._to_normed(), batch.count
        mean = grad.sum(2, keepdim=True).div_(n)
        along = (grad * self.normed).sum(2, keepdim=True).div_(n)
        if 1 in batch.rows:
            mean.masked_fill_(n == 1, 0)
            along.masked_fill_(n == 1, 0)
        grad.sub_(mean).sub_(self.normed * along)
        grad.mul_(self.scale).mul_(batch.valid)


class Dropout(Layer):
    """Inverted dropout by masks from each lane's own generator.

    Parameters
    ----------
    modules : sequence of skact.nets.mlp.Dropout
        One for each lane, with its rate and generator.
    source, out, grad : Tensor of shape (L, H, B)
        As for a norm.
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
