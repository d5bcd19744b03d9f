"""Two backends for joblib: one fuses in this process, one sends tasks to workers."""

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

from skact.backend.progress import ProgressBar
from skact.backend.report import Report
from skact.backend.session import Session, Train
from skact.backend.tasks import Call, Group, Task
from skact.backend.worker_messages import Letter, collecting, deliver
from skact.engine.current_trainer import current_trainer
from skact.engine.jobs import Progress
from skact.engine.train import train

# The number of jobs we claim. joblib starts twice as many tasks at once, so it is how
# many fits can wait for each other. It must be more than 1, even if the user said 1, or
# joblib would go around the backend; and not huge, because some functions of
# scikit-learn cut their work into as many slices.
_WINDOW = 256

_NOT_ASKED = object()


class SkactBackend(ParallelBackendBase):
    """What the backends of skact share: who comes here, and how results go back."""

    default_n_jobs = 1  # for those that are handed on to threads
    supports_retrieve_callback = True  # also needed for return_as="generator"
    supports_timeout = False
    uses_threads = True
    supports_sharedmem = True

    def __init__(self, nesting_level: int | None = None, **kwargs: Any) -> None:
        super().__init__(nesting_level=nesting_level, **kwargs)
        self.group = Group()
        self.call = Call()
        self._asked: Any = _NOT_ASKED

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **kwargs: Any,
    ) -> int:
        """Return the number of tasks at once; hand those that want threads to threads.

        Forests and neighbours want real threads. Some of them have asked before how
        many jobs there are, and now come with our window cut down to their own number:
        then what they had asked for counts.
        """
        asked, self._asked = self._asked, _NOT_ASKED
        if prefer == "threads" or require == "sharedmem":
            if asked is not _NOT_ASKED and n_jobs > joblib.cpu_count():
                threads = ThreadingBackend().effective_n_jobs(asked)
                n_jobs = parallel.n_jobs = min(threads, n_jobs)
            kind = SequentialBackend if n_jobs == 1 else ThreadingBackend
            raise FallbackToBackend(kind(nesting_level=self.nesting_level))
        return self._window(n_jobs)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks can wait for each other."""
        self._asked = n_jobs
        return self._window(n_jobs)

    def _window(self, n_jobs: int | None) -> int:
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return _WINDOW

    def start_call(self) -> None:
        """Begin a call of Parallel."""
        self._asked = _NOT_ASKED
        self.call = Call()

    def submit(self, func: Callable, callback: Callable) -> Task:
        """Queue a task. Parallel is locked now, so nothing may run yet."""
        task = Task(
            func,
            self.group,
            self.call,
            callback=partial(self._tell, callback),
            level=self.nesting_level or 0,
        )
        self._queue(task)
        return task

    @abstractmethod
    def _queue(self, task: Task) -> None:
        """Keep a task until it may run."""

    def _tell(self, callback: Callable, task: Task) -> None:
        """Tell joblib that a task has ended; it submits the next ones of that call."""
        self.call, before = task.call, self.call
        try:
            callback(task)
        finally:
            self.call = before

    def retrieve_result_callback(self, task: Task) -> Any:
        """Return a task's result or raise its error."""
        if task.error is None:
            return task.result
        _note_traceback(task.error)  # joblib drops it
        raise task.error


def _note_traceback(error: Exception) -> None:
    frames = traceback.format_tb(error.__traceback__)
    if frames:  # none, if the error comes from a worker, where it was noted
        error.add_note("In a task of joblib:\n" + "".join(frames))


