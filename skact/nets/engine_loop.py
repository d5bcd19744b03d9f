"""Training on the engine: what it can serve, and how a net's callbacks take part.

A net whose callbacks are skorch's own defaults only gets its history written when the
engine is done. Any other has hooks, which run between the epochs with live weights.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    LoadInitState,
    LRScheduler,
    TrainEndCheckpoint,
    Unfreezer,
)
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader, Subset

from skact.engine.current_trainer import current_trainer
from skact.engine.jobs import EpochRecord, FitJob
from skact.engine.train import train
from skact.engine.weights import (
    Trajectory,
    weights_of,
)
from skact.nets.eligibility import why_no_longer, why_not
from skact.nets.held_out import Validation
from skact.nets.rows import TrainingData, taken_rows
from skact.nets.skorch_loop import QuietLog, SkorchLoop, StopTraining, WeightedLoss

# methods that the engine does not call: a subclass that overrides one wants skorch's
_STEPS = (
    "train_step",
    "train_step_single",
    "validation_step",
    "run_single_epoch",
    "fit_loop",
    "notify",
    "get_train_step_accumulator",
    "_step_optimizer",
    "_zero_grad_optimizer",
    "_set_training",
    "get_split_datasets",
    "get_loss",
    "infer",
    "get_iterator",
    "get_dataset",
    "initialize_module",
    "initialize_criterion",
    "initialize_optimizer",
    "on_batch_begin",
    "on_batch_end",
    "on_grad_computed",
)
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
_DEFAULTS = {
    "epoch_timer": EpochTimer,
    "train_loss": WeightedLoss,
    "valid_loss": WeightedLoss,
    "valid_acc": EpochScoring,
    "print_log": QuietLog,
}
# callbacks that leave the network and the optimizer alone between epochs
_ONLOOKERS = {*_DEFAULTS.values(), EarlyStopping}
_LOSSES: dict[type, str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.BCEWithLogitsLoss: "bce_with_logits",
    nn.MSELoss: "squared_error",
}


class EngineLoop(SkorchLoop):
    """A net that trains on the engine where that can be, else by skorch's own loop."""

    def _train_job(self, job: FitJob, context: Any) -> None:
        """Train the initialized net on the job, telling scikit-learn's callbacks."""
        trainer = current_trainer()
        with self._running(job, context) as run, self._telling_weights(run):
            self.notify("on_train_begin", X=job.X, y=job.y)
            reason = self._why_skorch()  # a callback may have frozen parameters
            datasets = self._split(job) if reason is None else ()
            if datasets and not _is_table(datasets[0]):
                reason = "train_split gives a dataset of its own to train on"
            if reason is None:
                self.trained_by_ = "the engine"
                self._train_by_engine(job, run, trainer, *datasets)
            else:
                self.trained_by_ = f"skorch's loop, because {reason}"
                if trainer is not None:
                    trainer.not_served(job, reason)
                self._train_by_skorch(job)
            self._check_finite_weights()
            self.notify("on_train_end", X=job.X, y=job.y)

    @contextmanager
    def _telling_weights(self, run: Any) -> Iterator[None]:
        """Give the weights of each epoch to callbacks that want them, at the end."""
        callbacks = [*getattr(self, "_skl_callbacks", ())]
        callbacks += [callback for _, callback in self.callbacks_]
        takers = [one for one in callbacks if getattr(one, "wants_weights", False)]
        if not takers:
            yield
            return
        run.weights, initial = [], weights_of(self.module_)
        first_epoch = len(self.history_)
        try:
            yield
        finally:  # also of a fit that failed: they may tell why
            trajectory = Trajectory(first_epoch, initial, run.weights, *run.rows)
            for callback in takers:
                callback.receive_weights(self, trajectory)

    # ------------------------------------------------------------------ what is served

    def _why_skorch(self) -> str | None:
        """Return why the engine cannot serve this fit, or None if it can."""
        return (
            self._unusual_loading()
            or self._unusual_callback()
            or self._unusual_criterion()
            or why_not(self.module_, self.optimizer_)
        )

    def _unusual_loading(self) -> str | None:
        loading = (self.iterator_train, self.iterator_valid, self.dataset)
        if loading != (DataLoader, DataLoader, Dataset):
            return "the iterator or dataset is a class of the user's own"
        if self.get_params_for("dataset"):
            return "dataset__* is set"
        for name in self.get_params_for("iterator_train"):
            if name not in ("shuffle", "batch_size"):
                return f"iterator_train__{name} is set"
        if self.compile:
            return "compile=True compiles the module for it"
        return None

    def _unusual_callback(self) -> str | None:
        for name in _STEPS:
            method, own = getattr(type(self), name), getattr(SkorchLoop, name)
            if method is not own or name in vars(self):
                return f"{type(self).__name__} overrides {name}"
        for name, callback in self.callbacks_:
            if isinstance(callback, Freezer | Unfreezer):
                return f"the callback {name!r} freezes parameters"
            if _wants_training_batches(callback, self.use_caching):
                return f"the callback {name!r} works batch by batch"
        return None

    def _unusual_criterion(self) -> str | None:
        criterion, usual = self.criterion_, self._usual_criterion
        name = type(criterion).__name__
        if type(criterion) is not usual:
            return f"the criterion {name} has no stacked form"
        options = [option for option, _ in criterion.named_buffers()]
        for option, default in vars(usual(reduction="none")).items():
            public = not option.startswith("_") and option != "training"
            if public and getattr(criterion, option) != default:
                options.append(option)
        return f"the criterion has options ({', '.join(options)})" if options else None

    def _shares_files(self) -> str | None:
        """Say what fits that train at the same time would take from each other."""
        for name, callback in self.callbacks_:
            if isinstance(callback, Checkpoint | TrainEndCheckpoint | LoadInitState):
                return f"the callback {name!r} has files that all fits would share"
        return None

    # ------------------------------------------------------------------ the engine

    def _split(self, job: FitJob) -> tuple[Any, Any]:
        dataset = TrainingData(job.X, job.y, job.targets, job.sample_weight)
        return self.get_split_datasets(dataset, job.y)

    def _train_by_engine(
        self, job: FitJob, run: Any, trainer: Any, train_set: Any, valid_set: Any
    ) -> None:
        X, y, targets, weight = taken_rows(train_set)
        hooks = evaluation = None
        if not self._is_plain(valid_set):
            evaluation = self._validation(valid_set)
            hooks = _Hooks(self, train_set, valid_set, evaluation)
        loading = self.get_params_for("iterator_train")
        run.rows = X, targets
        job = replace(
            job,
            X=X,
            y=y,
            targets=targets,
            sample_weight=weight,
            first_epoch=len(self.history_),
            batch_size=loading.get("batch_size", self.batch_size),
            shuffle=loading.get("shuffle", self.shuffle),
            loss=_LOSSES[self._usual_criterion],
            module=self.module_,
            optimizer=self.optimizer_,
            hooks=hooks,
            evaluation=evaluation,
            keeps_weights=run.weights is not None and hooks is None,
            # parts that users brought learn in the module itself
            hooks_only_look=evaluation is not None and self._is_left_alone(),
        )
        shares = self._shares_files()
        if trainer is not None and shares is not None:
            trainer.not_served(job, shares)
            trainer = None
        try:
            outcome = train([job]).outcomes[0] if trainer is None else trainer.fit(job)
        finally:  # Ctrl-C, too: the weights are those after these epochs
            if hooks is None:
                self._write_history(job.outcome.records)
                run.weights = job.outcome.weights
            elif job.outcome.diverged is not None:
                self._write_batches(job.outcome.records[-1], new_epoch=False)
        if outcome.error is not None:
            raise outcome.error
        if outcome.diverged is not None:
            raise self._loss_diverged(outcome.diverged)

    def _is_plain(self, valid_set: Any) -> bool:
        """Whether nobody looks on while the net trains."""
        return (
            valid_set is None
            and not self.verbose
            and self._is_left_alone()
            and all(
                _is_default(name, callback) or _ignores_epochs(callback)
                for name, callback in self.callbacks_
            )
        )

    def _is_left_alone(self) -> bool:
        """Whether nobody changes the net between epochs."""
        return (
            all(map(_ignores_epochs, getattr(self, "_skl_callbacks", ())))
            and type(self).on_epoch_begin is NeuralNet.on_epoch_begin
            and type(self).on_epoch_end is NeuralNet.on_epoch_end
            and all(
                type(callback) in _ONLOOKERS or _ignores_epochs(callback)
                for _, callback in self.callbacks_
            )
        )

    def _validation(self, valid_set: Any) -> Validation | None:
        """Return what validates in few large batches, if nobody can tell."""
        if valid_set is None or not _is_table(valid_set) or self._has_foreign_parts():
            return None
        loading = self.get_params_for("iterator_valid")
        batch_size = loading.pop("batch_size", self.batch_size)
        if loading or not Validation.suits(self.callbacks_):
            return None
        return Validation(self, valid_set, batch_size)

    def _write_history(self, records: Sequence[EpochRecord]) -> None:
        """Write the rows that skorch's default callbacks would have written."""
        callbacks = dict(self.callbacks_)
        for record in records:
            self._write_batches(record)
            if not record.finite:
                break  # skorch's loop ends in the middle of this epoch
            if "epoch_timer" in callbacks:
                self.history_.record("dur", record.seconds)
            if "train_loss" in callbacks:
                best = record.train_loss < callbacks["train_loss"].best_score_
                if best:
                    callbacks["train_loss"].best_score_ = record.train_loss
                self.history_.record("train_loss", record.train_loss)
                self.history_.record("train_loss_best", best)

    def _write_batches(self, record: EpochRecord, *, new_epoch: bool = True) -> None:
        history = self.history_
        if new_epoch:
            history.new_epoch()
            history.record("epoch", len(history))
        rows = zip(
            record.batch_losses, record.batch_sizes, record.batch_weights, strict=True
        )
        history[-1]["batches"] += [
            {"train_loss": loss, "train_batch_size": size, "train_batch_weight": weight}
            for loss, size, weight in rows
        ]
        if not record.finite:  # skorch's loop stops at such a batch
            finite = list(map(math.isfinite, record.batch_losses))
            del history[-1]["batches"][finite.index(False) + 1 :]
            return
        history.record("train_batch_count", len(record.batch_sizes))


