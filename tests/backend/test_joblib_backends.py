"""The two backends: one fuses in this process, one in each of its workers."""

import importlib.util
import os
import signal
import time

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from skact import ActMLP
from skact.backend import joblib_backends
from skact.backend.context import fused
from skact.backend.joblib_backends import FusingBackend, WorkersBackend, run_piece
from skact.backend.session import Session
from skact.engine.current_trainer import current_trainer, hand_fits_to, note_failure
from skact.engine.jobs import FitJob, Outcome, Seeds, StackReport, Training

# ---------------------------------------------------------------- in this process


def test_a_generator_may_be_read_after_the_block(engine, data, Toy):
    session = Session(engine)
    with joblib.parallel_config(backend=FusingBackend(session)):
        tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(4))
        results = joblib.Parallel(return_as="generator")(tasks)
    assert list(results) == [0, 1, 2, 3]
    assert engine.sizes == [4]


def test_a_generator_that_is_never_read_leaves_nothing_behind(session, data, Toy):
    tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(600))
    results = joblib.Parallel(return_as="generator")(tasks)
    with pytest.warns(UserWarning, match="512 tasks .* cancelled"):
        results.close()


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({}, [6]),
        ({"pre_dispatch": "all"}, [6]),
        ({"pre_dispatch": "n_jobs"}, [6]),
        ({"pre_dispatch": 2}, [2, 2, 2]),
        ({"pre_dispatch": 1}, [1] * 6),
        ({"batch_size": 2}, [6]),  # few tasks: joblib makes smaller batches
    ],
)
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_settings_of_parallel_change_what_waits_together_and_no_result(
    session, engine, data, Toy, settings, sizes, return_as
):
    tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(6))
    results = joblib.Parallel(return_as=return_as, **settings)(tasks)
    assert sorted(results) == list(range(6))
    assert engine.sizes == sizes


@pytest.mark.parametrize("inner", [None, "loky"])
def test_a_timeout_is_refused_but_not_where_threads_heed_it(inner):
    def parallel(**hint):
        return joblib.Parallel(n_jobs=2, timeout=60, **hint)

    with fused(inner=inner):
        with pytest.raises(ValueError, match="timeout=60, which the backend 'skact' "):
            parallel()([joblib.delayed(abs)(-1)] * 2)
        assert parallel(prefer="threads")([joblib.delayed(abs)(-1)] * 2) == [1, 1]
        assert joblib.Parallel()([joblib.delayed(abs)(-1)] * 2) == [1, 1]


def test_options_that_the_backend_does_not_have_are_refused(state):
    before = state()
    with pytest.raises(TypeError, match="unexpected keyword argument 'memory'"):
        joblib.parallel_config(backend="skact", memory=2**20)
    with pytest.raises(TypeError, match="'memori', which the backend 'skact' does not"):
        joblib.Parallel(n_jobs=2, backend="skact", memori=3)([joblib.delayed(abs)(1)])
    assert state() == before


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


@pytest.mark.parametrize(
    ("asked", "processes"), [(None, 4), (-1, 4), (2, 2), (4, 4), (16, 4)]
)
def test_there_are_never_more_processes_than_cores(monkeypatch, asked, processes):
    monkeypatch.setattr(joblib_backends, "count_cores", lambda: 4)
    monkeypatch.setattr(joblib_backends, "count_threads", lambda n: 4 if n < 0 else n)
    with fused(n_jobs=asked) as session:
        assert session.n_processes == processes


def test_no_jobs_at_all_are_refused_as_by_joblib(session):
    with pytest.raises(ValueError, match="n_jobs == 0 in Parallel has no meaning"):
        joblib.Parallel(n_jobs=0)([])


@pytest.mark.parametrize(
    ("fail", "message"), [(True, "before parking"), ("train", "lane diverged")]
)
def test_error_score_raise_raises_and_shows_the_line(session, data, fail, message, Toy):
    grid = {"a": [1, 2], "fail": [False, fail]}
    search = GridSearchCV(Toy(), grid, cv=3, error_score="raise")
    with pytest.raises(ValueError, match=message) as info:
        search.fit(*data)
    assert "raise outcome.error" in info.value.__notes__[0] or fail is True
    assert "in fit" in info.value.__notes__[0]
    GridSearchCV(Toy(), {"a": [1, 2]}, cv=3).fit(*data)  # and it goes on


# ---------------------------------------------------------------- in worker processes


SEEDS = Seeds(0, 0, 0, 0)