class FusingBackend(SkactBackend):
    """Runs tasks in greenlets of this thread, and fuses the fits in them.

    Parameters
    ----------
    session : Session, default=None
        Who fuses; None: the session in whose task or block the backend is used, or a
        new one.
    nesting_level : int, default=None
        As in joblib.
    """

    def __init__(
        self,
        session: Session | None = None,
        nesting_level: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, **kwargs)
        self._session = session

    def __reduce__(self) -> tuple:
        # it travels to worker processes with each batch, and joins the session there
        return type(self), (None, self.nesting_level)

    @property
    def session(self) -> Session:
        """Who fuses."""
        if self._session is None:
            trainer = current_trainer()
            if isinstance(trainer, Session) and trainer.thread == get_ident():
                self._session = trainer
            else:
                self._session = Session(train)
        return self._session

    def get_nested_backend(self) -> tuple[ParallelBackendBase, None]:
        """Return a backend for the Parallels in one task."""
        level = (self.nesting_level or 0) + 1
        return FusingBackend(self.session, nesting_level=level), None

    def _queue(self, task: Task) -> None:
        self.session.submit(task)

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Run the tasks; joblib only collects the results after that."""
        self.session.wait(self.group)
        yield

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all tasks of this backend."""
        self.session.cancel(self.group.open)


class WorkersBackend(SkactBackend):
    """Cuts tasks into pieces for the workers of another backend, which fuse them.

    Parameters
    ----------
    session : Session
        Gets the reports of the workers.
    inner : str
        Name of a backend of joblib.
    n_jobs : int
        How many workers to use, as in joblib.
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
        **kwargs: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, **kwargs)
        self.session, self.inner, self.n_jobs = session, inner, n_jobs
        self.progress = progress
        self._unfinished: list[Task] = []

    def get_nested_backend(self) -> tuple[ParallelBackendBase, None]:
        """Return a backend for the Parallels in one task, wherever it runs."""
        return FusingBackend(nesting_level=(self.nesting_level or 0) + 1), None

    def _queue(self, task: Task) -> None:
        self._unfinished.append(task)

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Send tasks away until there are no more."""
        while self._unfinished:
            tasks = list(self._unfinished)
            if self.progress is None:
                self._send(tasks, lambda n: None)
            else:
                with self.progress.work(len(tasks)) as advance:
                    self._send(tasks, advance)
            del self._unfinished[: len(tasks)]
            for task in tasks:
                task.callback(task)  # joblib submits the next ones now, or gives up
        yield

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all tasks of this backend."""
        tasks, self._unfinished = self._unfinished, []
        for task in tasks:
            task.give_up()
            task.callback(task)

    def _send(self, tasks: list[Task], advance: Progress) -> None:
        """Have tasks done by the workers."""
        with joblib.parallel_config(backend=self.inner, n_jobs=self.n_jobs):
            inner, _ = get_active_backend()
            n_workers = joblib.effective_n_jobs(self.n_jobs)
            if self.n_jobs > 0:  # Dask always names all it has
                n_workers = min(n_workers, self.n_jobs)
            # dealt like cards: neighbours in a grid cost alike
            pieces = [tasks[i::n_workers] for i in range(min(n_workers, len(tasks)))]
            memory = max(self.session.memory // len(pieces), 1)
            as_they_come = inner.supports_return_generator
            home = joblib.Parallel(
                batch_size=1,
                pre_dispatch="all",
                return_as="generator_unordered" if as_they_come else "list",
            )(
                joblib.delayed(run_piece)(
                    number, [task.func for task in piece], self.session.train, memory
                )
                for number, piece in enumerate(pieces)
            )
            for number, ends, report, letters in home:
                deliver(letters)
                self.session.report += report + Report(pieces=1)
                for task, end in zip(pieces[number], ends, strict=True):
                    task.result, task.error = end
                advance(len(ends))


def run_piece(
    number: int, funcs: Sequence[Callable[[], Any]], train: Train, memory: int
) -> tuple[int, list[tuple[Any, Exception | None]], Report, list[Letter]]:
    """Run tasks in a worker, fused.

    Return the number, what came of each task, the report, and what was posted.

    A task that fails does not disturb the others. Nothing outside is changed, so a
    worker that dies can be replaced by another one.
    """
    session, group = Session(train, memory), Group()
    tasks = [Task(func, group, Call()) for func in funcs]
    with collecting() as letters:
        for task in tasks:
            session.submit(task)
        session.wait(group)
    ends = [(task.result, _portable(task.error)) for task in tasks]
    return number, ends, session.report, letters


def _portable(error: Exception | None) -> Exception | None:
    """Make an error fit to travel: tracebacks, and some errors, cannot be pickled."""
    if error is None:
        return None
    _note_traceback(error)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
