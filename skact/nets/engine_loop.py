"""Training by the engine: the job of a fit, and the callbacks between its epochs.

If all callbacks are skorch's defaults, the history is written when the engine is done.
Otherwise the callbacks run between the epochs, with the weights of that moment.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from skorch.callbacks import EarlyStopping, EpochTimer
from torch import nn

from skact._skorch import last_batches_of, write_epoch_start, write_score
from skact._torch import note_step
from skact.engine.early_stopping import asks_to_stop
from skact.engine.jobs import (
    EpochRecord,
    FitJob,
    HeldOutScores,
    Outcome,
    StoppingRule,
    StoppingState,
)
from skact.engine.train import train
from skact.interrupts import StopRequest
from skact.lr_schedules import RatesOfEpochs
from skact.nets.default_callbacks import LearningRate, score_of
from skact.nets.divergence import check_held_out_loss, divergence_error
from skact.nets.eligibility import FitPlan, has_custom_scoring
from skact.nets.gradient_clipping import clipping_of
from skact.nets.held_out import held_out_of, write_held_out
from skact.nets.loop import Loop
from skact.nets.lr_schedule import (
    batch_size_of_training,
    has_known_rates,
    rewind_rate,
    sets_rates_of_batches,
)
from skact.nets.stacked_forms import unstackable_part
from skact.parameters.optimizer_checks import check_rates
from skact.parameters.rows import Rows

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
            self._write_outcome(job, outcome)
        if outcome.error is not None:
            raise outcome.error
        if outcome.diverged_loss is not None:
            if outcome.records[-1].is_finite:
                check_held_out_loss(self.net, outcome.diverged_loss)
            raise divergence_error(self.net, outcome.diverged_loss)

    def _write_outcome(self, job: FitJob, outcome: Outcome) -> None:
        """Write what hooks have not written; the net is as skorch's loop leaves it."""
        net = self.net
        if job.held_out is not None:
            net.module_.eval()
        if job.hooks is not None:
            if outcome.diverged_loss is not None:
                write_training_batches(net, outcome.records[-1], new_epoch=False)
            return
        if isinstance(job.lr_schedule, RatesOfEpochs):
            rewind_rate(net, job.lr_schedule)
        has_stopped = outcome.stopping is not None and asks_to_stop(outcome.stopping)
        write_epochs(net, outcome.records, has_stopped=has_stopped)
        if outcome.stopping is not None:
            write_stopping(net, outcome.stopping)
        if self.epoch_weights is not None:
            self.epoch_weights = outcome.weights

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
            batch_size=batch_size_of_training(net),
            shuffle=loading.get("shuffle", net.shuffle),
            loss=_ENGINE_LOSSES[net._engine_criterion],
            module=net.module_,
            optimizer=net.optimizer_,
            lr_schedule=plan.lr_schedule,
            clipping=clipping_of(net),
            hooks=None if is_unobserved else CallbackHooks(net, plan),
            keeps_weights=is_unobserved and self.epoch_weights is not None,
            kept_epochs=0 if self.epoch_weights is None else int(net.max_epochs),
            held_out=held_out_of(net, plan.held_out),
            stopping=_stopping_rule(net) if is_unobserved else None,
            is_repeatable=net.random_state is not None,
        )


