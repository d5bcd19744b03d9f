"""Training by the engine: the job of a fit, and the callbacks between its epochs.

If all callbacks are skorch's defaults, the history is written when the engine is done.
Otherwise the callbacks run between the epochs, with the weights of that moment.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

from skorch.callbacks import EpochTimer
from torch import nn

from skact.engine._torch import note_step
from skact.engine.jobs import EpochRecord, Evaluation, FitJob, Outcome
from skact.engine.lr_schedule import RatesOfEpochs
from skact.engine.train import train
from skact.interrupts import StopRequest
from skact.nets._skorch import last_batches_of, write_best_score, write_epoch_start
from skact.nets.divergence import divergence_error
from skact.nets.eligibility import FitPlan, has_custom_scoring, unstackable_part
from skact.nets.held_out import HeldOutRows
from skact.nets.loop import Loop
from skact.nets.lr_schedule import has_known_rates, rewind_rate

_ENGINE_LOSSES: dict[type, str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.BCEWithLogitsLoss: "bce_with_logits",
    nn.MSELoss: "squared_error",
}


class EngineLoop(Loop):
    """Trains a net by the engine: alone, or in a wave of a session."""

    def train_epochs(self) -> None:
        """Train the epochs of this fit."""
        job, outcome, plan = self._build_job(), Outcome(), self.plan
        trainer = self.trainer
        if trainer is not None and plan.why_alone is not None:
            trainer.note_not_fused(plan.why_alone)
            trainer = None
        try:
            if trainer is None:
                train([job], outcomes=[outcome])
            else:
                trainer.fit(job, outcome)
        finally:  # also after Ctrl-C: the network has the weights of these epochs
            if job.hooks is None:
                if isinstance(job.lr_schedule, RatesOfEpochs):
                    rewind_rate(self.net, job.lr_schedule)
                write_epochs(self.net, outcome.records)
                if self.epoch_weights is not None:
                    self.epoch_weights = outcome.weights
            elif outcome.diverged_loss is not None:
                write_training_batches(self.net, outcome.records[-1], new_epoch=False)
        if outcome.error is not None:
            raise outcome.error
        if outcome.diverged_loss is not None:
            raise divergence_error(self.net, outcome.diverged_loss)

    def _build_job(self) -> FitJob:
        net, plan = self.net, self.plan
        loading = net.get_params_for("iterator_train")
        is_unobserved = plan.between_epochs == "nobody"
        return FitJob(
            X=plan.train.X,
            targets=plan.train.targets,
            sample_weight=plan.train.sample_weight,
            seeds=net.seeds_,
            n_epochs=plan.n_epochs,
            first_epoch=len(net.history_),
            batch_size=int(loading.get("batch_size", net.batch_size)),
            shuffle=loading.get("shuffle", net.shuffle),
            loss=_ENGINE_LOSSES[net._engine_criterion],
            module=net.module_,
            optimizer=net.optimizer_,
            lr_schedule=plan.lr_schedule,
            hooks=None if is_unobserved else CallbackHooks(net, plan),
            keeps_weights=is_unobserved and self.epoch_weights is not None,
            kept_epochs=0 if self.epoch_weights is None else net.max_epochs,
        )


class CallbackHooks:
    """Runs the callbacks of a net between the epochs that the engine trains.

    Parameters
    ----------
    net : BaseNet
    plan : FitPlan
    """

    def __init__(self, net: Any, plan: FitPlan) -> None:
        self.net, self.trained_parts = net, (net.module_, net.optimizer_)
        self.datasets = {
            "dataset_train": plan.train_set,
            "dataset_valid": plan.valid_set,
        }
        self.is_read_only = plan.between_epochs == "looks"
        self.held_out: HeldOutRows | None = None
        self.loader: Any = None
        if plan.held_out is not None:
            loading = net.get_params_for("iterator_valid")
            batch_size = loading.get("batch_size", net.batch_size)
            self.held_out = HeldOutRows(net, plan.held_out, batch_size)
        elif plan.valid_set is not None:
            self.loader = net.get_iterator(plan.valid_set, training=False)
        # custom parts train in the module itself, so hooks cannot get a copy
        self.needs_live_network = not self.is_read_only or self.held_out is None
        self.wants_gradients = not self.is_read_only or has_custom_scoring(net)
        self.evaluation: Evaluation | None = self.held_out

    def epoch_begin(self) -> bool:
        """Call the callbacks before an epoch; return whether one of them asks to stop.

        Refuses changes that no stack supports.
        """
        net = self.net
        with StopRequest() as stop:
            net.notify("on_epoch_begin", **self.datasets)
        if self.is_read_only or stop.was_made:
            return stop.was_made
        reason = unstackable_part(net.module_, net.optimizer_)
        if (net.module_, net.optimizer_) != self.trained_parts:
            reason = "the module or the optimizer was replaced"
        if reason is not None:
            raise ValueError(
                f"A callback changed in mid-training what the engine trains: {reason}. "
                f"Make the change in on_train_begin, or give the callback a method "
                f"on_batch_begin, so that skorch's own loop trains."
            )
        return False

    def epoch_end(self, record: EpochRecord) -> bool:
        """Validate and call the callbacks; return whether one of them asks to stop."""
        net = self.net
        write_training_batches(net, record, new_epoch=False)
        note_step(net.optimizer_)
        began = time.time()
        if self.held_out is not None:
            self.held_out.write_validation_batches()
        for _, callback in net.callbacks_:
            if type(callback) is EpochTimer:  # not the time of the whole stack
                write_epoch_start(callback, began - record.seconds)
        with StopRequest() as stop:
            net.run_single_epoch(
                self.loader, training=False, prefix="valid", step_fn=net.validation_step
            )
            net.notify("on_epoch_end", **self.datasets)
        return stop.was_made


def write_epochs(net: Any, records: Sequence[EpochRecord]) -> None:
    """Write epochs into the history, as skorch's default callbacks do."""
    callbacks, history = dict(net.callbacks_), net.history_
    schedulers = [c for c in callbacks.values() if has_known_rates(c)]
    for record in records:
        write_training_batches(net, record)
        if not record.is_finite:
            break  # skorch's loop ends in the middle of this epoch
        if "epoch_timer" in callbacks:
            history.record("dur", record.seconds)
        if "train_loss" in callbacks:
            best = record.train_loss < callbacks["train_loss"].best_score_
            if best:
                write_best_score(callbacks["train_loss"], record.train_loss)
            history.record("train_loss", record.train_loss)
            history.record("train_loss_best", best)
        if "event_lr" in callbacks:
            history.record("event_lr", record.lr)
        for scheduler in schedulers:
            scheduler.on_epoch_end(net)


def write_training_batches(
    net: Any, record: EpochRecord, *, new_epoch: bool = True
) -> None:
    """Write the batches of an epoch into the history, as skorch's loop does."""
    history = net.history_
    if new_epoch:
        history.new_epoch()
        history.record("epoch", len(history))
    batches = last_batches_of(history)
    batch_values = zip(
        record.batch_losses, record.batch_sizes, record.batch_weights, strict=True
    )
    batches += [
        {"train_loss": loss, "train_batch_size": size, "train_batch_weight": weight}
        for loss, size, weight in batch_values
    ]
    if not record.is_finite:  # skorch's loop stops at such a batch
        finite = list(map(math.isfinite, record.batch_losses))
        del batches[finite.index(False) + 1 :]
        return
    history.record("train_batch_count", len(record.batch_sizes))
