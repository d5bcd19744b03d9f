"""Training by skorch's own loop, for settings that the engine cannot train.

skorch's loop seeds no generators, ignores sample weights and calls no callbacks of
scikit-learn. `BaseNet`, `Loop` and this file add all three.
"""

from typing import Any

from skorch.dataset import Dataset

from skact._torch import load_compiler
from skact.interrupts import StopRequest
from skact.nets.components import has_custom_parts, lend_generators
from skact.nets.loop import Loop
from skact.parameters.blame import blame
from skact.parameters.rows import TrainingData
from skact.threads import use_one_thread


class SkorchLoop(Loop):
    """Trains a net by ``NeuralNet.fit_loop``."""

    def train_epochs(self) -> None:
        """Train the epochs of this fit."""
        net, rows = self.net, self.plan.given
        if self.trainer is not None:
            self.trainer.note_not_fused(self.plan.why_skorch or "")
        load_compiler()  # the first step of an optimizer would load it
        self.has_lent_generators = has_custom_parts(net)
        # `begin_epoch` seeds them again in each epoch
        generators = lend_generators(net, net.seeds_.noise)
        with StopRequest(), use_one_thread(), generators:
            net.fit_loop(self._build_dataset(), rows.y, epochs=self.plan.n_epochs)

    def _build_dataset(self) -> Any:
        """Return the rows as a dataset: TrainingData, or of the custom class."""
        net, rows = self.net, self.plan.given
        if net.dataset is Dataset and not net.get_params_for("dataset"):
            return TrainingData.of_rows(rows)
        X = rows.X
        if rows.sample_weight is not None:
            X = {"X": X, "sample_weight": rows.sample_weight}
            if rows.given_weight is not None:
                X["given_weight"] = rows.given_weight
        dataset = net.get_dataset(X, rows.targets)
        with blame(net, "dataset"):
            n_rows = len(dataset)
        if n_rows > len(rows):
            raise ValueError(
                f"The dataset of {type(net).__name__} says that it has {n_rows} "
                f"rows, but X has {len(rows)}: see dataset__length."
            )
        return dataset
