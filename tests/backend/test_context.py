"""The joblib backend: unmodified scikit-learn, fused, and everything left as it was."""

import contextlib
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import greenlet
import joblib
import numpy as np
import pytest
import sklearn
import torch
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact.backend.context import fused
from skact.backend.joblib_backends import FusingBackend
from skact.backend.report import Report
from skact.backend.session import Session, default_memory
from skact.backend.tasks import Pause, correct_times
from skact.engine.current_trainer import current_trainer, trained_by
from skact.engine.jobs import EpochRecord, FitJob, Outcome, Seeds, StackReport, Training

SEEDS = Seeds(0, 0, 0, 0)


class Engine:
    """Stands in for the engine: a job's module is the estimator, its weights a mean."""

    def __init__(self):
        self.sizes = []  # of the calls of train
        self.error = None  # to be raised by the next call
        self.seconds = 0.0

    def __call__(self, jobs, *, outcomes, n_threads=None, progress=None):
        self.sizes.append(len(jobs))
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        time.sleep(self.seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            self.train_one(job, outcome)
        if progress is not None:
            progress(sum(job.n_epochs for job in jobs))
        stack = StackReport(len(jobs), self.seconds, "toys")
        return Training(outcomes, [stack])

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
    return (
        type(get_active_backend()[0]),
        sklearn.get_config(),
        list(warnings.filters),
        np.geterr(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
    )


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
    ):
        warnings.filterwarnings("ignore", message=f"of {a}")
        yield


class Toy(ClassifierMixin, BaseEstimator):
    """Predicts by the side of the mean; checks that its state survives parking."""

    def __init__(self, a=1, fail=False, hooks=None, epochs=2, served=True):
        self.a, self.fail, self.hooks = a, fail, hooks
        self.epochs, self.served = epochs, served

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.fail is True:
            raise ValueError("before parking")
        if isinstance(self.fail, type):
            raise self.fail
        hooks = self.hooks(self) if self.hooks else None
        outcome = Outcome()
        job = FitJob(
            X=np.asarray(X),
            targets=y,
            sample_weight=None,
            seeds=SEEDS,
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
                trainer.not_served("optimizer LBFGS has no stacked form")
            Engine().train_one(job, outcome)
            return self
        with peculiar_state(self.a):
            before = state()
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


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def session(engine):
    """A session that trains with the stand-in, behind the backend."""
    session, before = Session(engine), state()
    with joblib.parallel_config(backend=FusingBackend(session)), trained_by(session):
        inside = state()
        yield session
        assert state() == inside
    assert state() == before
    assert not session._parked
    assert not session._awake
    assert not session._unstarted
    assert not session._started
    assert session._hub is None


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, np.arange(60) % 3


PIPE = make_pipeline(StandardScaler(), Toy())


# ---------------------------------------------------------------- what is fused


def same(a, b):
    """Equal in every key but the times."""
    assert a.keys() == b.keys()
    for key in a:
        if "time" not in key:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_a_grid_search_is_one_wave_and_gives_the_same_results(
    session, engine, data, n_jobs
):
    search = GridSearchCV(PIPE, {"toy__a": range(12)}, cv=5, n_jobs=n_jobs)
    search.fit(*data)
    assert engine.sizes == [60, 1]  # the refit is outside any Parallel
    with joblib.parallel_config(backend="sequential"), trained_by(None):
        alone = clone(search).fit(*data)
    same(search.cv_results_, alone.cv_results_)
    assert search.best_params_ == alone.best_params_


def halving(X, y):
    toys = HalvingGridSearchCV(
        Toy(), {"a": range(8)}, cv=3, refit=False, random_state=0
    )
    return toys.fit(X, y).cv_results_["mean_test_score"]


def stacking(X, y):
    toys = [("a", Toy()), ("b", Toy(2))]
    return StackingClassifier(toys, final_estimator=Toy(), cv=3).fit(X, y).predict(X)


CASES = {
    "randomized": (
        lambda X, y: (
            RandomizedSearchCV(
                Toy(), {"a": range(9)}, n_iter=4, cv=3, refit=False, random_state=0
            )
            .fit(X, y)
            .cv_results_["mean_test_score"]
        ),
        [12],
    ),
    "halving": (halving, [24, 9]),
    "cross_validate": (
        lambda X, y: cross_validate(Toy(), X, y, cv=4)["test_score"],
        [4],
    ),
    "cross_val_score": (lambda X, y: cross_val_score(PIPE, X, y, cv=5), [5]),
    "cross_val_predict": (lambda X, y: cross_val_predict(PIPE, X, y, cv=5), [5]),
    "learning_curve": (
        lambda X, y: learning_curve(Toy(), X, y, cv=3, train_sizes=[0.3, 0.6, 1.0])[2],
        [9],
    ),
    "validation_curve": (
        lambda X, y: validation_curve(
            Toy(), X, y, param_name="a", param_range=[0, 1, 2], cv=3
        )[1],
        [9],
    ),
    "bagging": (
        lambda X, y: (
            BaggingClassifier(Toy(), n_estimators=10, random_state=0)
            .fit(X, y)
            .predict(X)
        ),
        [10],
    ),
    "one-vs-rest": (lambda X, y: OneVsRestClassifier(Toy()).fit(X, y).predict(X), [3]),
    "stacking": (stacking, [2, 6, 1]),  # the last is the final estimator, alone
    "nested": (
        lambda X, y: cross_validate(
            GridSearchCV(Toy(), {"a": [1, 2, 3]}, cv=3, refit=False, scoring=None),
            X,
            y,
            cv=2,
            scoring=lambda search, X, y: search.cv_results_["mean_test_score"][1],
        )["test_score"],
        [18],
    ),
    "nested with refit": (
        lambda X, y: cross_validate(
            GridSearchCV(PIPE, {"toy__a": [1, 2, 3]}, cv=3), X, y, cv=2
        )["test_score"],
        [18, 2],
    ),
    "a grid over the transformer": (
        lambda X, y: (
            GridSearchCV(
                PIPE,
                {
                    "standardscaler": [None, StandardScaler()],
                    "toy__a": [1, 2],
                },
                cv=3,
                refit=False,
            )
            .fit(X, y)
            .cv_results_["mean_test_score"]
        ),
        [12],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_goes_through_joblib_is_fused_and_gives_the_same(
    session, engine, data, name
):
    work, sizes = CASES[name]
    result = work(*data)
    assert engine.sizes == sizes
    with joblib.parallel_config(backend="sequential"), trained_by(None):
        np.testing.assert_array_equal(result, work(*data))


def test_more_tasks_than_joblib_starts_at_once_come_in_waves(session, engine, data):
    search = GridSearchCV(Toy(), {"a": range(520)}, cv=2, refit=False)
    search.fit(*data)
    assert engine.sizes == [512, 512, 16]
    assert session.report.waves == 3
    assert session.report.early_waves == 0


def test_two_searches_in_one_block_are_both_fused(session, engine, data):
    for _ in range(2):
        GridSearchCV(Toy(), {"a": [1, 2]}, cv=3, refit=False).fit(*data)
    assert engine.sizes == [6, 6]


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators_are_fused(session, engine, data, return_as):
    tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(4))
    results = joblib.Parallel(return_as=return_as)(tasks)
    assert sorted(results) == [0, 1, 2, 3]
    assert engine.sizes == [4]


def test_two_generators_may_be_read_in_turns(session, data):
    def numbers(start):
        tasks = (
            joblib.delayed(lambda i: Toy(i).fit(*data).a)(i + start) for i in range(3)
        )
        return joblib.Parallel(return_as="generator")(tasks)

    assert list(zip(numbers(0), numbers(10), strict=True)) == [
        (0, 10),
        (1, 11),
        (2, 12),
    ]


def test_a_generator_may_be_read_after_the_block(engine, data):
    session = Session(engine)
    with joblib.parallel_config(backend=FusingBackend(session)):
        tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(4))
        results = joblib.Parallel(return_as="generator")(tasks)
    assert list(results) == [0, 1, 2, 3]
    assert engine.sizes == [4]


def test_a_generator_may_be_read_inside_a_task(session, engine, data):
    tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(3))
    results = joblib.Parallel(return_as="generator")(tasks)
    (inside,) = joblib.Parallel()([joblib.delayed(list)(results)])
    assert inside == [0, 1, 2]
    assert engine.sizes == [3]


def test_a_generator_that_is_never_read_leaves_nothing_behind(session, data):
    tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(600))
    results = joblib.Parallel(return_as="generator")(tasks)
    with pytest.warns(UserWarning, match="512 tasks .* cancelled"):
        results.close()


