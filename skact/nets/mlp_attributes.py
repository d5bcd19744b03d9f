"""Attributes of scikit-learn's MLPClassifier, read from the history and the module."""

from typing import Any

import numpy as np


class MLPAttributes:
    """What code for ``MLPClassifier`` and ``MLPRegressor`` reads of a fitted net.

    Nothing here is stored: the history and the module hold all of it.
    """

    history_: Any
    module_: Any
    early_stopping: bool

    @property
    def n_iter_(self) -> int:
        """Number of epochs that the net has trained."""
        return len(self._history_of_fit("n_iter_"))

    @property
    def loss_curve_(self) -> list[float]:
        """Training loss of each epoch."""
        history = self._history_of_fit("loss_curve_")
        return [epoch["train_loss"] for epoch in history if "train_loss" in epoch]

    @property
    def loss_(self) -> float:
        """Training loss of the last epoch."""
        return self._losses("loss_")[-1]

    @property
    def best_loss_(self) -> float | None:
        """Least training loss; None with `early_stopping`, as in scikit-learn."""
        losses = self._losses("best_loss_")
        return None if self.early_stopping else min(losses)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Copies of the weights of each layer, of shape (n_inputs, n_outputs)."""
        return [
            layer.weight.detach().cpu().numpy().T.copy()
            for layer in self._layers("coefs_")
        ]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Copies of the biases of each layer, of shape (n_outputs,)."""
        return [
            layer.bias.detach().cpu().numpy().copy()
            for layer in self._layers("intercepts_")
        ]

    def _layers(self, name: str) -> list[Any]:
        self._history_of_fit(name)
        try:
            hidden = [layer.linear for layer in self.module_.hidden]
            return [*hidden, self.module_.output]
        except AttributeError:
            raise AttributeError(
                f"{type(self).__name__} has no {name}: its module is no skact.MLP"
            ) from None

    def _losses(self, name: str) -> list[float]:
        self._history_of_fit(name)
        if not self.loss_curve_:
            raise AttributeError(
                f"{type(self).__name__} has no {name}: it has trained no epoch"
            )
        return self.loss_curve_

    def _history_of_fit(self, name: str) -> Any:
        if self.history_ is None or "module_" not in vars(self):
            raise AttributeError(
                f"This {type(self).__name__} is not fitted yet: no {name}"
            )
        return self.history_
