"""The learning rates of a fit: of `lr_schedule` and `warmup`, or skorch's scheduler."""

from typing import Any

from skorch.callbacks import LRScheduler, WarmRestartLR

from skact._torch import note_step
from skact.lr_schedules import KNOWN_SCHEDULERS, LRSchedule, RatesOfEpochs


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
    return LRSchedule(net.lr_schedule, net.warmup, lr, net.max_epochs or n_epochs)


def has_known_rates(callback: Any) -> bool:
    """Whether a callback is skorch's scheduler, and its rates are known beforehand."""
    return (
        type(callback) is LRScheduler
        and callback.step_every == "epoch"
        and type(callback.lr_scheduler_) in {*KNOWN_SCHEDULERS, WarmRestartLR}
    )


def known_rates(net: Any, n_epochs: int) -> RatesOfEpochs | None:
    """Return the rates that skorch's scheduler will set in a fit, if it is known."""
    for name, callback in net.callbacks_:
        if has_known_rates(callback):
            scheduler, first_epoch = callback.lr_scheduler_, len(net.history_)
            try:
                return RatesOfEpochs.from_scheduler(scheduler, first_epoch, n_epochs)
            except (TypeError, ValueError, ZeroDivisionError) as error:
                raise ValueError(
                    f"The callback {name!r} of {type(net).__name__} cannot set rates: "
                    f"{type(scheduler).__name__} raised {error!r}."
                ) from error
    return None


def rewind_rate(net: Any, rates: RatesOfEpochs) -> None:
    """Let skorch's scheduler step from the beginning of the fit, after the fit."""
    net.optimizer_.param_groups[0]["lr"] = float(rates.rates[0])
    note_step(net.optimizer_)
