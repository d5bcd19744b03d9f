"""A fit while it runs: what the engine's loop and skorch's loop share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np
from skorch.utils import is_dataset, to_numpy

from skact._sklearn import callbacks_of
from skact.engine.current_trainer import current_trainer
from skact.engine.jobs import Seeds
from skact.engine.weights import Trajectory, Weights, weights_of
from skact.global_rng import seed_generators
from skact.lr_schedules import LRSchedule, at_rates, restore_rates
from skact.nets.components import device_of
from skact.nets.eligibility import FitPlan
from skact.nets.weighted_scoring import weigh_scores
from skact.parameters.blame import read_batches
from skact.parameters.callback_checks import check_recorded
from skact.parameters.loader_options import check_has_batches
from skact.parameters.optimizer_checks import check_rates
from skact.parameters.rows import weight_of


class Loop(ABC):
    """Trains an initialized net as planned, and calls its callbacks.

    Parameters
    ----------
    net : BaseNet
    plan : FitPlan
    context : sklearn.callback.CallbackContext
        The context of the fit.
    """

    has_lent_generators = False  # whether custom parts use the global generators

    def __init__(self, net: Any, plan: FitPlan, context: Any) -> None:
        self.net, self.plan, self.context = net, plan, context
        self.trainer = current_trainer()
        self.batch_weight = 0.0  # sum(w) of the last batch
        self.epoch_context: Any = None
        self.datasets: Mapping[str, Any] = {}  # of the epoch
        # weights for scores of the epoch's batches: held out, in training
        self.scored_weights: tuple[list, list] = [], []
        weigh_scores(net.callbacks_)
        callbacks = [*callbacks_of(net), *(callback for _, callback in net.callbacks_)]
        self.weight_callbacks = [
            callback
            for callback in callbacks
            if getattr(callback, "wants_weights", False)
        ]
        # None: no callback needs the weights of each epoch
        self.epoch_weights: list[Weights] | None = [] if self.weight_callbacks else None

    def run(self) -> None:
        """Train, and leave the optimizer its learning rates."""
        changes_rates = isinstance(self.plan.lr_schedule, LRSchedule)
        with restore_rates(self.net.optimizer_) if changes_rates else nullcontext():
            self._run()

    def _run(self) -> None:
        """Train; pass the weights of all epochs to the callbacks that need them."""
        if not self.weight_callbacks:
            self.train_epochs()
            return
        net, rows = self.net, self.plan.train
        first_epoch, initial = len(net.history_), weights_of(net.module_)
        try:
            self.train_epochs()
        finally:  # the weights of a failed fit may show why it failed
            weights = self.epoch_weights or []
            trajectory = Trajectory(first_epoch, initial, weights, rows.X, rows.targets)
            for callback in self.weight_callbacks:
                callback.receive_weights(net, trajectory)

    @abstractmethod
    def train_epochs(self) -> None:
        """Train the epochs of this fit."""

    def prepare_batches(self, batches: Any, *, training: bool) -> Iterator[Any]:
        """Yield the batches of an epoch; those that train, each at its rate."""
        net = self.net
        with suppress(TypeError, NotImplementedError):  # a loader may have no length
            check_has_batches(net, len(batches), training=training)
        if training:
            batches = self.at_scheduled_rates(batches)
        n_batches = 0
        for batch in read_batches(net, batches, training=training):
            if training:
                check_rates(net, net.optimizer_.param_groups)
            n_batches += 1
            yield batch
        # a loader may say less, or give its batches only once
        check_has_batches(net, n_batches, training=training)

    def at_scheduled_rates(self, batches: Any) -> Any:
        """Return the batches of an epoch of skorch's loop, each at its rate."""
        net, schedule = self.net, self.plan.lr_schedule
        if not isinstance(schedule, LRSchedule):
            return batches
        try:
            n_steps = len(batches)
        except (TypeError, NotImplementedError):
            raise ValueError(
                f"{type(net).__name__} cannot use lr_schedule={net.lr_schedule!r}, "
                f"warmup={net.warmup!r} with an iterator_train that has no length: the "
                f"rates depend on the number of batches."
            ) from None
        factors = schedule.factors_of_epoch(len(net.history_) - 1, max(n_steps, 1))
        return at_rates(factors, batches, net.optimizer_)

    def begin_epoch(self, datasets: Mapping[str, Any]) -> None:
        """Seed the noise of an epoch, and begin scikit-learn's task of the epoch."""
        self.datasets, self.scored_weights = datasets, ([], [])
        net = self.net
        seed = Seeds.of_epoch(net.seeds_.noise, len(net.history_))
        if hasattr(net.module_, "seed_noise"):  # a module of the user's own has none
            net.module_.seed_noise(seed)
        if self.has_lent_generators:
            seed_generators(seed, device_of(net))
        self.epoch_context = self.context.subcontext(task_name="epoch")
        self.epoch_context.call_on_fit_task_begin(estimator=net)

    def note_weights(self, X: Any, *, training: bool) -> None:
        """Note the weights for scores of the rows of a batch, in their order."""
        if isinstance(X, Mapping) and "given_weight" in X:
            self.scored_weights[training].append(to_numpy(X["given_weight"]))

    def weights_for_score(self, X: Any, *, on_train: bool) -> np.ndarray | None:
        """Return the weights of the rows that a callback scores, or None.

        X is a dataset if the callback has collected the batches, whose order may differ
        from that of the dataset.
        """
        collected = self.scored_weights[on_train]
        if collected and is_dataset(X):
            return np.concatenate(collected)
        dataset = self.datasets.get("dataset_train" if on_train else "dataset_valid")
        return weight_of(dataset, "given_weight")

    def end_epoch(self) -> bool:
        """End scikit-learn's task of the epoch; return whether the fit must stop."""
        net, rows = self.net, self.plan.given
        check_recorded(type(net).__name__, net.callbacks_, net.history_[-1])
        if self.epoch_weights is not None:
            self.epoch_weights.append(weights_of(net.module_))
        return self.epoch_context.call_on_fit_task_end(
            estimator=net, X=rows.X, y=rows.y, reconstruction_attributes=dict
        )
