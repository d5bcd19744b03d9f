"""A session: unmodified scikit-learn, fused, and nothing left behind."""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor

import greenlet
import joblib
import numpy as np
import pytest
from sklearn.base import clone
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
from skorch.callbacks import Callback

from skact import ActMLP
from skact.backend.context import fused
from skact.backend.joblib_backends import FusingBackend
from skact.backend.session import Session
from skact.backend.tasks import Group, ParallelCall, Task
from skact.engine.current_trainer import hand_fits_to


def pipe(Toy):
    return make_pipeline(StandardScaler(), Toy())


def same(a, b):
    """Equal in every key but the times."""
    assert a.keys() == b.keys()
    for key in a:
        if "time" not in key:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_a_grid_search_is_one_wave_and_gives_the_same_results(
    session, engine, data, n_jobs, Toy
):
    search = GridSearchCV(pipe(Toy), {"toy__a": range(12)}, cv=5, n_jobs=n_jobs)
    search.fit(*data)
    assert engine.sizes == [60, 1]  # the refit is outside any Parallel
    with joblib.parallel_config(backend="sequential"), hand_fits_to(None):
        alone = clone(search).fit(*data)
    same(search.cv_results_, alone.cv_results_)
    assert search.best_params_ == alone.best_params_


def randomized(Toy, X, y):
    toys = RandomizedSearchCV(
        Toy(), {"a": range(9)}, n_iter=4, cv=3, refit=False, random_state=0
    )
    return toys.fit(X, y).cv_results_["mean_test_score"]


def halving(Toy, X, y):
    toys = HalvingGridSearchCV(
        Toy(), {"a": range(8)}, cv=3, refit=False, random_state=0
    )
    return toys.fit(X, y).cv_results_["mean_test_score"]


def curve_over_sizes(Toy, X, y):
    return learning_curve(Toy(), X, y, cv=3, train_sizes=[0.3, 0.6, 1.0])[2]


def curve_over_a(Toy, X, y):
    options = {"param_name": "a", "param_range": [0, 1, 2], "cv": 3}
    return validation_curve(Toy(), X, y, **options)[1]


def bagging(Toy, X, y):
    toys = BaggingClassifier(Toy(), n_estimators=10, random_state=0)
    return toys.fit(X, y).predict(X)


def stacking(Toy, X, y):
    toys = [("a", Toy()), ("b", Toy(2))]
    return StackingClassifier(toys, final_estimator=Toy(), cv=3).fit(X, y).predict(X)


def nested(Toy, X, y):
    inner = GridSearchCV(Toy(), {"a": [1, 2, 3]}, cv=3, refit=False, scoring=None)
    scoring = lambda search, X, y: search.cv_results_["mean_test_score"][1]  # noqa: E731
    return cross_validate(inner, X, y, cv=2, scoring=scoring)["test_score"]


def nested_with_refit(Toy, X, y):
    inner = GridSearchCV(pipe(Toy), {"toy__a": [1, 2, 3]}, cv=3)
    return cross_validate(inner, X, y, cv=2)["test_score"]


def over_the_transformer(Toy, X, y):
    grid = {"standardscaler": [None, StandardScaler()], "toy__a": [1, 2]}
    search = GridSearchCV(pipe(Toy), grid, cv=3, refit=False)
    return search.fit(X, y).cv_results_["mean_test_score"]