def make_job(X, y, seeds, net):
    return FitJob(
        X=X,
        targets=y,
        sample_weight=None,
        seeds=seeds,
        n_epochs=2,
        first_epoch=0,
        batch_size=-1,
        shuffle=True,
        loss="cross_entropy",
        module=net,
        optimizer=None,
    )


def make_engine():
    """Return a stand-in for the engine; being local, it is pickled by value."""

    def train(jobs, *, outcomes, stacks=None, n_threads=None, progress=None):
        for job, outcome in zip(jobs, outcomes, strict=True):
            outcome.seconds = 0.01
            job.module.center_ = job.X.mean(0)
            if job.module.fail == "train":
                outcome.error = ValueError("lane diverged")
        if stacks is not None:
            process = {"process": f"process {os.getpid()}"}
            stacks.append(StackReport(len(jobs), 0.01, process))
        return Training(outcomes, stacks)

    return train


def make_estimator(train):
    """Return an estimator that is trained by the stand-in."""

    class PickledToy(ClassifierMixin, BaseEstimator):
        def __init__(self, a=1, fail=False):
            self.a, self.fail = a, fail

        def parameters(self):
            return []

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            job, outcome = make_job(X, y, SEEDS, self), Outcome()
            if trainer := current_trainer():
                trainer.fit(job, outcome)
            else:
                train([job], outcomes=[outcome])
            if isinstance(self.fail, type):
                raise self.fail
            if callable(self.fail):
                self.fail()
            with note_failure(in_training=True):
                if outcome.error is not None:
                    raise outcome.error
            return self

        def predict(self, X):
            side = X @ (self.center_ + self.a) > 0
            return self.classes_[np.where(side, 0, -1)]

    return PickledToy


train = make_engine()
PickledToy = make_estimator(train)


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, np.arange(60) % 3


class Workers:
    """A block that trains with the stand-in in the workers of a backend."""

    def __init__(self, inner, n_jobs=2, memory=None):
        self.session = Session(train, memory)
        self.backend = WorkersBackend(self.session, inner, n_jobs)

    def __enter__(self):
        self.config = joblib.parallel_config(backend=self.backend)
        self.config.__enter__()
        self.trainer = hand_fits_to(self.session)
        self.trainer.__enter__()
        return self.session

    def __exit__(self, *error):
        self.trainer.__exit__(*error)
        self.config.__exit__(*error)


def same(a, b):
    """Equal in every key but the times."""
    assert a.keys() == b.keys()
    for key in a:
        if "time" not in key:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def grid(**kwargs):
    return GridSearchCV(PickledToy(), {"a": range(6)}, cv=3, **kwargs)


@pytest.fixture(params=["loky", "dask"])
def inner(request):
    if request.param == "dask":
        request.getfixturevalue("client")
    return request.param


def test_each_worker_fuses_its_share_and_the_results_are_the_same(inner, data):
    alone = grid().fit(*data)
    with Workers(inner) as session:
        search = grid().fit(*data)
    same(search.cv_results_, alone.cv_results_)
    report = session.report
    assert report.lanes == (9, 9)
    assert (report.n_fused, report.waves, report.pieces) == (18, 2, 2)
    assert report.tasks == 18
    assert len(report.alone_seconds) == 1  # the refit, here
    processes = {stack.description for stack in report.stacks}
    assert f"process {os.getpid()}" not in processes
    assert "2 batches of tasks for workers" in str(report)