def _stopping_rule(net: Any) -> StoppingRule | None:
    """Return the rule of the net's EarlyStopping; None: it has none."""
    callbacks = [callback for _, callback in net.callbacks_]
    measures = dict(filter(None, map(score_of, callbacks)))
    for callback in callbacks:
        if type(callback) is EarlyStopping:
            names = [field.name for field in fields(StoppingRule)]
            options = {name: getattr(callback, name) for name in names}
            return StoppingRule(**{**options, "monitor": measures[callback.monitor]})
    return None


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
        self.held_out, self.loader = plan.held_out, None
        if plan.held_out is None and plan.valid_set is not None:
            self.loader = net.get_iterator(plan.valid_set, training=False)
        # custom parts train in the module itself, so hooks cannot get a copy
        self.needs_live_network = not self.is_read_only or self.held_out is None
        self.wants_gradients = not self.is_read_only or has_custom_scoring(net)

    def epoch_begin(self) -> bool:
        """Call the callbacks before an epoch; return whether one of them asks to stop.

        Refuses changes that no stack supports.
        """
        net = self.net
        with StopRequest() as stop:
            net.notify("on_epoch_begin", **self.datasets)
        check_rates(net, net.optimizer_.param_groups)
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
        if self.held_out is not None and record.held_out is not None:
            self._hand_out_outputs(self.held_out, record.held_out)
        for _, callback in net.callbacks_:
            if type(callback) is EpochTimer:  # not the time of the whole stack
                write_epoch_start(callback, began - record.seconds)
        with StopRequest() as stop:
            net.run_single_epoch(
                self.loader, training=False, prefix="valid", step_fn=net.validation_step
            )
            net.notify("on_epoch_end", **self.datasets)
        return stop.was_made

    def _hand_out_outputs(self, rows: Rows, scores: HeldOutScores) -> None:
        """Write the batches of held-out rows; callbacks collect labels and outputs."""
        net = self.net
        net.module_.eval()
        write_held_out(net, scores)
        outputs = net.shaped_as_loss_wants(scores.outputs)
        for _, callback in net.callbacks_:
            callback.on_batch_end(
                net, training=False, batch=(rows.X, rows.y), y_pred=outputs
            )


def write_epochs(
    net: Any, records: Sequence[EpochRecord], *, has_stopped: bool = False
) -> None:
    """Write epochs into the history, as the callbacks of a net do.

    If EarlyStopping has stopped the fit, the callbacks after it miss the last epoch.
    """
    for record in records:
        write_training_batches(net, record)
        if record.diverged_loss is not None:
            break  # skorch's loop ends in the middle of this epoch
        if record.held_out is not None:
            write_held_out(net, record.held_out)
        for _, callback in net.callbacks_:
            _write_end_of_epoch(net, callback, record)
            is_last = has_stopped and record is records[-1]
            if is_last and type(callback) is EarlyStopping:
                break


def _write_end_of_epoch(net: Any, callback: Any, record: EpochRecord) -> None:
    """Write what a callback would write at the end of an epoch."""
    if type(callback) is EpochTimer:
        net.history_.record("dur", record.seconds)
    elif type(callback) is LearningRate:
        net.history_.record("event_lr", record.lr)
    elif has_known_rates(callback):
        callback.on_epoch_end(net)
    elif (found := score_of(callback)) is not None:
        name, measure = found
        score = record.measure(measure)
        if score is not None:
            write_score(net.history_, callback, name, score)


def write_stopping(net: Any, state: StoppingState) -> None:
    """Give a net's EarlyStopping what it would know after these epochs."""
    for _, callback in net.callbacks_:
        if type(callback) is EarlyStopping:
            callback.misses_ = state.misses
            callback.dynamic_threshold_ = state.dynamic_threshold
            callback.best_epoch_ = state.best_epoch
            if state.best_weights is not None:
                # of the class that torch loads, with its versions
                weights = net.module_.state_dict()
                weights.update(state.best_weights)
                callback.best_model_weights_ = weights


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
    values = [
        {"train_loss": loss, "train_batch_size": size, "train_batch_weight": weight}
        for loss, size, weight in batch_values
    ]
    schedulers = [one for _, one in net.callbacks_ if sets_rates_of_batches(one)]
    if not schedulers:
        batches += values
    for batch in values if schedulers else ():
        batches.append(batch)
        for scheduler in schedulers:
            scheduler.on_batch_end(net, training=True)
    if not record.is_finite:  # skorch's loop stops at such a batch
        finite = list(map(math.isfinite, record.batch_losses))
        del batches[finite.index(False) + 1 :]
        return
    history.record("train_batch_count", len(record.batch_sizes))
