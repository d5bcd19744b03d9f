"""The layers of a stack of networks, forward and backward in closed form.

Activations have features first and rows last: ``(L, H, B)``. So every product is
``W @ A``, softmax and norms over features run along contiguous rows, and the narrow
output layer needs no special case (a BLAS is slow with 10 columns, not with 10 rows).
Only the input is ``(L, B, D)``, because batches are gathered by rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skact.engine.plan import WORTH_THREADS
from skact.engine.stacked_noise import StackedNoise
from skact.thread_choice import ThreadChoice
from skact.threads import use_threads

BoundCall = Callable[[], Any]


@dataclass
class Parameter:
    """A parameter of all lanes, ``(L, ...)``, and its gradient."""

    value: Tensor
    grad: Tensor


@dataclass
class Batch:
    """Facts that batches of one size share."""

    rows: Sequence[int]  # true rows of each lane; further rows only fill the batch up
    valid: Tensor  # (L, 1, B), 1 for true rows and 0 for others
    count: Tensor  # (L, 1, 1), the number of true rows
    failed: dict[int, Exception]  # error of each lane that failed


class Layer:
    """A layer of a stack, with its forward and its backward pass."""

    def begin_steps(self, batch: Batch, n_steps: int) -> None:
        """Prepare for the next steps; layers without noise need not."""

    def forward(self, batch: Batch) -> None:
        """Fill the layer's output from its input."""
        raise NotImplementedError

    def backward(self, batch: Batch) -> None:
        """Compute the gradients of the layer's parameters and input."""
        raise NotImplementedError

    def calls(self, batch: Batch) -> tuple[list[BoundCall], list[BoundCall]]:
        """Return the calls of the forward pass and of the backward pass.

        A call takes no arguments. Where possible it is a function of torch that is
        bound to its tensors once: looking up functions and tensors in each step takes
        as long as the arithmetic of a small network.
        """
        return [partial(self.forward, batch)], [partial(self.backward, batch)]


def linear_call(bias: Tensor, weight: Tensor, source: Tensor, out: Tensor) -> BoundCall:
    """Return the call of ``out = weight @ source + bias``, for any number of lanes.

    On processors with AVX-512, a product with one column, and one of a single column
    and a bias, round otherwise in a stack and in a lone lane: they are computed in
    another form.
    """
    if source.shape[1] == 1:
        return partial(_scale_and_shift, bias, weight, source, out)
    if out.shape[2] == 1:
        row, found = _as_row(source), _as_row(out)
        return partial(torch.baddbmm, _as_row(bias), row, weight.mT, out=found)
    return partial(torch.baddbmm, bias, weight, source, out=out)


def _as_row(column: Tensor) -> Tensor:
    """View (L, N, 1) as (L, 1, N), with the strides of a row: BLAS looks at them."""
    return column.squeeze(2).unsqueeze(1)


def _scale_and_shift(bias: Tensor, weight: Tensor, source: Tensor, out: Tensor) -> None:
    torch.mul(weight, source, out=out).add_(bias)


class StackedLinear(Layer):
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
        # torch multiplies all lanes in one call only into contiguous memory; there only
        # aligned lanes round equally at every place in a stack
        lane = weight.value[0].numel() * weight.value.element_size()
        self.product = weight.grad
        if not weight.grad.is_contiguous() and lane % 64 == 0:
            self.product = torch.empty_like(weight.grad)

    def calls(self, batch: Batch) -> tuple[list[BoundCall], list[BoundCall]]:
        """Return the calls of the products, and of the sums for the biases."""
        backward = [*self._weight_gradient_calls()]
        backward.append(
            partial(torch.sum, self.grad_out, 2, keepdim=True, out=self.bias.grad)
        )
        if self.grad_source is not None:
            backward.append(self._source_gradient_call(self.grad_source))
        return [self._output_call()], backward

    def _source_gradient_call(self, found: Tensor) -> BoundCall:
        weight, grad = self.weight.value, self.grad_out
        if found.shape[2] == 1:  # see `linear_call`
            return partial(torch.bmm, _as_row(grad), weight, out=_as_row(found))
        if found.shape[1] == 1:
            return partial(torch.bmm, _as_row(weight), grad, out=found)
        return partial(torch.bmm, weight.mT, grad, out=found)

    def _output_call(self) -> BoundCall:
        return linear_call(self.bias.value, self.weight.value, self.source, self.out)

    def _weight_gradient_calls(self) -> list[BoundCall]:
        if self.source.shape[1] == 1:
            # a product with one column rounds differently in a stack and in a lone lane
            return [self._sum_products]
        calls = [self._product_call()]
        if self.product is not self.weight.grad:
            calls.append(partial(self.weight.grad.copy_, self.product))
        return calls

    def _sum_products(self) -> None:
        product = (self.grad_out * self.source).sum(2, keepdim=True)
        self.weight.grad.copy_(product)

    def _product_call(self) -> BoundCall:
        return partial(torch.bmm, self.grad_out, self.source.mT, out=self.product)


