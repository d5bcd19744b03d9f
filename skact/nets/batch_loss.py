"""The loss of a batch, sum(w l) / sum(w): a row of weight 3 counts as three rows."""

from collections.abc import Mapping
from typing import Any

import torch
from skorch import NeuralNet, NeuralNetBinaryClassifier
from skorch.callbacks import ParamMapper
from torch import Tensor, nn

from skact.parameters.blame import blame, blame_for_errors_of
from skact.parameters.optimizer_checks import OPTIMIZER_PARAMETERS


def weighted_mean(
    net: Any, losses: Tensor, y_true: Tensor, X: Any
) -> tuple[Tensor, float]:
    """Return sum(w l) / sum(w) over the rows of a batch, and sum(w)."""
    weighted = isinstance(X, Mapping) and "sample_weight" in X
    if losses.ndim == 0:  # the criterion has averaged
        if weighted:
            raise ValueError(
                f"criterion={net.criterion!r} returns one value for the whole "
                f"batch, so sample_weight and class_weight cannot be used with it."
            )
        return losses, float(len(y_true))
    losses = mean_of_outputs(losses)
    weight = X["sample_weight"].to(losses) if weighted else torch.ones_like(losses)
    total = (weight * _criterion_weight_of_rows(net, y_true, losses)).sum()
    # avoids 0 / 0 in a batch of zero weights: its loss and gradient are 0
    floor = torch.finfo(losses.dtype).tiny
    return (losses * weight).sum() / total.clamp_min(floor), total.item()


def _criterion_weight_of_rows(net: Any, codes: Tensor, losses: Tensor) -> Tensor:
    """Return the weight that the mean of the criterion gives to each row."""
    if not isinstance(net.criterion_, nn.CrossEntropyLoss | nn.NLLLoss):
        return torch.ones_like(losses)
    codes = codes.to(losses.device)
    counted = (codes != net.criterion_.ignore_index).to(losses)
    weight = net.criterion_.weight
    return counted if weight is None else counted * weight[codes]


def mean_of_outputs(losses: Tensor) -> Tensor:
    """Return one loss for each row: the mean over the outputs of the row."""
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


class WeightedLosses(NeuralNet):
    """The part of a net that computes losses."""

    _loop: Any = None  # set while the net trains

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return sum(w l) / sum(w) over the rows of a batch, with weights w."""
        is_of_torch = type(self.criterion_).__module__.startswith("torch.nn.")
        if isinstance(y_pred, tuple) and is_of_torch:
            raise TypeError(
                f"The module of {type(self).__name__} returns a tuple, and the loss "
                f"{type(self.criterion_).__name__} takes one tensor: override get_loss "
                f"to hand it on, as super().get_loss(y_pred[0], *args, **kwargs)."
            )
        with blame(self, "criterion"):
            losses = super().get_loss(y_pred, y_true, X=X, training=training)
            if not isinstance(losses, Tensor):
                raise TypeError(f"a loss must be a tensor, got {losses!r}.")
        loss, weight = weighted_mean(self, losses, y_true, X)
        if self._loop is not None:
            self._loop.batch_weight = weight
        return loss

    def train_step_single(self, batch: Any, **fit_params: Any) -> Any:
        """Compute loss and gradients of a batch; say if nothing has a gradient."""
        try:
            return super().train_step_single(batch, **fit_params)
        except RuntimeError as error:
            if "does not require grad" not in str(error):
                raise
            cause = "activation, output_activation or criterion detaches its values"
            if not any(p.requires_grad for _, p in self.get_all_learnable_params()):
                mappers = [k for k, c in self.callbacks_ if isinstance(c, ParamMapper)]
                by = f" (callbacks: {', '.join(mappers)})" if mappers else ""
                cause = f"all parameters of the network are frozen{by}"
            raise ValueError(
                f"{type(self).__name__} has nothing to train, because {cause}."
            ) from error

    def _step_optimizer(self, step_fn: Any) -> None:
        """Take a step; an error in the optimizer itself is one of its parameters."""
        with blame_for_errors_of(self, "torch.optim", *OPTIMIZER_PARAMETERS):
            super()._step_optimizer(step_fn)

    def shaped_as_loss_wants(self, outputs: Tensor) -> Tensor:
        """Return outputs (n, n_outputs) in the shape that the loss needs.

        skorch's binary classifier needs (n,), all others (n, n_outputs).
        """
        binary = isinstance(self, NeuralNetBinaryClassifier)
        return outputs.squeeze(1) if binary else outputs

    def losses_of_rows(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        """Return the loss of each row; the criterion must not average."""
        return mean_of_outputs(super().get_loss(y_pred, y_true))
