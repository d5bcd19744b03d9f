"""Two joblib backends: one fuses in this process, one sends tasks to workers.

The protocol of a backend is documented by joblib as experimental. No other module of
skact uses it, `tests/test_seams.py` tries it, and `pyproject.toml` caps the version.
"""

import multiprocessing
import pickle
import traceback
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from typing import Any

import joblib
from joblib.parallel import (
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
    ThreadingBackend,
    get_active_backend,
)

from skact.backend.engine_helpers import TrainWithWorkers
from skact.backend.progress import ProgressBar
from skact.backend.report import Report
from skact.backend.session import Session, Train
from skact.backend.tasks import Group, ParallelCall, Task
from skact.backend.waiting_memory import default_memory
from skact.backend.worker_messages import (
    SentMessage,
    collect_messages,
    deliver_messages,
)
from skact.engine.current_trainer import current_trainer
from skact.engine.jobs import Progress
from skact.engine.train import train
from skact.resuming.checkpoint_folder import CheckpointFolder
from skact.resuming.kept_fits import KeptFits, take_left
from skact.resuming.train_once import TrainOnce

# The number of jobs that the backends claim to run at once. joblib submits twice this
# number of tasks at once, and only submitted tasks can wait for each other. The number
# must be above 1, even if the user asks for 1: joblib does not use the backend for one
# job. The number must not be huge: some functions of scikit-learn cut their work into
# so many parts.
_CLAIMED_N_JOBS = 256

# what joblib passes to `configure` of all backends, for worker processes
_OPTIONS_OF_PROCESSES = {"max_nbytes", "temp_folder", "mmap_mode", "verbose", "context"}

_NOT_ASKED = object()
# what joblib takes for n_jobs=None. Where calls are passed on to threads, it means one
# thread: so many below all cores
_NO_N_JOBS = -(2**20)


def count_processes(n_jobs: int | None) -> int:
    """Return how many processes may train: for None all cores, in a worker one.

    There are never more than cores: each of them computes all the time.
    """
    if n_jobs is None:
        return 1 if multiprocessing.parent_process() else count_cores()
    return min(count_threads(n_jobs), count_cores())


def count_cores() -> int:
    """Return how many cores this process may use."""
    return joblib.cpu_count()


def count_threads(n_jobs: int) -> int:
    """Return how many threads joblib would start for `n_jobs`."""
    return ThreadingBackend().effective_n_jobs(n_jobs)


def find_backend(name: str) -> ParallelBackendBase:
    """Return an instance of a backend; raise ValueError if joblib has none."""
    with joblib.parallel_config(backend=name):
        backend, _ = get_active_backend()
    return backend


class SkactBackend(ParallelBackendBase):
    """The base of skact's backends: accepts tasks and returns their results."""

    default_n_jobs = _NO_N_JOBS
    supports_retrieve_callback = True  # return_as="generator" needs it, too
    supports_timeout = False
    uses_threads = True
    supports_sharedmem = True

    def __init__(self, nesting_level: int | None = None) -> None:
        super().__init__(nesting_level=nesting_level)
        self.group = Group()
        self.parallel_call = ParallelCall()
        # the argument of `effective_n_jobs`, until the next call of Parallel
        self._asked_n_jobs: Any = _NOT_ASKED

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **kwargs: Any,
    ) -> int:
        """Return the number of tasks at once; pass calls that want threads to threads.

        Forests and neighbours want threads. Some of these estimators first call
        `effective_n_jobs`, and pass the result, which skact only claims, as `n_jobs`.
        Then `configure` uses the argument of that first call.
        """
        asked, self._asked_n_jobs = self._asked_n_jobs, _NOT_ASKED
        if prefer == "threads" or require == "sharedmem":
            if asked is not _NOT_ASKED and n_jobs > joblib.cpu_count():
                n_jobs = parallel.n_jobs = min(count_threads(asked), n_jobs)
            backend = SequentialBackend if n_jobs == 1 else ThreadingBackend
            raise FallbackToBackend(backend(nesting_level=self.nesting_level))
        unknown = sorted(kwargs.keys() - _OPTIONS_OF_PROCESSES)
        if unknown:
            raise TypeError(
                f"joblib.Parallel got the option {unknown[0]!r}, which the backend "
                f"'skact' does not have: fused() has n_jobs, inner, memory, progress."
            )
        if getattr(parallel, "timeout", None) is not None:
            raise ValueError(
                f"joblib.Parallel got timeout={parallel.timeout!r}, which the backend "
                f"'skact' cannot heed: tasks wait for each other and train together. "
                f"Leave timeout out, or make this call outside of the block."
            )
        return self._claim_n_jobs(n_jobs)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return the number of jobs that the backend claims to run at once."""
        self._asked_n_jobs = n_jobs
        return self._claim_n_jobs(n_jobs)

    def _claim_n_jobs(self, n_jobs: int | None) -> int:
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return _CLAIMED_N_JOBS

    def start_call(self) -> None:
        """Begin a call of Parallel."""
        self._asked_n_jobs = _NOT_ASKED
        self.parallel_call = ParallelCall()

    def submit(self, func: Callable, callback: Callable) -> Task:
        """Queue a task. Parallel holds its lock now, so no task may run yet."""
        task = Task(
            func,
            self.group,
            self.parallel_call,
            callback=partial(self._tell_joblib, callback),
            level=self.nesting_level or 0,
        )
        self._queue_task(task)
        return task

    @abstractmethod
    def _queue_task(self, task: Task) -> None:
        """Keep a task until it may run."""

    def _tell_joblib(self, callback: Callable, task: Task) -> None:
        """Tell joblib that a task has ended; joblib submits more tasks of that call."""
        self.parallel_call, before = task.parallel_call, self.parallel_call
        try:
            callback(task)
        finally:
            self.parallel_call = before

    def retrieve_result_callback(self, task: Task) -> Any:
        """Return a task's result or raise its error."""
        if task.error is None:
            return task.result
        _note_traceback(task.error)  # joblib drops the traceback
        raise task.error


