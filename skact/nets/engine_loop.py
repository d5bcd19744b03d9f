"""Training on the engine: one complete job, and a net's callbacks between the epochs.

A net whose callbacks are skorch's own defaults only gets its history written when the
engine is done. Any other has hooks, which run between the epochs with live weights.
"""

import math
import time
from collections.abc import Sequence
from typing import Any

from skorch.callbacks import EpochTimer
from torch import nn

from skact.engine.jobs import EpochRecord, Evaluation, FitJob, Outcome
from skact.engine.train import train
from skact.nets._skorch import batches_of, begin_epoch_at, write_best_score
from skact.nets.eligibility import FitPlan, why_no_longer
from skact.nets.held_out import HeldOutRows
from skact.nets.loop import Loop, StopTraining, loss_diverged

_LOSSES: dict[type, str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.BCEWithLogitsLoss: "bce_with_logits",
    nn.MSELoss: "squared_error",
}


class EngineLoop(Loop):
    """Trains a net by the engine: alone, or with all fits that a session collects."""

    def train(self) -> None:
        """Train the epochs of this fit."""
        job, outcome, plan = self._job(), Outcome(), self.plan
        trainer = self.trainer
        if trainer is not None and plan.why_alone is not None:
            trainer.not_served(plan.why_alone)
            trainer = None
        try:
            if trainer is None:
                train([job], outcomes=[outcome])
            else:
                trainer.fit(job, outcome)
        finally:  # Ctrl-C, too: the weights are those after these epochs
            if job.hooks is None:
                write_history(self.net, outcome.records)
                if self.weights is not None:
                    self.weights = outcome.weights
            elif outcome.diverged is not None:
                write_batches(self.net, outcome.records[-1], new_epoch=False)
        if outcome.error is not None:
            raise outcome.error
        if outcome.diverged is not None:
            raise loss_diverged(self.net, outcome.diverged)

    def _job(self) -> FitJob:
        net, plan = self.net, self.plan
        loading = net.get_params_for("iterator_train")
        nobody = plan.between_epochs == "nobody"
        return FitJob(
            X=plan.train.X,
            targets=plan.train.targets,
            sample_weight=plan.train.sample_weight,
            seeds=net.seeds_,
            n_epochs=net.max_epochs,
            first_epoch=len(net.history_),
            batch_size=loading.get("batch_size", net.batch_size),
            shuffle=loading.get("shuffle", net.shuffle),
            loss=_LOSSES[net._usual_criterion],
            module=net.module_,
            optimizer=net.optimizer_,
            hooks=None if nobody else CallbackHooks(net, plan),
            keeps_weights=nobody and self.weights is not None,
        )


class CallbackHooks:
    """A net's callbacks, between the epochs that the engine trains.

    Parameters
    ----------
    net : BaseNet
    plan : FitPlan
    """

    def __init__(self, net: Any, plan: FitPlan) -> None:
        self.net, self.trained = net, (net.module_, net.optimizer_)
        self.datasets = {
            "dataset_train": plan.train_set,
            "dataset_valid": plan.valid_set,
        }
        self.only_look = plan.between_epochs == "looks"
        self.held_out: HeldOutRows | None = None
        self.loader: Any = None
        if plan.held_out is not None:
            loading = net.get_params_for("iterator_valid")
            batch_size = loading.get("batch_size", net.batch_size)
            self.held_out = HeldOutRows(net, plan.held_out, batch_size)
        elif plan.valid_set is not None:
            self.loader = net.get_iterator(plan.valid_set, training=False)
        # parts that users brought learn in the module itself, which no copy replaces
        self.changes = not self.only_look or self.held_out is None
        self.evaluation: Evaluation | None = self.held_out

    def epoch_begin(self) -> None:
        """Tell the callbacks that an epoch begins."""
        net = self.net
        net.notify("on_epoch_begin", **self.datasets)
        if self.only_look:
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
        write_batches(net, record, new_epoch=False)
        if not self.only_look:
            net.optimizer_.zero_grad()  # of a callback, or of skorch's loop before
            net.optimizer_.step()  # a scheduler of torch wants it called
        began = time.time()
        if self.held_out is not None:
            self.held_out.write_history()
        net.run_single_epoch(
            self.loader, training=False, prefix="valid", step_fn=net.validation_step
        )
        for _, callback in net.callbacks_:
            if type(callback) is EpochTimer:  # a stack's time is not one fit's
                begin_epoch_at(callback, began - record.seconds)
        try:
            net.notify("on_epoch_end", **self.datasets)
        except StopTraining:
            return True
        return False


def write_history(net: Any, records: Sequence[EpochRecord]) -> None:
    """Write the rows that skorch's default callbacks would have written."""
    callbacks, history = dict(net.callbacks_), net.history_
    for record in records:
        write_batches(net, record)
        if not record.finite:
            break  # skorch's loop ends in the middle of this epoch
        if "epoch_timer" in callbacks:
            history.record("dur", record.seconds)
        if "train_loss" in callbacks:
            best = record.train_loss < callbacks["train_loss"].best_score_
            if best:
                write_best_score(callbacks["train_loss"], record.train_loss)
            history.record("train_loss", record.train_loss)
            history.record("train_loss_best", best)


def write_batches(net: Any, record: EpochRecord, *, new_epoch: bool = True) -> None:
    """Write what skorch's loop would have written of the batches of an epoch."""
    history = net.history_
    if new_epoch:
        history.new_epoch()
        history.record("epoch", len(history))
    batches = batches_of(history)
    rows = zip(
        record.batch_losses, record.batch_sizes, record.batch_weights, strict=True
    )
    batches += [
        {"train_loss": loss, "train_batch_size": size, "train_batch_weight": weight}
        for loss, size, weight in rows
    ]
    if not record.finite:  # skorch's loop stops at such a batch
        finite = list(map(math.isfinite, record.batch_losses))
        del batches[finite.index(False) + 1 :]
        return
    history.record("train_batch_count", len(record.batch_sizes))
