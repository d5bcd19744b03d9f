"""Predictions: few large batches, on all cores where nobody can tell the difference."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch.dataset import Dataset
from skorch.exceptions import NotInitializedError
from skorch.utils import is_dataset, to_numpy
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from skact.activations.modules import RReLU, SwishBeta
from skact.engine.batches import to_tensor
from skact.engine.jobs import Seeds
from skact.nets.mlp import MLP, BatchNorm, Dropout, Hidden, Linear
from skact.nets.rows import is_plain_table, unpack_table
from skact.nets.skorch_loop import SkorchLoop
from skact.threads import one_thread, side_by_side

# Values that a batch may hold in a layer: some MB, which caches hold, too. It decides
# where X is cut, and so the last bit of a prediction.
_BATCH_VALUES = 2**20
# multiplications below which threads are not worth the start: some milliseconds
_LITTLE_WORK = 2**27
# what may run in several threads at a time: nothing here keeps anything in evaluation
_PLAIN = {
    *(MLP, Hidden, nn.ModuleList, Linear, Dropout, BatchNorm, nn.LayerNorm),
    *(nn.Identity, RReLU, SwishBeta),
}
# what an output passes through, and what may look on: that stays in the caller's thread
_STEPS = ("evaluation_step", "infer", "_set_training")
_HOOKS = (
    "forward_hooks",
    "forward_pre_hooks",
    "backward_hooks",
    "backward_pre_hooks",
)


class Predictions(SkorchLoop):
    """Overrides of skorch's NeuralNet that concern predicting."""

    def trim_for_prediction(self) -> None:
        """Drop all that only training needs, as in skorch; predicting still works."""
        # "auto" infers it from the criterion, which goes
        nonlinearity = self._get_predict_nonlinearity()
        self.set_params(predict_nonlinearity=nonlinearity)
        super().trim_for_prediction()

    def check_is_fitted(
        self, attributes: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Raise NotInitializedError, a NotFittedError, unless the net is built."""
        if attributes is None and not self.initialized_:
            raise NotInitializedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' "
                f"with appropriate arguments before using this estimator."
            )
        super().check_is_fitted(attributes, *args, **kwargs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the module's output for X, through the `predict_nonlinearity`."""
        nonlinearity = self._get_predict_nonlinearity()
        outputs = list(self.forward_iter(X))
        parts = []
        with one_thread():  # not while others compute: threads of torch's would spin
            for output in outputs:
                first = output[0] if isinstance(output, tuple) else output
                parts.append(to_numpy(nonlinearity(first)))
        return np.concatenate(parts)

    def forward_iter(
        self, X: Any, training: bool = False, device: str = "cpu"
    ) -> Iterator[Tensor]:
        """Yield the module's output for X, in few large batches.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input; or a torch Dataset, which goes through skorch's loader.
        training : bool, default=False
            Whether the module is in training mode (dropout is on).
        device : str, default="cpu"
            Where the output goes.

        Yields
        ------
        torch.Tensor of shape (n_rows, n_outputs)
        """
        check_is_fitted(self)
        if is_dataset(X) and (table := unpack_table(X)) is not None:
            X = table[0]
        if is_dataset(X) or self.dataset is not Dataset:
            dataset = X if is_dataset(X) else self.get_dataset(self._check_X(X))
            for part, batch in enumerate(self.get_iterator(dataset, training=False)):
                with one_thread():
                    output = self._forward(batch, training, part)
                yield output.to(device)
            return
        for output in self._outputs_of(self._check_X(X), training):
            yield output.to(device)

    def _check_X(self, X: Any) -> Any:
        plain = is_plain_table(X) and X.shape[1] == self.n_features_in_
        if not plain or hasattr(self, "feature_names_in_"):
            X = validate_data(
                self,
                X,
                reset=False,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                order="C",
                ensure_all_finite=False,
            )
        return self._cast(X)

    def _outputs_of(self, X: Any, training: bool) -> Iterator[Tensor]:
        """Yield the output of each part of X, which net and columns alone cut."""
        widest = max(max(w.shape, default=1) for w in self.module_.parameters())
        step = max(256, _BATCH_VALUES // widest)
        starts = range(0, X.shape[0], step)

        def forward(start: int) -> Tensor:
            batch = to_tensor(X[start : start + step]), None
            return self._forward(batch, training, part=start)

        inference = torch.is_inference_mode_enabled()

        def infer(start: int) -> Tensor:
            # torch's modes are those of a thread
            with torch.inference_mode(inference), torch.no_grad():
                return self.infer(to_tensor(X[start : start + step]))

        large = len(starts) > 1 and X.shape[0] * self._size() > _LITTLE_WORK
        if large and not training and self._is_ours() and not _is_watched_by_torch():
            self._set_training(False)
            return side_by_side(infer, starts, torch.get_num_threads())
        return side_by_side(forward, starts, 1)

    def _size(self) -> int:
        return sum(weight.numel() for weight in self.module_.parameters())

    def _forward(self, batch: tuple, training: bool, part: int) -> Tensor:
        foreign = self._has_foreign_parts()
        seed = Seeds.of_epoch(self.seeds_.noise, part) if foreign else 0
        with self._generators_for_foreign_parts(seed):
            return self.evaluation_step(batch, training=training)

    def _is_ours(self) -> bool:
        """Whether all that computes an output is skact's, skorch's and torch's own."""
        overridden = any(
            name in vars(kind)
            for kind in type(self).__mro__
            if kind.__module__.partition(".")[0] not in ("skact", "skorch")
            for name in _STEPS
        )
        return (
            not overridden
            and vars(self).keys().isdisjoint(_STEPS)
            and not self._has_foreign_parts()
            and type(self.module_) is MLP
            and all(map(_is_plain_module, self.module_.modules()))
            and all(map(_is_plain_weight, self.module_.parameters()))
        )


def _is_plain_module(module: nn.Module) -> bool:
    kind = type(module)
    known = kind in _PLAIN or kind.__module__ == "torch.nn.modules.activation"
    return (
        known
        and "forward" not in vars(module)
        and not any(getattr(module, f"_{hooks}") for hooks in _HOOKS)
    )


def _is_plain_weight(weight: nn.Parameter) -> bool:
    return type(weight) is nn.Parameter and weight.device.type == "cpu"


def _is_watched_by_torch() -> bool:
    """Whether something looks on in this thread that another would not have."""
    return bool(
        _has_any_global_hook()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch.is_autocast_enabled("cpu")
        or torch.autograd._profiler_enabled()
    )