class _Hooks:
    """A net's callbacks, between the epochs that the engine trains."""

    def __init__(
        self,
        net: EngineLoop,
        train_set: Any,
        valid_set: Any,
        validation: Validation | None,
    ) -> None:
        self.net, self.trained = net, (net.module_, net.optimizer_)
        self.datasets = {"dataset_train": train_set, "dataset_valid": valid_set}
        self.left_alone = net._is_left_alone()
        self.validation, self.iterator = validation, None
        if validation is None and valid_set is not None:
            self.iterator = net.get_iterator(valid_set, training=False)

    def epoch_begin(self) -> None:
        """Tell the callbacks that an epoch begins."""
        net = self.net
        net.notify("on_epoch_begin", **self.datasets)
        if self.left_alone:
            return
        reason = why_no_longer(net.module_, net.optimizer_)
        if (net.module_, net.optimizer_) != self.trained:
            reason = "the module or the optimizer is another one"
        if reason is not None:
            raise ValueError(
                f"A callback changed in mid-training what the engine has to go by: "
                f"{reason}. Do so in on_train_begin, or give the callback a method "
                f"on_batch_begin, which makes skorch's own loop train."
            )

    def epoch_end(self, record: EpochRecord) -> bool:
        """Validate, tell the callbacks; whether one of them asks to stop."""
        net = self.net
        net._write_batches(record, new_epoch=False)
        if not self.left_alone:
            net.optimizer_.zero_grad()  # of a callback, or of skorch's loop before
            net.optimizer_.step()  # a scheduler of torch wants it called
        began = time.time()
        if self.validation is not None:
            self.validation.tell()
        net.run_single_epoch(
            self.iterator, training=False, prefix="valid", step_fn=net.validation_step
        )
        for _, callback in net.callbacks_:
            if type(callback) is EpochTimer:  # a stack's time is not one fit's
                callback.epoch_start_time_ = began - record.seconds
        try:
            net.notify("on_epoch_end", **self.datasets)
        except StopTraining:
            return True
        return False


