"""State that belongs to a thread, and of which each greenlet must find its own."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import joblib
import sklearn
import torch

_AUTOCAST_DEVICES = ("cpu", "cuda")


@contextmanager
def own_state() -> Iterator[None]:
    """Switch greenlets within the block, and find the state of this one as it was.

    joblib's backend, scikit-learn's configuration, the filters of warnings and torch's
    modes belong to the thread, which all greenlets share. Each of them must find its
    own, so both sides of every switch are wrapped. Context variables, such as numpy's
    errstate, need nothing: greenlets have contexts of their own.
    """
    config, autocast = sklearn.get_config(), _autocast_state()
    grad, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    with (
        joblib.parallel_config(),
        warnings.catch_warnings(),
        torch.inference_mode(inference),
        torch.set_grad_enabled(grad),  # inference_mode(False) switches it on
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
    *of_devices, cache = state
    for device, (enabled, dtype) in zip(_AUTOCAST_DEVICES, of_devices, strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(cache)