def test_the_name_alone_will_do(data):
    with joblib.parallel_config(backend="skact"):
        backend, _ = get_active_backend()
        assert isinstance(backend, FusingBackend)
        cross_val_score(LogisticRegression(), *data)
    assert backend.session.report.tasks == 5
    assert backend.session.report.tasks_without_fit == 5


def test_the_name_inside_a_block_joins_its_session(session, engine, data):
    with joblib.parallel_config(backend="skact"):
        cross_val_score(Toy(), *data)
    assert session.report.n_fused == 5


# ---------------------------------------------------------------- what is not ours


def test_estimators_of_others_give_the_same_and_train_nothing(session, engine, data):
    def work():
        forest = RandomForestClassifier(5, n_jobs=2, random_state=0)
        # no refit: threads of scikit-learn disturb the filters of warnings
        grid = GridSearchCV(forest, {"max_depth": [2, 3]}, cv=2, refit=False)
        near = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3]}, cv=2)
        return grid.fit(*data).cv_results_, near.fit(*data).cv_results_

    results = work()
    assert engine.sizes == []
    assert session.report.tasks_without_fit == session.report.tasks == 8
    with joblib.parallel_config(backend="sequential"):
        for fused_results, alone in zip(results, work(), strict=True):
            same(fused_results, alone)