CASES = {
    "randomized": (randomized, [12]),
    "halving": (halving, [24, 9]),
    "cross_validate": (
        lambda Toy, X, y: cross_validate(Toy(), X, y, cv=4)["test_score"],
        [4],
    ),
    "cross_val_score": (lambda Toy, X, y: cross_val_score(pipe(Toy), X, y, cv=5), [5]),
    "cross_val_predict": (
        lambda Toy, X, y: cross_val_predict(pipe(Toy), X, y, cv=5),
        [5],
    ),
    "learning_curve": (curve_over_sizes, [9]),
    "validation_curve": (curve_over_a, [9]),
    "bagging": (bagging, [10]),
    "one-vs-rest": (
        lambda Toy, X, y: OneVsRestClassifier(Toy()).fit(X, y).predict(X),
        [3],
    ),
    "stacking": (stacking, [2, 6, 1]),  # the last is the final estimator, alone
    "nested": (nested, [18]),
    "nested with refit": (nested_with_refit, [18, 2]),
    "a grid over the transformer": (over_the_transformer, [12]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_goes_through_joblib_is_fused_and_gives_the_same(
    session, engine, data, name, Toy
):
    work, sizes = CASES[name]
    result = work(Toy, *data)
    assert engine.sizes == sizes
    with joblib.parallel_config(backend="sequential"), hand_fits_to(None):
        np.testing.assert_array_equal(result, work(Toy, *data))


def test_more_tasks_than_joblib_starts_at_once_come_in_waves(
    session, engine, data, Toy
):
    search = GridSearchCV(Toy(), {"a": range(520)}, cv=2, refit=False)
    search.fit(*data)
    assert engine.sizes == [512, 512, 16]
    assert session.report.waves == 3
    assert session.report.early_waves == 0


def test_two_searches_in_one_block_are_both_fused(session, engine, data, Toy):
    for _ in range(2):
        GridSearchCV(Toy(), {"a": [1, 2]}, cv=3, refit=False).fit(*data)
    assert engine.sizes == [6, 6]


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators_are_fused(session, engine, data, return_as, Toy):
    tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(4))
    results = joblib.Parallel(return_as=return_as)(tasks)
    assert sorted(results) == [0, 1, 2, 3]
    assert engine.sizes == [4]


def test_two_generators_may_be_read_in_turns(session, data, Toy):
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


def test_a_generator_may_be_read_inside_a_task(session, engine, data, Toy):
    tasks = (joblib.delayed(lambda i: Toy(i).fit(*data).a)(i) for i in range(3))
    results = joblib.Parallel(return_as="generator")(tasks)
    (inside,) = joblib.Parallel()([joblib.delayed(list)(results)])
    assert inside == [0, 1, 2]
    assert engine.sizes == [3]


def test_a_block_inside_a_task_fuses_for_itself(session, engine, data, Toy):
    def task():
        own = Session(engine)
        with joblib.parallel_config(backend=FusingBackend(own)), hand_fits_to(own):
            cross_val_score(Toy(), *data, cv=3)
        Toy().fit(*data)
        return own.report.n_fused

    assert joblib.Parallel()(joblib.delayed(task)() for _ in range(2)) == [3, 3]
    assert engine.sizes == [3, 3, 2]


# ---------------------------------------------------------------- what is not fused


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


def test_a_fit_in_another_thread_trains_alone(session, engine, data, Toy):
    with ThreadPoolExecutor(1) as pool:
        net = pool.submit(Toy().fit, *data).result()
    assert hasattr(net, "center_")
    threads = joblib.Parallel(n_jobs=2, prefer="threads")
    threads(joblib.delayed(Toy(i).fit)(*data) for i in range(2))
    assert session.report.n_fused == 0


def test_fits_in_threads_with_the_context_of_the_block_are_reported(session, data, Toy):
    async def work():
        fits = (asyncio.to_thread(Toy(0, epochs=1).fit, *data) for _ in range(4))
        for fit in fits:  # one by one: the toys change the filters of warnings
            await fit

    asyncio.run(work())
    assert session.report.alone == {"in another thread than the block": 4}


def test_a_session_at_work_refuses_another_thread(session, data, Toy):
    tasks = [joblib.delayed(Toy().fit)(*data)] * 2
    later = joblib.Parallel(return_as="generator")(tasks)

    def in_thread():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(next, later).result()

    with pytest.raises(RuntimeError, match="at work in another thread"):
        joblib.Parallel()([joblib.delayed(in_thread)()] * 2)


def test_another_thread_cancels_only_what_has_not_begun(session, data, Toy):
    """joblib cancels where a generator of its results is thrown away."""

    def submit(n):
        group = Group()
        tasks = [Task(lambda: Toy().fit(*data), group, call) for _ in range(n)]
        for task in tasks:
            session.submit(task)
        return group, tasks

    call = ParallelCall()
    group, _ = submit(2)
    other_group, begun = submit(2)
    session.wait(group)  # the tasks of the other group have been trained along
    _, not_begun = submit(2)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(session.cancel, [*begun, *not_begun]).result()
    assert [task.is_cancelled for task in begun] == [False, False]
    assert [task.is_cancelled for task in not_begun] == [True, True]
    session.wait(other_group)
    assert [task.error for task in begun] == [None, None]


# ---------------------------------------------------------------- failures


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_a_fit_that_fails_fails_alone(session, engine, data, Toy):
    grid = {"a": [1, 2], "fail": [False, True, "train"]}
    search = GridSearchCV(Toy(), grid, cv=3, refit=False).fit(*data)
    assert engine.sizes == [12]  # six failed before
    failed = np.isnan(search.cv_results_["mean_test_score"])
    assert failed.tolist() == [False, True, True] * 2
    assert session.report.failed == {"ValueError": 6}


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
def test_an_error_in_a_nested_search_raises_through_both(session, data, Toy):
    inner = GridSearchCV(Toy(), {"fail": [False, True]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="before parking"):
        cross_validate(inner, *data, cv=2, error_score="raise")


def test_an_error_of_the_engine_is_one_of_each_fit(session, engine, data, Toy):
    engine.error = MemoryError("too large")
    with pytest.raises(ValueError, match="too large"):
        cross_validate(Toy(), *data, cv=3)
    assert session.report.failed == {"MemoryError": 3}
    cross_validate(Toy(), *data, cv=3)


def test_an_error_that_cannot_be_copied_is_told_in_words(session, engine, data, Toy):
    class PickyError(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    engine.error = PickyError("this", "that")
    with pytest.raises(RuntimeError, match="PickyError: this and that"):
        joblib.Parallel()(joblib.delayed(Toy().fit)(*data) for _ in range(2))


def test_a_failing_call_does_not_disturb_another_one(session, engine, data, Toy):
    good = joblib.Parallel(return_as="generator")(
        joblib.delayed(Toy(i).fit)(*data) for i in range(3)
    )
    with pytest.raises(ValueError, match="before parking"):
        joblib.Parallel()(joblib.delayed(Toy(fail=True).fit)(*data) for _ in range(3))
    assert len(list(good)) == 3
    assert engine.sizes == [3]


# ---------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_in_training_reaches_the_caller(session, engine, data, search, kind):
    engine.error = kind()
    with pytest.raises(kind):
        search(data)()
    assert session.report.n_fused == 0
    search(data)()
    assert session.report.n_fused > 0


def test_after_ctrl_c_the_report_says_what_was_trained(state):
    """Of two stacks, the first has ended, and the second has trained some epochs."""

    class Pressing(Callback):
        def on_epoch_end(self, net, **kwargs):
            if net.width == 9 and len(net.history) == 3:
                signal.raise_signal(signal.SIGINT)

    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    net = ActMLP(max_epochs=3, random_state=0, callbacks=[Pressing()])
    before = signal.getsignal(signal.SIGINT), state()
    search = GridSearchCV(net, {"width": [8, 9], "lr": [0.1, 0.01]}, cv=2)
    with fused() as session, pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert (signal.getsignal(signal.SIGINT), state()) == before
    report = session.report
    assert (report.n_fused, report.lanes, report.waves) == (4, (4, 4), 1)
    assert report.interrupted == (3, 2, 2, 2)  # the others' callbacks were to come
    assert (report.tasks, report.cancelled) == (4, 4)  # the first went on at once
    text = str(report)
    assert text.startswith("4 fits fused into 2 stacks in 1 wave: ")
    assert "\n4 fits interrupted after 2 to 3 epochs\n4 tasks cancelled" in text
    with fused() as session:  # the process goes on
        cross_validate(ActMLP(max_epochs=1), X, y, cv=2)
    assert session.report.n_fused == 2


def test_ctrl_c_in_a_lone_fit_of_a_block_is_reported():
    class Pressing(Callback):
        def on_epoch_end(self, net, **kwargs):
            signal.raise_signal(signal.SIGINT)

    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    with fused() as session, pytest.raises(KeyboardInterrupt):
        ActMLP(max_epochs=3, callbacks=[Pressing()]).fit(X, y)
    assert str(session.report) == "1 fit interrupted after 1 epoch"


def test_ctrl_c_a_second_time_ends_all_tasks_nevertheless(session, engine, data, Toy):
    ended = []

    def task(i):
        try:
            Toy(i).fit(*data)
        finally:
            ended.append(i)
            if i == 1:
                raise KeyboardInterrupt

    engine.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        joblib.Parallel()(joblib.delayed(task)(i) for i in range(9))
    assert ended == list(range(9))  # in the order of the tasks
    assert session.report.cancelled == 9


def test_ctrl_c_in_a_task_reaches_the_caller(session, engine, data, search):
    with pytest.raises(KeyboardInterrupt):
        search(data, fail=KeyboardInterrupt)()
    search(data)()
    assert session.report.n_fused > 0


def test_ctrl_c_is_told_to_all_who_wait(session, engine, data, Toy):
    other = joblib.Parallel(return_as="generator")(
        joblib.delayed(Toy(i).fit)(*data) for i in range(3)
    )
    engine.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(Toy(), {"a": [1, 2, 3]}, cv=3).fit(*data)
    # joblib aborts a whole backend at once, so the other one is told, not left waiting
    with pytest.raises(RuntimeError, match="was cancelled"):
        list(other)


def test_a_task_that_goes_on_after_its_end_cannot_park_again(session, data, Toy):
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


# ---------------------------------------------------------------- memory


def test_memory_bounds_the_tasks_that_wait(engine, data, Toy, bytes_of_toy):
    session = Session(engine, memory=4 * bytes_of_toy(30))  # four tasks
    with joblib.parallel_config(backend=FusingBackend(session)):
        search = GridSearchCV(Toy(), {"a": range(6)}, cv=2, refit=False).fit(*data)
    assert engine.sizes == [4, 4, 4]
    assert session.report.waves == 3
    assert session.report.early_waves == 2
    assert "2 waves early, because memory was full" in str(session.report)
    assert len(search.cv_results_["params"]) == 6


def test_hardly_any_memory_trains_one_by_one_also_nested(engine, data, nested_search):
    session = Session(engine, memory=1)
    with joblib.parallel_config(backend=FusingBackend(session)):
        nested_search(data)()
    assert sum(engine.sizes) == 20
    assert max(engine.sizes) == 1


# ---------------------------------------------------------------- report


def test_the_report_says_what_was_fused_and_what_was_not(session, engine, data, Toy):
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
    assert "1 fit alone: 0.01 s (1 outside joblib.Parallel, such as a refit)" in text
    assert "7 fits not fused: optimizer LBFGS has no stacked form" in text
    assert "tasks" not in text  # some had a network of ours
    assert repr(report).startswith(f"<Report: {text.splitlines()[0]}")


def test_tasks_that_only_wait_for_nested_fits_count_as_fitting(session, data, Toy):
    inner = GridSearchCV(Toy(), {"a": [1, 2]}, cv=2, refit=False)
    scoring = lambda search, X, y: 0.0  # noqa: E731
    cross_validate(inner, *data, cv=2, scoring=scoring)
    assert session.report.tasks == 10
    assert session.report.tasks_without_fit == 0
