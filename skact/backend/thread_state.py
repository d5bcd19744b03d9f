"""State that belongs to a thread, which greenlets of the thread must not share."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import joblib
import sklearn
import torch

_AUTOCAST_DEVICES = ("cpu", "cuda")


@contextmanager
def preserve_thread_state() -> Iterator[None]:
    """Restore the state of the thread after a switch of greenlets in the block.

    joblib's backend, scikit-learn's configuration, the filters of warnings and torch's
    modes belong to the thread, which all greenlets share. So each switch, in both
    directions, stands in such a block. Context variables, such as numpy's errstate,
    need no care: each greenlet has its own.
    """
    config, autocast = sklearn.get_config(), _autocast_state()
    grad, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    with (
        joblib.parallel_config(),
        warnings.catch_warnings(),
        torch.inference_mode(inference),
        torch.set_grad_enabled(grad),  # inference_mode(False) switches gradients on
    ):
        try:
            yield
        finally:
            if sklearn.get_config() != config:
                sklearn.set_config(**config)
            if _autocast_state() != autocast:
                _set_autocast_state(autocast)


def _autocast_state() -> tuple:
    of_devices = (
        (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
        for device in _AUTOCAST_DEVICES
    )
    return *of_devices, torch.is_autocast_cache_enabled()


def _set_autocast_state(state: tuple) -> None:
    *of_devices, is_cache_enabled = state
    for device, (enabled, dtype) in zip(_AUTOCAST_DEVICES, of_devices, strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(is_cache_enabled)