def kind_of_backend():
    return type(get_active_backend()[0]).__name__, threading.get_ident()


@pytest.mark.parametrize("hint", [{"prefer": "threads"}, {"require": "sharedmem"}])
def test_those_that_want_threads_get_as_many_as_they_ask_for(session, hint):
    with joblib.Parallel(n_jobs=3, **hint) as parallel:
        assert parallel._backend.effective_n_jobs(parallel.n_jobs) == 3
        parallel(joblib.delayed(time.sleep)(0.001) for _ in range(6))
    with joblib.Parallel(**hint) as parallel:  # None means 1
        assert parallel._backend.effective_n_jobs(parallel.n_jobs) == 1


@pytest.mark.parametrize(("asked", "threads"), [(None, 1), (3, 3), (-1, None)])
def test_our_window_is_not_taken_for_a_number_of_threads(session, asked, threads):
    # a forest that predicts: it asks how many jobs there are, and wants threads then
    n_jobs = min(joblib.effective_n_jobs(asked), 100)
    with joblib.Parallel(n_jobs=n_jobs, require="sharedmem") as parallel:
        expected = threads or joblib.cpu_count()
        assert parallel._backend.effective_n_jobs(parallel.n_jobs) == expected


def test_a_fit_in_another_thread_trains_alone(session, engine, data):
    with ThreadPoolExecutor(1) as pool:
        net = pool.submit(Toy().fit, *data).result()
    assert hasattr(net, "center_")
    threads = joblib.Parallel(n_jobs=2, prefer="threads")
    threads(joblib.delayed(Toy(i).fit)(*data) for i in range(2))
    assert session.report.n_fused == 0


def test_a_session_at_work_refuses_another_thread(session, data):
    tasks = [joblib.delayed(Toy().fit)(*data)] * 2
    later = joblib.Parallel(return_as="generator")(tasks)

    def in_thread():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(next, later).result()

    with pytest.raises(RuntimeError, match="at work in another thread"):
        joblib.Parallel()([joblib.delayed(in_thread)()] * 2)


