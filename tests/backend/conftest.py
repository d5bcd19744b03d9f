"""A stand-in for the engine, and an estimator that it trains."""

import contextlib
import decimal
import importlib.util
import io
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
import torch
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, cross_validate
from torch.utils import _python_dispatch

from skact.backend.joblib_backends import FusingBackend
from skact.backend.session import Session
from skact.engine.current_trainer import current_trainer, hand_fits_to, note_failure
from skact.engine.jobs import EpochRecord, FitJob, Outcome, Seeds, StackReport, Training
from skact.engine.plan import padded_rows


class Engine:
    """Stands in for the engine: a job's module is the estimator, its weights a mean."""

    def __init__(self):
        self.sizes = []  # of the calls of train
        self.error = None  # to be raised by the next call
        self.seconds = 0.0

    def __call__(self, jobs, *, outcomes, stacks, n_threads=None, progress=None):
        self.sizes.append(len(jobs))
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        time.sleep(self.seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            self.train_one(job, outcome)
        if progress is not None:
            progress(sum(job.n_epochs for job in jobs))
        stacks.append(StackReport(len(jobs), self.seconds, {"kind": "toys"}))
        return Training(outcomes, stacks)

    def train_one(self, job, outcome):
        net, outcome.seconds = job.module, self.seconds
        outcome.error = ValueError("lane diverged") if net.fail == "train" else None
        net.center_ = job.X.mean(0)
        record = EpochRecord(0.5, [0.5], [1.0], [len(job.X)], 0.1)
        for _ in range(job.n_epochs if job.hooks else 0):
            try:
                job.hooks.epoch_begin()
                if job.hooks.epoch_end(record):
                    break
            except Exception as error:
                outcome.error = error
                break


def state():
    """All that tasks share, because they run in one thread."""
    return {
        "backend": type(get_active_backend()[0]),
        "config": sklearn.get_config(),
        "filters": list(warnings.filters),
        "errstate": np.geterr(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "autocast dtype": torch.get_autocast_dtype("cpu"),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "device": torch.get_default_device(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fills": torch.utils.deterministic.fill_uninitialized_memory,
        "anomaly": torch.is_anomaly_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "modes": len(torch.overrides._get_current_function_mode_stack()),
        "dispatch modes": len(_python_dispatch._get_current_dispatch_mode_stack()),
        "decimal": decimal.getcontext().prec,
        "streams": (sys.stdout, sys.stderr),
    }


class LookingOn(_python_dispatch.TorchDispatchMode):
    """Stands in for what looks on at the operations of torch."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


class Mode(torch.overrides.TorchFunctionMode):
    """Stands in for what looks on at the calls of torch."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


@contextlib.contextmanager
def torch_settings(a):
    """Settings of torch that have no block of their own, and hold in the process."""
    memory = torch.utils.deterministic

    def apply(dtype, threads, precision, deterministic, warns, fills, mkldnn):
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        memory.fill_uninitialized_memory = fills
        torch.backends.mkldnn.enabled = mkldnn

    before = (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        memory.fill_uninitialized_memory,
        torch.backends.mkldnn.enabled,
    )
    dtype, precision = [(torch.float32, "highest"), (torch.float64, "high")][a % 2]
    apply(dtype, 1 + a % 3, precision, a % 3 == 0, *[a % 2 == 0] * 3)
    try:
        yield
    finally:
        apply(*before)


@contextlib.contextmanager
def peculiar_state(a):
    """A state that differs from task to task."""
    with (
        warnings.catch_warnings(),
        sklearn.config_context(assume_finite=bool(a % 2)),
        np.errstate(divide="raise" if a % 2 else "ignore"),
        torch.inference_mode(a % 3 == 0),
        torch.set_grad_enabled(a % 3 == 1),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=a % 2 == 0),
        joblib.parallel_config(backend="sequential" if a % 2 else "threading"),
        torch_settings(a),
        torch.autograd.set_detect_anomaly(a % 2 == 0),
        torch.device("meta") if a % 2 else contextlib.nullcontext(),
        Mode() if a % 3 else contextlib.nullcontext(),
        LookingOn() if a % 4 > 1 else contextlib.nullcontext(),
        decimal.localcontext(prec=5 + a),
        contextlib.redirect_stdout(io.StringIO() if a % 2 else sys.stdout),
        contextlib.redirect_stderr(io.StringIO() if a % 3 else sys.stderr),
    ):
        warnings.filterwarnings("ignore", message=f"of {a}")
        yield


class Toy(ClassifierMixin, BaseEstimator):
    """Predicts by the side of the mean; checks that its state survives parking."""

    def __init__(self, a=1, fail=False, hooks=None, epochs=2, served=True):
        self.a, self.fail, self.hooks = a, fail, hooks
        self.epochs, self.served = epochs, served

    def parameters(self):
        return []  # a network without weights: only its rows need memory

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        with note_failure(in_training=False):
            if self.fail is True:
                raise ValueError("before parking")
            if isinstance(self.fail, type):
                raise self.fail
        with note_failure(in_training=True):
            return self.train(X, y)

    def train(self, X, y):
        hooks = self.hooks(self) if self.hooks else None
        outcome = Outcome()
        job = FitJob(
            X=np.asarray(X),
            targets=y,
            sample_weight=None,
            seeds=Seeds(0, 0, 0, 0),
            n_epochs=self.epochs,
            first_epoch=0,
            batch_size=-1,
            shuffle=True,
            loss="cross_entropy",
            module=self,
            optimizer=None,
            hooks=hooks,
        )
        trainer = current_trainer()
        if not self.served:
            if trainer is not None:
                trainer.note_not_fused("optimizer LBFGS has no stacked form")
            Engine().train_one(job, outcome)
            return self
        with peculiar_state(self.a):
            before = self.state_ = state()
            (trainer.fit if trainer else Engine().train_one)(job, outcome)
            assert state() == before, "state leaked between tasks"
        if outcome.error is not None:
            raise outcome.error
        return self

    def decision_function(self, X):
        side = np.asarray(X) @ (self.center_ + self.a)
        if len(self.classes_) == 2:
            return side
        return np.stack([side * k for k in range(len(self.classes_))], axis=1)

    def predict(self, X):
        side = np.asarray(X) @ (self.center_ + self.a) > 0
        return self.classes_[np.where(side, 0, -1)]


class HourEngine:
    """A stand-in whose training takes an hour, of which one fit's share is small."""

    def __init__(self, engine, monkeypatch):
        self.engine, self.hours = engine, 0
        for name in ("time", "perf_counter"):
            clock = getattr(time, name)
            monkeypatch.setattr(
                time, name, lambda clock=clock: clock() + 3600 * self.hours
            )

    def __call__(self, jobs, **kwargs):
        training = self.engine(jobs, **kwargs)
        self.hours += 1
        return training


def nested_search(data, **toy):
    inner = GridSearchCV(Toy(**toy), {"a": [1, 2, 3]}, cv=3)
    return lambda: cross_validate(inner, *data, cv=2)


def flat_search(data, **toy):
    search = GridSearchCV(Toy(**toy), {"a": [1, 2, 3]}, cv=3)
    return lambda: search.fit(*data)


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def hour_engine(engine, monkeypatch):
    """An engine that moves the clock by an hour in each call."""
    return HourEngine(engine, monkeypatch)


@pytest.fixture(name="Toy")
def class_of_toys():
    """The estimator that the stand-in trains."""
    return Toy


@pytest.fixture(params=[flat_search, nested_search])
def search(request):
    """A function that makes a search: `search(data, **parameters_of_the_toy)()`."""
    return request.param


@pytest.fixture(name="bytes_of_toy")
def bytes_of_a_task_with_a_toy():
    return bytes_of_toy


@pytest.fixture(name="nested_search")
def nested_search_of_toys():
    return nested_search


@pytest.fixture(name="state")
def state_of_thread():
    """The function that returns all that tasks share."""
    return state


@pytest.fixture(name="peculiar_state")
def state_of_task():
    """The context manager with a state that differs from task to task."""
    return peculiar_state


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, np.arange(60) % 3


@pytest.fixture
def session(engine, data):
    """A session that trains with the stand-in, behind the backend."""
    session, before = Session(engine), state()
    with joblib.parallel_config(backend=FusingBackend(session)), hand_fits_to(session):
        inside = state()
        yield session
        assert state() == inside
    assert state() == before
    assert_nothing_is_left(session, engine, data)


def bytes_of_toy(n_rows):
    """What a task with a toy holds: X twice, y, the rows' order, and one batch."""
    row_of_X = 4 * 8
    return n_rows * (2 * row_of_X + 8 + 32) + padded_rows(n_rows) * row_of_X


def assert_nothing_is_left(session, engine, data):
    """A session that has ended its work can work again, on new tasks only.

    A task that had not ended would be trained along, or take its room in memory. All is
    done in this thread: greenlets of a thread that ends may hang under coverage.
    """
    X, y = data
    n_tasks, n_waves = session.report.tasks, len(engine.sizes)
    session.memory = 2 * bytes_of_toy(len(X))  # two tasks

    def fit_two():
        with joblib.parallel_config(backend=FusingBackend(session)):
            fits = (joblib.delayed(Toy(a).fit)(X, y) for a in range(2))
            return joblib.Parallel()(fits)

    assert len(fit_two()) == 2
    assert engine.sizes[n_waves:] == [2]
    assert session.report.tasks == n_tasks + 2


_spec = importlib.util.spec_from_file_location(
    "conftest_of_engine", Path(__file__).parents[1] / "engine" / "conftest.py"
)
_of_engine = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_of_engine)
make_job = _of_engine.make_job  # a fixture