def test_nested_searches_are_fused_in_the_workers(inner, data):
    def work():
        return cross_validate(grid(), *data, cv=2)["test_score"]

    with Workers(inner) as session:
        scores = work()
    np.testing.assert_array_equal(scores, work())
    assert session.report.lanes == (18, 1, 18, 1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_a_fit_that_fails_fails_alone(inner, data):
    with Workers(inner) as session:
        search = GridSearchCV(
            PickledToy(), {"fail": [False, "train"]}, cv=3, refit=False
        )
        search.fit(*data)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert session.report.failed == {"ValueError": 3}


def test_an_error_comes_home_and_shows_the_line(inner, data):
    with Workers(inner), pytest.raises(ValueError, match="lane diverged") as info:
        cross_validate(PickledToy(fail="train"), *data, cv=3, error_score="raise")
    assert ", in fit" in info.value.__notes__[0]  # where it was raised


def test_an_error_that_cannot_be_pickled_comes_home_in_words(data):
    class PickyError(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    def fail():
        raise PickyError("this", "that")

    number, ends, *_ = run_piece(3, [fail, lambda: 7, lambda: int("x")], train, 10**9)
    (_, error), (result, none), (_, usual) = ends
    assert type(error) is RuntimeError
    assert "PickyError: this and that" in str(error)
    assert (number, result, none) == (3, 7, None)
    assert type(usual) is ValueError


def test_estimators_of_others_use_the_workers_too(inner, data):
    def work():
        forest = RandomForestClassifier(5, random_state=0)
        return cross_val_score(forest, *data, cv=2), cross_val_score(
            LogisticRegression(), *data, cv=3
        )

    with Workers(inner) as session:
        results = work()
    for fused_scores, alone in zip(results, work(), strict=True):
        np.testing.assert_array_equal(fused_scores, alone)
    assert session.report.tasks_without_fit == 5


def test_threads_stay_threads(data):
    with Workers("loky"), joblib.Parallel(n_jobs=2, prefer="threads") as parallel:
        assert set(parallel(joblib.delayed(os.getpid)() for _ in range(4))) == {
            os.getpid()
        }


def test_one_worker_is_this_process(data):
    with Workers("loky", n_jobs=1) as session:
        grid(refit=False).fit(*data)
    assert session.report.lanes == (18,)
    assert session.report.stacks[0].description == f"process {os.getpid()}"


def test_memory_is_divided_among_the_workers(data, bytes_of_toy):
    memory = 2 * 3 * bytes_of_toy(40)  # three tasks in each
    with Workers("loky", memory=memory) as session:
        grid(refit=False).fit(*data)
    assert session.report.lanes == (3,) * 6
    assert session.report.early_waves == 4


def test_more_tasks_than_joblib_starts_at_once_go_in_rounds(data):
    with Workers("loky") as session:
        results = joblib.Parallel()(joblib.delayed(abs)(-i) for i in range(600))
    assert results == list(range(600))
    assert session.report.pieces == 4
    assert session.report.tasks == 600


def test_generators_work(data):
    with Workers("loky") as session:
        tasks = (joblib.delayed(abs)(-i) for i in range(6))
        assert list(joblib.Parallel(return_as="generator")(tasks)) == list(range(6))
    assert session.report.tasks == 6


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_in_a_worker_reaches_the_caller(data, n_jobs):
    with Workers("loky", n_jobs) as session:
        with pytest.raises(KeyboardInterrupt):
            cross_validate(PickledToy(fail=KeyboardInterrupt), *data, cv=3)
        assert str(session.report) == "3 tasks cancelled"
        grid(refit=False).fit(*data)
    assert session.report.n_fused == 18


def test_ctrl_c_is_told_to_all_who_wait(data):
    with Workers("loky", n_jobs=1):
        other = joblib.Parallel(return_as="generator")([joblib.delayed(abs)(-1)] * 2)
        with pytest.raises(KeyboardInterrupt):
            cross_validate(PickledToy(fail=KeyboardInterrupt), *data, cv=3)
        with pytest.raises(RuntimeError, match="was cancelled"):
            list(other)


def test_a_worker_that_dies_in_mid_search_is_replaced(client, data, tmp_path):
    marker = tmp_path / "died"

    def die_once():
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    before = set(client.scheduler_info()["workers"])
    with Workers("dask") as session:
        search = GridSearchCV(
            PickledToy(fail=die_once), {"a": range(6)}, cv=3, refit=False
        )
        search.fit(*data)
    assert marker.exists()
    alone = grid(refit=False).fit(*data)
    for key in ("split0_test_score", "split2_test_score", "rank_test_score"):
        np.testing.assert_array_equal(search.cv_results_[key], alone.cv_results_[key])
    assert session.report.n_fused == 18
    client.wait_for_workers(2, timeout=30)
    assert set(client.scheduler_info()["workers"]) - before


@pytest.mark.parametrize("n_jobs", [2, None])
def test_networks_of_skact_come_out_the_same(inner, iris, n_jobs):
    def work():
        net = ActMLP(max_epochs=2, random_state=0)
        results = cross_validate(net, *iris, cv=4, return_estimator=True)
        return [net.predict_proba(iris[0]) for net in results["estimator"]]

    with fused(inner=inner, n_jobs=n_jobs) as session:
        results = work()
    np.testing.assert_array_equal(results, work())
    assert session.report.n_fused == 4
    everywhere = 2 if inner == "dask" else joblib.cpu_count()
    assert session.report.pieces == (n_jobs or min(everywhere, 4))


def test_dask_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ImportError, match=r"distributed.*pip install \"skact\[dask\]\""),
        fused(inner="dask"),
    ):
        pass