# ---------------------------------------------------------------- failures


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_a_fit_that_fails_fails_alone(session, engine, data):
    grid = {"a": [1, 2], "fail": [False, True, "train"]}
    search = GridSearchCV(Toy(), grid, cv=3, refit=False).fit(*data)
    assert engine.sizes == [12]  # six failed before
    failed = np.isnan(search.cv_results_["mean_test_score"])
    assert failed.tolist() == [False, True, True] * 2
    assert session.report.failed == {"ValueError": 6}


@pytest.mark.parametrize(
    ("fail", "message"), [(True, "before parking"), ("train", "lane diverged")]
)
def test_error_score_raise_raises_and_shows_the_line(session, data, fail, message):
    grid = {"a": [1, 2], "fail": [False, fail]}
    search = GridSearchCV(Toy(), grid, cv=3, error_score="raise")
    with pytest.raises(ValueError, match=message) as info:
        search.fit(*data)
    assert "raise outcome.error" in info.value.__notes__[0] or fail is True
    assert "in fit" in info.value.__notes__[0]
    GridSearchCV(Toy(), {"a": [1, 2]}, cv=3).fit(*data)  # and it goes on


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
def test_an_error_in_a_nested_search_raises_through_both(session, data):
    inner = GridSearchCV(Toy(), {"fail": [False, True]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="before parking"):
        cross_validate(inner, *data, cv=2, error_score="raise")


def test_an_error_of_the_engine_is_one_of_each_fit(session, engine, data):
    engine.error = MemoryError("too large")
    with pytest.raises(ValueError, match="too large"):
        cross_validate(Toy(), *data, cv=3)
    assert session.report.failed == {"MemoryError": 3}
    cross_validate(Toy(), *data, cv=3)


def test_an_error_that_cannot_be_copied_is_told_in_words(session, engine, data):
    class PickyError(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    engine.error = PickyError("this", "that")
    with pytest.raises(RuntimeError, match="PickyError: this and that"):
        joblib.Parallel()(joblib.delayed(Toy().fit)(*data) for _ in range(2))


def test_no_jobs_at_all_are_refused_as_by_joblib(session):
    with pytest.raises(ValueError, match="n_jobs == 0 in Parallel has no meaning"):
        joblib.Parallel(n_jobs=0)([])


def test_a_failing_call_does_not_disturb_another_one(session, engine, data):
    good = joblib.Parallel(return_as="generator")(
        joblib.delayed(Toy(i).fit)(*data) for i in range(3)
    )
    with pytest.raises(ValueError, match="before parking"):
        joblib.Parallel()(joblib.delayed(Toy(fail=True).fit)(*data) for _ in range(3))
    assert len(list(good)) == 3
    assert engine.sizes == [3]


# ---------------------------------------------------------------- Ctrl-C


def nested_search(data, **toy):
    inner = GridSearchCV(Toy(**toy), {"a": [1, 2, 3]}, cv=3)
    return lambda: cross_validate(inner, *data, cv=2)


def flat_search(data, **toy):
    return lambda: GridSearchCV(Toy(**toy), {"a": [1, 2, 3]}, cv=3).fit(*data)


@pytest.mark.parametrize("search", [flat_search, nested_search])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_in_training_reaches_the_caller(session, engine, data, search, kind):
    engine.error = kind()
    with pytest.raises(kind):
        search(data)()
    assert session.report.n_fused == 0
    search(data)()
    assert session.report.n_fused > 0


@pytest.mark.parametrize("search", [flat_search, nested_search])
def test_ctrl_c_in_a_task_reaches_the_caller(session, engine, data, search):
    with pytest.raises(KeyboardInterrupt):
        search(data, fail=KeyboardInterrupt)()
    search(data)()
    assert session.report.n_fused > 0


def test_ctrl_c_is_told_to_all_who_wait(session, engine, data):
    other = joblib.Parallel(return_as="generator")(
        joblib.delayed(Toy(i).fit)(*data) for i in range(3)
    )
    engine.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        flat_search(data)()
    # joblib aborts a whole backend at once, so the other one is told, not left waiting
    with pytest.raises(RuntimeError, match="was cancelled"):
        list(other)


def test_a_task_that_goes_on_after_its_end_cannot_park_again(session, data):
    def stubborn():
        try:
            Toy().fit(*data)
        except greenlet.GreenletExit:
            Toy().fit(*data)

    def failing():
        Toy(2).fit(*data)
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        joblib.Parallel()([joblib.delayed(failing)(), joblib.delayed(stubborn)()] * 2)


# ---------------------------------------------------------------- hooks


class Recorder:
    """Hooks that note where they run, and stop after `stop` epochs."""

    changes, evaluation = True, None
    stop, error, seen = 2, None, []

    def __init__(self, net):
        self.net = net

    def epoch_begin(self):
        with peculiar_state(self.net.a):
            inside = state()
        # of the fit: it entered the same state before it parked
        type(self).seen.append((self.net.a, state()[1:] == inside[1:]))

    def epoch_end(self, record):
        if type(self).error is not None:
            raise type(self).error
        assert record.train_loss == 0.5
        return True


@pytest.fixture
def recorder():
    Recorder.seen, Recorder.error = [], None
    return Recorder


def test_hooks_run_in_the_state_of_their_own_fit(session, data, recorder):
    grid = {"a": [0, 1, 2, 3]}
    GridSearchCV(Toy(hooks=recorder, epochs=5), grid, cv=2, refit=False).fit(*data)
    # one epoch each, because epoch_end said so
    assert sorted(recorder.seen) == [(a, True) for a in range(4) for _ in range(2)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_an_error_in_a_hook_fails_its_own_fit(session, data, recorder):
    recorder.error = RuntimeError("callback")
    grid = {"hooks": [None, recorder]}
    search = GridSearchCV(Toy(), grid, cv=2, refit=False).fit(*data)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert session.report.failed == {"RuntimeError": 2}


@pytest.mark.parametrize("search", [flat_search, nested_search])
def test_ctrl_c_in_a_hook_reaches_the_caller(session, data, recorder, search):
    recorder.error = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        search(data, hooks=recorder)()
    recorder.error = None
    search(data, hooks=recorder)()


class Fitting:
    """Hooks that fit, alone and in a Parallel, while training waits for them."""

    changes, evaluation = True, None

    def __init__(self, net):
        self.X = np.arange(12.0).reshape(6, 2)

    def epoch_begin(self):
        Toy(5).fit(self.X, np.arange(6) % 2)

    def epoch_end(self, record):
        with joblib.parallel_config(backend="skact"):
            cross_val_score(Toy(6), self.X, np.arange(6) % 2, cv=3)
        return False


def test_hooks_may_fit_other_nets(session, engine, data):
    GridSearchCV(Toy(hooks=Fitting), {"a": [1, 2]}, cv=2, refit=False).fit(*data)
    assert engine.sizes == [4] + [1, 3] * 2 * 4
    assert len(session.report.alone_seconds) == 8


# ---------------------------------------------------------------- state


def test_tasks_begin_in_the_context_of_their_parallel(session):
    def inside(i):
        before = np.geterr()["divide"]
        np.seterr(divide="call")  # must not reach the next task
        return before

    with np.errstate(divide="raise"):
        seen = joblib.Parallel()(joblib.delayed(inside)(i) for i in range(600))
        assert np.geterr()["divide"] == "raise"
    assert set(seen) == {"raise"}


def test_torch_modes_of_the_caller_hold_in_tasks(session):
    def modes():
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def seen():
        return joblib.Parallel()(joblib.delayed(modes)() for _ in range(3))

    with torch.no_grad():
        assert seen() == [(False, False)] * 3
    with torch.inference_mode():
        assert seen() == [(False, True)] * 3
    assert seen() == [(True, False)] * 3


# ---------------------------------------------------------------- memory


def test_memory_bounds_the_tasks_that_wait(engine, data):
    X, _ = data
    fold = X.nbytes // 2
    session = Session(engine, memory=2 * 4 * fold)  # four tasks, each twice its rows
    with joblib.parallel_config(backend=FusingBackend(session)):
        search = GridSearchCV(Toy(), {"a": range(6)}, cv=2, refit=False).fit(*data)
    assert engine.sizes == [4, 4, 4]
    assert session.report.waves == 3
    assert session.report.early_waves == 2
    assert "2 waves early, because memory was full" in str(session.report)
    assert len(search.cv_results_["params"]) == 6


def test_hardly_any_memory_trains_one_by_one_also_nested(engine, data):
    session = Session(engine, memory=1)
    with joblib.parallel_config(backend=FusingBackend(session)):
        nested_search(data)()
    assert sum(engine.sizes) == 20
    assert max(engine.sizes) == 1


def test_the_default_is_a_quarter_of_memory(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 2**20)
    assert default_memory() <= 2**38
    monkeypatch.delattr("os.sysconf")
    assert default_memory() <= 2**30


# ---------------------------------------------------------------- times


def test_waiting_is_taken_out_of_the_phase_it_was_in():
    # from 10.1: 5 s of fitting, 2 s of scoring; then scores of the training rows
    measured = {"fit_time": 5.0, "score_time": 2.0, "fit_error": None}
    measured["test_scores"] = 1.0
    pauses = [
        Pause(11.0, 12.0, cost=0.25),
        Pause(12.0, 14.0, cost=2.0),
        Pause(15.2, 16.2, cost=0.5),
        Pause(18.0, 20.0, cost=0.0),
    ]
    correct_times([measured], pauses, begin=10.0)
    assert measured["fit_time"] == 4.25
    assert measured["score_time"] == 1.5


def test_fit_time_has_a_fits_share_of_training(session, engine, data):
    engine.seconds = 0.2
    result = cross_validate(Toy(), *data, cv=5, return_train_score=True)
    assert np.all(result["fit_time"] > 0.19)


class Waiting:
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


def test_waiting_for_others_is_not_fit_time(engine, data, monkeypatch):
    session = Session(Waiting(engine, monkeypatch))
    with joblib.parallel_config(backend=FusingBackend(session)):
        flat = cross_validate(Toy(), *data, cv=3)
        inner = GridSearchCV(Toy(), {"a": [1, 2]}, cv=2)
        nested = cross_validate(inner, *data, cv=2)
    assert np.all(flat["fit_time"] < 1800)
    assert np.all(nested["fit_time"] < 1800)
    assert session.report.seconds > 3 * 3600 - 1


def test_waiting_in_scoring_is_not_score_time(engine, data, monkeypatch):
    def scoring(net, X, y):
        return cross_val_score(Toy(), X, y, cv=2).mean()

    session = Session(Waiting(engine, monkeypatch))
    with joblib.parallel_config(backend=FusingBackend(session)):
        result = cross_validate(Toy(), *data, cv=2, scoring=scoring)
    assert np.all(result["fit_time"] < 1800)
    assert np.all(result["score_time"] < 1800)


def test_results_of_others_are_left_alone(engine, data, monkeypatch):
    def task():
        Toy().fit(*data)
        return {"fit_time": 7.0, "score_time": 5.0}

    session = Session(Waiting(engine, monkeypatch))
    with joblib.parallel_config(backend=FusingBackend(session)):
        results = joblib.Parallel()(joblib.delayed(task)() for _ in range(2))
    assert results == [{"fit_time": 7.0, "score_time": 5.0}] * 2


# ---------------------------------------------------------------- report


def test_the_report_says_what_was_fused_and_what_was_not(session, engine, data):
    engine.seconds = 0.01
    GridSearchCV(Toy(), {"a": [1, 2], "served": [True, False]}, cv=3).fit(*data)
    cross_val_score(LogisticRegression(), *data, cv=2)
    Toy(served=False).fit(*data)
    report = session.report
    assert report.n_fused == 6
    assert report.lanes == (6,)
    assert report.waves == 1
    assert report.fit_seconds == (0.01,) * 6
    assert report.alone_seconds == (0.01,)
    assert report.not_fused == {"optimizer LBFGS has no stacked form": 7}
    assert (report.tasks, report.tasks_without_fit) == (14, 2)
    text = str(report)
    assert text.startswith("6 fits fused into 1 stack in 1 wave: 0.0")
    assert "  6 networks, 0.01 s: toys\n" in text
    assert "1 fit alone, such as a refit: 0.01 s" in text
    assert "7 fits not fused: optimizer LBFGS has no stacked form" in text
    assert "tasks" not in text  # some had a network of ours
    assert repr(report) == text


def test_the_report_of_nothing_says_so():
    assert str(Report()) == "Nothing was trained."


def test_tasks_that_only_wait_for_nested_fits_count_as_fitting(session, data):
    inner = GridSearchCV(Toy(), {"a": [1, 2]}, cv=2, refit=False)
    scoring = lambda search, X, y: 0.0  # noqa: E731
    cross_validate(inner, *data, cv=2, scoring=scoring)
    assert session.report.tasks == 10
    assert session.report.tasks_without_fit == 0


# ---------------------------------------------------------------- fused()


def test_fused_leaves_everything_as_it_was(data):
    before = state()
    with fused() as session:
        assert current_trainer() is session
        cross_val_score(LogisticRegression(), *data)
    assert state() == before
    assert current_trainer() is None
    with pytest.raises(ZeroDivisionError), fused():
        raise ZeroDivisionError
    assert state() == before
    assert current_trainer() is None


def test_the_inner_of_two_blocks_collects(data):
    with fused() as outer:
        with fused() as inner:
            cross_val_score(LogisticRegression(), *data)
        assert inner.report.tasks == 5
        assert outer.report.tasks == 0
        cross_val_score(LogisticRegression(), *data)
        assert outer.report.tasks == 5


def test_a_block_inside_a_task_fuses_for_itself(session, engine, data):
    def task():
        own = Session(engine)
        with joblib.parallel_config(backend=FusingBackend(own)), trained_by(own):
            cross_val_score(Toy(), *data, cv=3)
        Toy().fit(*data)
        return own.report.n_fused

    assert joblib.Parallel()(joblib.delayed(task)() for _ in range(2)) == [3, 3]
    assert engine.sizes == [3, 3, 2]


def test_n_jobs_is_the_number_of_threads_that_train():
    with fused() as session:
        assert session.n_threads is None
    with fused(n_jobs=3) as session:
        assert session.n_threads == 3
    with fused(n_jobs=-1) as session:
        assert session.n_threads == joblib.cpu_count()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_jobs": 0}, "n_jobs must be None or an integer other than 0, got 0."),
        ({"n_jobs": 1.5}, "n_jobs must be None or an integer other than 0, got 1.5."),
        ({"memory": 0}, "memory must be None or a positive integer, in bytes, got 0."),
        ({"memory": "1G"}, "got '1G'."),
        ({"progress": 1}, "progress must be True or False, got 1."),
        ({"inner": 3}, "such as 'loky' or 'dask', got 3."),
        ({"inner": "lokky"}, "got 'lokky'. Invalid backend: lokky, expected one of"),
        ({"inner": "threading"}, "got 'threading', which has none"),
        ({"inner": "skact"}, "got 'skact', which has none"),
        ({"inner": "multiprocessing"}, "got 'multiprocessing', which forks"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    before = state()
    with pytest.raises(ValueError, match="must be") as info, fused(**settings):
        pass
    assert message in str(info.value)
    assert state() == before


def test_dask_without_a_client_is_refused():
    pytest.importorskip("distributed")
    with (
        pytest.raises(ValueError, match=r"needs a Dask client: create one before"),
        fused(inner="dask"),
    ):
        pass
