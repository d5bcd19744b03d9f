"""What callbacks may read of a fitted net."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from skorch.utils import to_numpy
from torch import Tensor, nn

from skact._skorch import nonlinearity_of
from skact.engine.batches import to_tensor
from skact.engine.weights import Weights
from skact.nets.components import device_of, has_custom_parts, lend_generators
from skact.nets.inputs import read_table, read_X
from skact.network.forward import outputs_of_epochs
from skact.results.data_facts import facts_of_data


class NetView:
    """Read access to a fitted net, for callbacks.

    Parameters
    ----------
    net : estimator of skact
        The view does not change it.
    """

    def __init__(self, net: Any) -> None:
        self._net = net

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self._net.module_

    @property
    def classes(self) -> np.ndarray | None:
        """Class labels, sorted; None of a regressor."""
        return self._net.classes_ if is_classifier(self._net) else None

    @property
    def has_custom_parts(self) -> bool:
        """Whether a custom part may draw from a global generator."""
        return has_custom_parts(self._net)

    def lend_generators(self) -> AbstractContextManager[None]:
        """Seed the global generators for custom parts in the block, then restore."""
        return lend_generators(self._net, self._net.seeds_.noise)

    def to_tensor(self, rows: Any) -> Tensor:
        """Return rows of a checked table, or targets, on the device of the network."""
        return to_tensor(rows).to(device_of(self._net))

    def read_X_and_targets(self, X: Any, y: Any) -> tuple[Any, Tensor | None]:
        """Check X and y, as for ``score``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        tuple
            X in the dtype of the network, and the targets of the loss; None instead of
            targets if y has labels that the net has never seen.
        """
        classes = self.classes
        if classes is not None and not np.isin(np.asarray(y), classes).all():
            return read_X(self._net, X), None
        rows = read_table(self._net, X, y)
        return rows.X, self.to_tensor(rows.targets)

    def outputs_of_epochs(self, epochs: Sequence[Weights], X: Any) -> Iterator[Tensor]:
        """Yield outputs for checked X with the weights of epochs.

        Parameters
        ----------
        epochs : sequence of dict of str to Tensor
            The weights after each epoch.
        X : ndarray or CSR matrix of shape (n, n_features)

        Yields
        ------
        Tensor of shape (epochs, n, n_outputs)
            Outputs of several epochs.
        """
        lend = self.lend_generators if self.has_custom_parts else None
        return outputs_of_epochs(self.module, epochs, X, lend)

    def losses_of_rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each row, for outputs (n, n_outputs)."""
        shaped = self._net.shaped_as_loss_wants(outputs)
        return self._net.losses_of_rows(shaped, targets)

    def facts_of_data(self, X: Any, targets: Any) -> dict[str, float]:
        """Return scale of X and loss of a constant, for rows that the net trains on."""
        weight = getattr(self._net, "class_weight", None)
        is_known = weight is None or isinstance(weight, str)
        return facts_of_data(
            X,
            to_numpy(targets),
            type(self._net.criterion_).__name__ if is_known else "",
            is_balanced=weight is not None,
        )

    def predicted_labels(self, outputs: Tensor) -> np.ndarray:
        """Return the most probable label of each row, for outputs (n, n_outputs)."""
        assert self.classes is not None
        shaped = self._net.shaped_as_loss_wants(outputs)
        with torch.no_grad():
            scores = to_numpy(nonlinearity_of(self._net)(shaped))
        return self.classes[scores.argmax(axis=1)]
