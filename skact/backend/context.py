"""The joblib backend "skact", and ``fused()``, which opens a session for it."""

import importlib.util
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    ContextDecorator,
    closing,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import greenlet
import joblib

from skact.backend.joblib_backends import (
    FusingBackend,
    SkactBackend,
    WorkersBackend,
    count_processes,
    count_threads,
    find_backend,
    session_here,
    session_of_workers,
)
from skact.backend.progress import ProgressBar
from skact.backend.report import Report
from skact.backend.session import Session
from skact.engine.current_trainer import hand_fits_to
from skact.resuming.checkpoint_folder import CheckpointFolder
from skact.resuming.kept_fits import leave
from skact.resuming.train_once import TrainOnce

joblib.register_parallel_backend("skact", FusingBackend)


class Fused(ContextDecorator, AbstractContextManager):
    """The result of ``fused()``: opens a new session each time a block is entered.

    Several threads may enter it, each with a session of its own.
    """

    def __init__(
        self, open_session: Callable[[], AbstractContextManager[Session]]
    ) -> None:
        self._open_session = open_session

    def __call__(self, func: Any) -> Any:
        """Return the function in a block, entered anew at each call."""
        kinds = (
            inspect.isgeneratorfunction,
            inspect.iscoroutinefunction,
            inspect.isasyncgenfunction,
        )
        if any(runs_later(func) for runs_later in kinds):
            raise TypeError(
                f"@fused() would leave its block before {func.__qualname__} runs: "
                f"write `with fused():` inside the function."
            )
        return super().__call__(func)

    def __enter__(self) -> Session:
        opened = self._open_session()
        session = opened.__enter__()
        _blocks_of_this_task().append(_Block(self, opened))
        return session

    def __exit__(self, *error: Any) -> bool | None:
        blocks = _blocks_of_this_task()
        places = [i for i, block in enumerate(blocks) if block.fused is self]
        if not places:
            raise RuntimeError(
                "This block of fused() is not open here: it was never entered, or left "
                "twice, or entered in another thread, in which it must be left."
            )
        block, inner = blocks[places[-1]], blocks[places[-1] + 1 :]
        del blocks[places[-1]]
        if not block.is_open:  # it was closed together with an outer block
            return None
        still_open = [one for one in inner if one.is_open]
        for one in reversed(still_open):
            one.close(None, None, None)
        result = block.close(*error)
        if still_open:
            raise RuntimeError(
                "Blocks of fused() must be left in reverse order: a block was left "
                "while a block inside it was open. Both are closed now."
            )
        return result


@dataclass(eq=False)
class _Block:
    """One block of ``fused()``, from entering to leaving."""

    fused: Fused
    opened: AbstractContextManager[Session]
    is_open: bool = True

    def close(self, *error: Any) -> bool | None:
        self.is_open = False
        return self.opened.__exit__(*error)


def _blocks_of_this_task() -> list[_Block]:
    """Return the blocks that this thread, or this task of joblib, has not left."""
    return vars(greenlet.getcurrent()).setdefault("blocks_of_fused", [])


def fused(
    n_jobs: int | None = None,
    inner: str | None = None,
    memory: int | None = None,
    progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = 30,
) -> Fused:
    """Train all networks of a search together, as few tensor programs.

    The block works with all that runs its fits through joblib: ``GridSearchCV`` and the
    other searches, ``cross_validate``, ``learning_curve``, ``BaggingClassifier``,
    ``OneVsRestClassifier``, ``StackingClassifier``, also nested and with pipelines.
    Each fit gives the same network as without the block. Other estimators give the same
    results, too.

    The block is ``joblib.parallel_config(backend="skact")`` with settings and a report.
    If two blocks are nested, the inner block collects the fits.

    Parameters
    ----------
    n_jobs : int, default=None
        Most processes that train, this one included, or number of workers of `inner`.
        -1 and None are all cores, or all workers. Without `inner` there are never more
        processes than cores. Processes start only when what is
        left to train will outlast their start, and are kept for five minutes. A search
        in the block may ask for fewer, by its own `n_jobs`.
    inner : str, default=None
        A joblib backend with worker processes, such as "loky" or "dask". The tasks go
        to its workers, and each worker fuses its tasks. None fuses in this process.
    memory : int, default=None
        Bytes that tasks may hold while they wait for each other; with `inner`, all
        workers together. When the memory is full, the waiting tasks are trained before
        other tasks start; a task that needs more trains alone. A task counts its X
        twice, because a transformer in front of the network keeps a copy, its network
        with all that training adds, and weights that are kept for each epoch. Fits that
        have ended, from which others may go on, are kept in a quarter as many bytes
        more. None is a quarter of the memory.
    progress : bool, default=False
        Whether to show a progress bar (needs rich: ``pip install "skact[progress]"``).
    checkpoint : str or path, default=None
        A folder that keeps fits for other processes, also after a crash (needs
        safetensors: ``pip install "skact[checkpoint]"``). The same script, run again,
        restores what was finished and continues what was under way, and no number of
        the result changes. Workers and several processes may use one folder. None keeps
        fits in memory only. See :func:`skact.checkpoints`.
    checkpoint_seconds : float, default=30
        Seconds from one writing of fits that are under way to the next. Fits that have
        ended are written when their stack is done.

    Returns
    -------
    context manager
        ``with fused() as session`` gives a session. ``session.report`` says what was
        fused, what was not and why, and how long training took.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or there is no Dask client.
    ImportError
        If a package that `inner` or `progress` needs is not installed.
    RuntimeError
        If a block is left twice, in another thread than entered, or before a block
        inside it. Then both blocks are closed.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> import skact
    >>> X, y = load_iris(return_X_y=True)
    >>> net = skact.ActMLP(max_epochs=3, random_state=0)
    >>> search = GridSearchCV(net, {"activation": ["relu", "tanh"]}, cv=5)
    >>> with skact.fused() as session:
    ...     _ = search.fit(X, y)
    >>> session.report.n_fused
    10
    >>> len(session.report.alone_seconds)  # the refit
    1
    """
    _check_settings(n_jobs, memory, progress)
    if inner is not None:
        _check_inner(inner)
    folder = _check_checkpoint(checkpoint, checkpoint_seconds)
    return Fused(partial(_open_session, n_jobs, inner, memory, progress, folder))