def _note_traceback(error: Exception) -> None:
    """Add the traceback of an error to its notes."""
    frames = traceback.format_tb(error.__traceback__)
    if frames:  # an error from a worker has none: the worker has added the note
        error.add_note("In a task of joblib:\n" + "".join(frames))


def session_here(
    memory: int | None = None,
    folder: CheckpointFolder | None = None,
    **options: Any,
) -> Session:
    """Return a session that trains in this process and in the engine's workers.

    Parameters
    ----------
    memory : int or None, default=None
        As of `Session`; a quarter of it may be filled with fits that have ended.
    folder : CheckpointFolder or None, default=None
        Keeps fits for other processes, too.
    **options
        Of `Session`.

    Returns
    -------
    Session
    """
    kept = take_left((default_memory() if memory is None else memory) // 4)
    return Session(TrainOnce(TrainWithWorkers(), kept, folder), memory, **options)


def session_of_workers(memory: int | None, folder: CheckpointFolder | None) -> Session:
    """Return a session whose tasks go to workers of joblib, which train."""
    kept = KeptFits((default_memory() if memory is None else memory) // 4)
    return Session(TrainOnce(train, kept, folder), memory)


class FusingBackend(SkactBackend):
    """Runs tasks in greenlets of this thread, and fuses the fits in them.

    Parameters
    ----------
    session : Session, default=None
        The session that fuses; None: the session of the task or block in which the
        backend is used, or a new session.
    nesting_level : int, default=None
        As in joblib.
    """

    def __init__(
        self,
        session: Session | None = None,
        nesting_level: int | None = None,
    ) -> None:
        super().__init__(nesting_level=nesting_level)
        self._session = session

    def __reduce__(self) -> tuple:
        # joblib pickles the backend with each batch of tasks: in the worker process the
        # copy uses the session of the worker
        return type(self), (None, self.nesting_level)

    @property
    def session(self) -> Session:
        """The session that fuses."""
        if self._session is None:
            trainer = current_trainer()
            if isinstance(trainer, Session) and trainer.thread_id == get_ident():
                self._session = trainer
            else:
                self._session = session_here(n_processes=count_processes(None))
        return self._session

    def configure(self, n_jobs: int = 1, *args: Any, **kwargs: Any) -> int:
        """Note how many processes the outermost call asks for."""
        claimed = super().configure(n_jobs, *args, **kwargs)
        if not self.nesting_level:
            asked = None if n_jobs == _NO_N_JOBS else count_threads(n_jobs)
            self.session.asked_n_processes = asked
        return claimed

    def get_nested_backend(self) -> tuple[ParallelBackendBase, None]:
        """Return a backend for the calls of Parallel in one task."""
        level = (self.nesting_level or 0) + 1
        return FusingBackend(self.session, nesting_level=level), None

    def _queue_task(self, task: Task) -> None:
        self.session.submit(task)

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Run all tasks; then joblib collects the results."""
        self.session.wait(self.group)
        yield

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all tasks of this backend."""
        self.session.cancel(self.group.unfinished)


class WorkersBackend(SkactBackend):
    """Sends tasks to workers of another backend; each worker fuses its tasks.

    Parameters
    ----------
    session : Session
        The session that gets the reports of the workers.
    inner : str
        Name of a backend of joblib.
    n_jobs : int
        Number of workers, as in joblib.
    progress : ProgressBar, default=None
        Counts the tasks.
    nesting_level : int, default=None
        As in joblib.
    """

    def __init__(
        self,
        session: Session,
        inner: str,
        n_jobs: int,
        progress: ProgressBar | None = None,
        nesting_level: int | None = None,
    ) -> None:
        super().__init__(nesting_level=nesting_level)
        self.session, self.inner, self.n_jobs = session, inner, n_jobs
        self.progress = progress
        self._unfinished: list[Task] = []

    def get_nested_backend(self) -> tuple[ParallelBackendBase, None]:
        """Return a backend for the calls of Parallel in one task, in any process."""
        return FusingBackend(nesting_level=(self.nesting_level or 0) + 1), None

    def _queue_task(self, task: Task) -> None:
        self._unfinished.append(task)

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Have tasks run by workers until joblib submits no more."""
        while self._unfinished:
            tasks = list(self._unfinished)
            if self.progress is None:
                self._run_in_workers(tasks, lambda n: None)
            else:
                with self.progress.count_work(len(tasks)) as advance:
                    self._run_in_workers(tasks, advance)
            del self._unfinished[: len(tasks)]
            for task in tasks:
                task.callback(task)  # joblib submits its next tasks now, or cancels all
        yield

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all tasks of this backend."""
        tasks, self._unfinished = self._unfinished, []
        self.session.add_report(Report(cancelled=len(tasks)))
        for task in tasks:
            task.mark_cancelled()
            task.callback(task)

    def _run_in_workers(self, tasks: list[Task], advance: Progress) -> None:
        with joblib.parallel_config(backend=self.inner, n_jobs=self.n_jobs):
            inner, _ = get_active_backend()
            n_workers = joblib.effective_n_jobs(self.n_jobs)
            if self.n_jobs > 0:  # Dask always counts all its workers
                n_workers = min(n_workers, self.n_jobs)
            # neighbours in a grid take about the same time, so neighbours go to
            # different workers
            pieces = [tasks[i::n_workers] for i in range(min(n_workers, len(tasks)))]
            memory = max(self.session.memory // len(pieces), 1)
            is_unordered = inner.supports_return_generator
            finished_pieces = joblib.Parallel(
                batch_size=1,
                pre_dispatch="all",
                return_as="generator_unordered" if is_unordered else "list",
            )(
                joblib.delayed(run_piece)(
                    number, [task.func for task in piece], self.session.train, memory
                )
                for number, piece in enumerate(pieces)
            )
            for number, ends, report, messages in finished_pieces:
                deliver_messages(messages)
                self.session.add_report(report + Report(pieces=1))
                for task, end in zip(pieces[number], ends, strict=True):
                    task.result, task.error = end
                advance(len(ends))


def run_piece(
    number: int, funcs: Sequence[Callable[[], Any]], train: Train, memory: int
) -> tuple[int, list[tuple[Any, Exception | None]], Report, list[SentMessage]]:
    """Run tasks in a worker, fused.

    A task that fails does not disturb the others. The function changes nothing outside
    itself: if a worker dies, another worker can run the same tasks again.

    Returns
    -------
    tuple
        The number; the result and the error of each task; the report; and the messages
        that the tasks sent.
    """
    session, group = Session(train, memory), Group()
    tasks = [Task(func, group, ParallelCall()) for func in funcs]
    with collect_messages() as messages:
        for task in tasks:
            session.submit(task)
        session.wait(group)
    ends = [(task.result, _make_picklable(task.error)) for task in tasks]
    return number, ends, session.report, messages


def _make_picklable(error: Exception | None) -> Exception | None:
    """Note the traceback, which cannot be pickled, and replace an error that cannot."""
    if error is None:
        return None
    _note_traceback(error)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