def _ignores_epochs(callback: Any) -> bool:
    """Whether a callback says so of itself: it neither looks nor changes anything."""
    return bool(getattr(callback, "ignores_epochs", False))


def _is_default(name: str, callback: Any) -> bool:
    """Whether a callback is one of skorch's own, as skorch sets it."""
    if type(callback) is not _DEFAULTS.get(name):
        return False
    if isinstance(callback, WeightedLoss):
        return callback.name == name and callback.lower_is_better is True
    return not getattr(callback, "on_train", False)


def _wants_training_batches(callback: Any, use_caching: Any) -> bool:
    if isinstance(callback, EpochScoring) and type(callback).on_batch_end is (
        EpochScoring.on_batch_end
    ):
        cached = callback.use_caching if use_caching == "auto" else use_caching
        return bool(callback.on_train and cached)
    if isinstance(callback, BatchScoring):
        return bool(callback.on_train)
    if type(callback) is LRScheduler:
        return callback.step_every != "epoch"
    methods = [(getattr(callback, name), name) for name in _BATCH_HOOKS]
    return any(
        getattr(method, "__func__", method) is not getattr(Callback, name)
        for method, name in methods
    )


def _is_table(dataset: Any) -> bool:
    """Whether a training set is rows of what was to be split, as they are."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TrainingData
