"""The learning rates of a fit: of `lr_schedule` and `warmup`, or skorch's scheduler."""

from typing import Any

from skorch.callbacks import LRScheduler, WarmRestartLR

from skact._torch import note_step
from skact.engine.plan import BatchShape
from skact.lr_schedules import LRSchedule, RatesOfEpochs, is_known_scheduler
from skact.parameters.optimizer_checks import check_rates
from skact.parameters.plain_numbers import plain_number


def has_schedule(net: Any) -> bool:
    """Whether the learning rate changes from step to step."""
    return net.lr_schedule is not None or bool(net.warmup)


def schedule_of(net: Any, n_epochs: int) -> LRSchedule | None:
    """Return the schedule of a fit, or None if the learning rate stays as it is.

    Parameters
    ----------
    net : BaseNet
        Initialized.
    n_epochs : int
        Epochs of this fit: those of the schedule, if `max_epochs` is 0.

    Raises
    ------
    ValueError
        If a callback sets the learning rate, too.
    """
    if not has_schedule(net):
        return None
    for name, callback in net.callbacks_:
        if isinstance(callback, LRScheduler):
            raise ValueError(
                f"{type(net).__name__} cannot use lr_schedule={net.lr_schedule!r}, "
                f"warmup={net.warmup!r} with the callback {name!r}: both set the "
                f"learning rate."
            )
    group = net.optimizer_.param_groups[0]
    lr = float(group.get("initial_lr", group["lr"]))
    warmup = plain_number(net.warmup)
    return LRSchedule(net.lr_schedule, warmup, lr, int(net.max_epochs) or n_epochs)


def has_known_rates(callback: Any) -> bool:
    """Whether a callback is skorch's scheduler, and its rates are known beforehand."""
    if type(callback) is not LRScheduler:
        return False
    scheduler = callback.lr_scheduler_
    return type(scheduler) is WarmRestartLR or is_known_scheduler(scheduler)


def sets_rates_of_batches(callback: Any) -> bool:
    """Whether a callback of known rates steps after each batch."""
    return has_known_rates(callback) and callback.step_every == "batch"


def known_rates(net: Any, n_epochs: int, n_rows: int) -> RatesOfEpochs | None:
    """Return the rates that skorch's scheduler will set in a fit, if it is known."""
    for name, callback in net.callbacks_:
        if has_known_rates(callback):
            scheduler, per_epoch = callback.lr_scheduler_, 1
            if callback.step_every == "batch":
                size = batch_size_of_training(net)
                per_epoch = BatchShape.from_rows(n_rows, size).n_steps
            first = len(net.history_)
            try:
                rates = RatesOfEpochs.from_scheduler(
                    scheduler, first, n_epochs, per_epoch
                )
            except (TypeError, ValueError, ZeroDivisionError) as error:
                raise ValueError(
                    f"The callback {name!r} of {type(net).__name__} cannot set rates: "
                    f"{type(scheduler).__name__} raised {error!r}."
                ) from error
            check_rates(net, [{"lr": rates.rates.min()}])  # NaN, if one is
            return rates
    return None


def batch_size_of_training(net: Any) -> int:
    """Return the rows of a batch; -1: all rows are one batch."""
    return int(net.get_params_for("iterator_train").get("batch_size", net.batch_size))


def rewind_rate(net: Any, rates: RatesOfEpochs) -> None:
    """Let skorch's scheduler step from the beginning of the fit, after the fit."""
    net.optimizer_.param_groups[0]["lr"] = float(rates.rates[0, 0])
    note_step(net.optimizer_)
