"""The learning rates of a fit: the parameters `lr_schedule` and `warmup`."""

from typing import Any

from skorch.callbacks import LRScheduler

from skact.engine.lr_schedule import LRSchedule


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
