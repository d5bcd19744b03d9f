"""The state of an optimizer whose options were set after it took steps."""

from collections.abc import Mapping

import torch

from skact.parameters.plain_numbers import plain_optimizer_options

# options -> what torch keeps for each parameter from the first step on, if they are set
_BUFFERS: Mapping[type, Mapping[str, str]] = {
    torch.optim.Adam: {"amsgrad": "max_exp_avg_sq"},
    torch.optim.RMSprop: {"centered": "grad_avg", "momentum": "momentum_buffer"},
}
# what LBFGS keeps of its last steps, and where it computes
_HISTORY = ("old_dirs", "old_stps", "ro")


def complete_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Let options that were set since the last step take effect in the next one.

    Buffers begin with zeros, as those of torch do; numbers become Python's own.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Changed in place.
    """
    for group in optimizer.param_groups:
        group.update(plain_optimizer_options(group))
        buffers = {
            buffer
            for kind, names in _BUFFERS.items()
            for option, buffer in names.items()
            if isinstance(optimizer, kind) and group.get(option)
        }
        for parameter in group["params"]:
            state = optimizer.state.get(parameter) or {}
            for buffer in buffers if state else ():
                state.setdefault(buffer, torch.zeros_like(parameter))
            if state and isinstance(optimizer, torch.optim.LBFGS):
                _shorten_history(state, group["history_size"])


def _shorten_history(state: dict, size: int) -> None:
    """Forget the oldest steps of LBFGS that a smaller ``history_size`` leaves out."""
    state.pop("al", None)  # its length is that of the history
    for name in _HISTORY:
        if state.get(name) is not None:
            state[name] = state[name][-size:]