@contextmanager
def _open_session(
    n_jobs: int | None,
    inner: str | None,
    memory: int | None,
    progress: bool,
    folder: CheckpointFolder | None,
) -> Iterator[Session]:
    bar = ProgressBar("epochs" if inner is None else "tasks") if progress else None
    backend: SkactBackend
    if inner is None:
        n_threads = None if n_jobs is None else count_threads(n_jobs)
        n_processes = count_processes(n_jobs)
        session = session_here(
            memory,
            folder,
            n_threads=n_threads,
            progress=bar,
            n_processes=n_processes,
        )
        backend = FusingBackend(session)
    else:
        session = session_of_workers(memory, folder)
        n_jobs = -1 if n_jobs is None else n_jobs
        backend = WorkersBackend(session, inner, n_jobs, bar)
    if folder is not None:
        session.add_report(Report(folders=(str(folder.path),)))
    with (
        nullcontext() if bar is None else closing(bar),
        joblib.parallel_config(backend=backend),
        hand_fits_to(session),
    ):
        try:
            yield session
        except BaseException as error:
            session.end_running_tasks()
            if isinstance(error, KeyboardInterrupt):
                _leave_fits(session, folder, error)
            raise


def _leave_fits(
    session: Session, folder: CheckpointFolder | None, error: KeyboardInterrupt
) -> None:
    """Leave to the next block what this one has trained, and say so."""
    trainer = session.train
    if isinstance(trainer, TrainOnce) and len(trainer.kept):
        leave(trainer.kept)
        where = "the next fused() of this process" if folder is None else "fused()"
        n = trainer.kept.n_fits
        error.add_note(
            f"skact keeps {n} fit{'s' * (n != 1)}, ended or under way: {where} "
            f"goes on. Run the same search again."
        )


def _check_settings(n_jobs: Any, memory: Any, progress: Any) -> None:
    if n_jobs is not None and (not _is_integer(n_jobs) or n_jobs == 0):
        raise ValueError(
            f"n_jobs must be None or an integer other than 0, got {n_jobs!r}."
        )
    if memory is not None and (not _is_integer(memory) or memory < 1):
        raise ValueError(
            f"memory must be None or a positive integer, in bytes, got {memory!r}."
        )
    if not isinstance(progress, bool):
        raise ValueError(f"progress must be True or False, got {progress!r}.")


def _check_checkpoint(folder: Any, seconds: Any) -> CheckpointFolder | None:
    if (
        not isinstance(seconds, Real)
        or isinstance(seconds, bool)
        or not float(seconds) >= 0
    ):
        raise ValueError(
            f"checkpoint_seconds must be a number of at least 0, got {seconds!r}."
        )
    if folder is None:
        return None
    if not isinstance(folder, str | os.PathLike) or not str(folder):
        raise ValueError(f"checkpoint must be None or a folder, got {folder!r}.")
    path = Path(folder).absolute()
    if path.exists() and not path.is_dir():
        raise ValueError(f"checkpoint must be a folder, got the file {str(path)!r}.")
    if importlib.util.find_spec("safetensors") is None:
        raise ImportError(
            "checkpoint= needs safetensors, which is not installed: "
            'pip install "skact[checkpoint]".'
        )
    return CheckpointFolder(path, float(seconds))


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_inner(inner: Any) -> None:
    """Raise unless `inner` is a joblib backend with worker processes that can start."""
    allowed = (
        "inner must be None or the name of a joblib backend with worker processes, "
        "such as 'loky' or 'dask'"
    )
    if not isinstance(inner, str):
        raise ValueError(f"{allowed}, got {inner!r}.")
    if inner == "multiprocessing":
        raise ValueError(f"{allowed}, got {inner!r}, which forks: torch may hang.")
    if inner == "dask" and importlib.util.find_spec("distributed") is None:
        raise ImportError(
            "inner='dask' needs the package distributed, which is not installed: "
            'pip install "skact[dask]".'
        )
    try:
        backend = find_backend(inner)
    except ValueError as error:
        if inner == "dask":
            raise ValueError(
                "inner='dask' needs a Dask client: create one before, with "
                "client = dask.distributed.Client(...)."
            ) from error
        raise ValueError(f"{allowed}, got {inner!r}. {error}.") from error
    if getattr(backend, "uses_threads", False):
        raise ValueError(
            f"{allowed}, got {inner!r}, which has none: inner=None trains in several "
            f"processes by itself."
        )
