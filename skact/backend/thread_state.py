"""State that belongs to a thread, which greenlets of the thread must not share."""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import joblib
import sklearn
import torch

from skact._torch import modes_of_thread, restore_modes_of_thread
from skact.backend.tasks import Surroundings, Task

_AUTOCAST_DEVICES = ("cpu", "cuda")
# modules with properties
_deterministic: Any = torch.utils.deterministic
_mkldnn: Any = torch.backends.mkldnn


@contextmanager
def preserve_thread_state() -> Iterator[None]:
    """Restore the state of the thread after a switch of greenlets in the block.

    joblib's backend, scikit-learn's configuration, the filters of warnings and torch's
    settings belong to the thread or the process, which all greenlets share. So each
    switch, in both directions, stands in such a block. Context variables, such as
    numpy's errstate, need no care: each greenlet has its own. The random generators
    stay common to all tasks, or all tasks would draw the same numbers. So do settings
    of the process that are not listed here, such as the options of pandas.
    """
    before = read_settings()
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
            write_settings(before)


def read_settings() -> list[Any]:
    """Return the settings of this thread that tasks must not share."""
    return [read() for read, _ in _SETTINGS]


def write_settings(values: list[Any]) -> None:
    """Give this thread the settings that `read_settings` returned."""
    for (read, write), value in zip(_SETTINGS, values, strict=True):
        if read() != value:
            write(value)


@contextmanager
def switch_surroundings(task: Task) -> Iterator[None]:
    """Let a task have the stdout, stderr and directory that it has set; only this task.

    A task that has set none prints where the others do: a progress bar may begin
    meanwhile, which draws below what is printed. Only the main thread switches, because
    it may be the one that sets them while tasks run in another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _surroundings()
    if task.surroundings is not None:
        _set_surroundings(task.surroundings)
    try:
        yield
    finally:
        after = _surroundings()
        if after == before:
            task.surroundings = None
        else:
            task.surroundings = after
            _set_surroundings(before)


def _surroundings() -> Surroundings:
    try:
        # each switch reads it, and Path.cwd() takes four times as long
        return sys.stdout, sys.stderr, os.getcwd()  # noqa: PTH109
    except OSError:  # the directory was removed
        return sys.stdout, sys.stderr, None


def _set_surroundings(surroundings: Surroundings) -> None:
    sys.stdout, sys.stderr, directory = surroundings
    if directory is not None:
        with suppress(OSError):
            os.chdir(directory)


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


def _determinism() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        _deterministic.fill_uninitialized_memory,
    )


def _set_determinism(state: tuple[bool, bool, bool]) -> None:
    is_on, warns_only, fills = state
    torch.use_deterministic_algorithms(is_on, warn_only=warns_only)
    _deterministic.fill_uninitialized_memory = fills


def _set_mkldnn(is_enabled: bool) -> None:
    _mkldnn.enabled = is_enabled


def _anomaly_detection() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


# how each setting is read and written
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (sklearn.get_config, lambda config: sklearn.set_config(**config)),
    (_autocast_state, _set_autocast_state),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_num_threads, torch.set_num_threads),
    (_determinism, _set_determinism),
    (_anomaly_detection, lambda state: torch.autograd.set_detect_anomaly(*state)),
    (lambda: _mkldnn.enabled, _set_mkldnn),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (modes_of_thread, restore_modes_of_thread),
)
