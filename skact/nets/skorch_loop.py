"""Training by skorch's own loop, where the engine cannot serve a setting.

skorch's loop knows neither generators of a fit nor sample weights, and calls no
callbacks of scikit-learn: the net, `Loop` and this file see to that.
"""

from typing import Any

from skorch.dataset import Dataset

from skact.nets.components import has_custom_parts, lend_generators
from skact.nets.loop import Loop, StopTraining
from skact.nets.rows import TrainingData
from skact.threads import one_thread


class SkorchLoop(Loop):
    """Trains a net by ``NeuralNet.fit_loop``."""

    def train(self) -> None:
        """Train the epochs of this fit."""
        net, rows = self.net, self.plan.given
        if self.trainer is not None:
            self.trainer.not_served(self.plan.why_skorch or "")
        self.lends_generators = has_custom_parts(net)
        try:
            # seeded anew in each epoch
            with one_thread(), lend_generators(net, net.seeds_.noise):
                net.fit_loop(self._dataset(), rows.y, epochs=net.max_epochs)
        except StopTraining:
            pass

    def _dataset(self) -> Any:
        net, rows = self.net, self.plan.given
        if net.dataset is Dataset and not net.get_params_for("dataset"):
            return TrainingData(rows)
        X = rows.X
        if rows.sample_weight is not None:
            X = {"X": X, "sample_weight": rows.sample_weight}
        return net.get_dataset(X, rows.targets)