class HalvedLinear(StackedLinear):
    """A large linear layer of a stack of one network, computed in two halves.

    Each thread computes half of the rows of a product. The rows are equal, bit for bit,
    to the rows of the whole product, because a half is a multiple of the block of rows
    that a BLAS computes at a time.
    """

    def __init__(self, *args: Any, thread_choice: ThreadChoice) -> None:
        super().__init__(*args)
        self.thread_choice = thread_choice

    @staticmethod
    def is_worth_threads(out: Tensor, source: Tensor) -> bool:
        """Whether a product can be halved, and is large enough for two threads."""
        n_lanes, width, size = out.shape
        multiplications = width * size * source.shape[1]
        return n_lanes == 1 and width % 32 == 0 and multiplications >= WORTH_THREADS

    def _output_call(self) -> BoundCall:
        if 1 in (self.source.shape[1], self.out.shape[2]):
            return super()._output_call()
        halves = map(_view_halves, (self.bias.value, self.weight.value))
        both = self.source.expand(2, -1, -1)
        out = _view_halves(self.out)
        in_halves = partial(torch.baddbmm, *halves, both, out=out)
        return partial(self._run_whole_or_halves, super()._output_call(), in_halves)

    def _product_call(self) -> BoundCall:
        both = self.source.mT.expand(2, -1, -1)
        grad, product = _view_halves(self.grad_out), _view_halves(self.product)
        in_halves = partial(torch.bmm, grad, both, out=product)
        return partial(self._run_whole_or_halves, super()._product_call(), in_halves)

    def _run_whole_or_halves(self, whole: BoundCall, in_halves: BoundCall) -> None:
        if self.thread_choice.n_threads == 1:
            whole()
            return
        with use_threads(2):
            in_halves()


def _view_halves(tensor: Tensor) -> Tensor:
    """View (1, H, N) as (2, H / 2, N)."""
    return tensor.view(2, tensor.shape[1] // 2, -1)


class StackedNorm(Layer):
    """Base of both norms: a gain and a bias for each feature.

    Parameters
    ----------
    weight, bias : Parameter of shape (L, H, 1)
    source, out, grad : Tensor of shape (L, H, B)
        `grad` is the gradient with respect to `out` before `backward`, with respect to
        `source` after it.
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

    def _gradient_of_normed(self) -> Tensor:
        """Fill the parameters' gradients; return the gradient of the normed values."""
        product = self.grad * self.normed
        torch.sum(product, 2, keepdim=True, out=self.weight.grad)
        torch.sum(self.grad, 2, keepdim=True, out=self.bias.grad)
        return self.grad.mul_(self.weight.value)


class StackedLayerNorm(StackedNorm):
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
        grad = self._gradient_of_normed()
        along = (grad * self.normed).mean(1, keepdim=True)
        grad.sub_(grad.mean(1, keepdim=True)).sub_(self.normed * along)
        grad.mul_(self.scale)


class StackedBatchNorm(StackedNorm):
    """``nn.BatchNorm1d`` over the true rows of a batch.

    One row has no variance. A lane with one row is normalised by the running statistics
    and does not change them, as in `skact.network.mlp.BatchNorm`.

    Parameters
    ----------
    running : Tensor of shape (2, L, H, 1)
        Running mean and variance.
    momentum : float
        Weight of a batch in the running statistics.
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
        grad, n = self._gradient_of_normed(), batch.count
        mean = grad.sum(2, keepdim=True).div_(n)
        along = (grad * self.normed).sum(2, keepdim=True).div_(n)
        if 1 in batch.rows:
            mean.masked_fill_(n == 1, 0)
            along.masked_fill_(n == 1, 0)
        grad.sub_(mean).sub_(self.normed * along)
        grad.mul_(self.scale).mul_(batch.valid)


class StackedDropout(Layer):
    """Inverted dropout; each lane has the masks that its own module would draw.

    Parameters
    ----------
    modules : sequence of skact.network.mlp.Dropout
        One for each lane, with its rate and noise.
    source, out, grad : Tensor of shape (L, H, B)
        As in a norm.
    """

    def __init__(
        self, modules: Sequence[nn.Module], source: Tensor, out: Tensor, grad: Tensor
    ) -> None:
        self.source, self.out, self.grad = source, out, grad
        self.noise = StackedNoise(modules, source)

    def begin_steps(self, batch: Batch, n_steps: int) -> None:
        """Begin to draw the masks of the next steps."""
        self.noise.begin_steps(batch.rows, n_steps)

    def forward(self, batch: Batch) -> None:
        """Apply the masks of the next step."""
        self.keep = self.noise.next_factors()
        torch.mul(self.source, self.keep, out=self.out)

    def backward(self, batch: Batch) -> None:
        """Apply the same masks to the gradient."""
        self.grad.mul_(self.keep)
