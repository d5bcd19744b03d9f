"""``fused()``: its settings, its blocks, and networks that come out as alone."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import torch
from joblib.parallel import get_active_backend
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Checkpoint, EpochScoring, LRScheduler
from skorch.dataset import ValidSplit

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.backend.context import fused
from skact.backend.joblib_backends import FusingBackend
from skact.engine.current_trainer import current_trainer

NET = ActMLP(max_epochs=3, random_state=0, lr=0.05)


def nets(estimator, data, **kwargs):
    result = cross_validate(estimator, *data, cv=3, return_estimator=True, **kwargs)
    return result["estimator"]


def same_nets(some, others):
    for net, other in zip(some, others, strict=True):
        for weight, expected in zip(
            net.module_.parameters(), other.module_.parameters(), strict=True
        ):
            torch.testing.assert_close(weight, expected, rtol=0, atol=0)
        for row, expected in zip(net.history, other.history, strict=True):
            row, expected = dict(row), dict(expected)
            row.pop("dur", None), expected.pop("dur", None)
            assert row == expected


def test_a_search_gives_the_same_and_says_what_it_fused(iris):
    pipe = make_pipeline(StandardScaler(), NET)
    grid = {
        "actmlp__activation": ["relu", "tanh"],
        "actmlp__width": [8, 16],
        "standardscaler": [StandardScaler(), None],
    }
    alone = GridSearchCV(pipe, grid, cv=3).fit(*iris)
    search = GridSearchCV(pipe, grid, cv=3, n_jobs=2)
    with fused() as session:
        search.fit(*iris)
    for key, values in alone.cv_results_.items():
        if "time" not in key:
            np.testing.assert_array_equal(search.cv_results_[key], values)
    np.testing.assert_array_equal(
        search.predict_proba(iris[0]), alone.predict_proba(iris[0])
    )
    assert session.report.n_fused == 24
    assert session.report.waves == 1
    assert sum(session.report.lanes) == 24
    assert len(session.report.alone_seconds) == 1


CALLBACKS = {
    "early stopping": {"early_stopping": True, "patience": 2, "max_epochs": 8},
    "a scheduler": {"callbacks": [LRScheduler("StepLR", step_size=1, gamma=0.5)]},
    "a score": {
        "callbacks": [EpochScoring("accuracy", lower_is_better=False)],
        "train_split": ValidSplit(3),
    },
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_see_the_same_as_alone(iris, name):
    net = ActMLP(**{**NET.get_params(), **CALLBACKS[name]})
    alone = nets(net, iris)
    with fused() as session:
        together = nets(net, iris)
    same_nets(together, alone)
    assert session.report.n_fused == 3


def test_what_the_engine_cannot_serve_is_told_with_its_reason(iris):
    net = ActMLP(**{**NET.get_params(), "optimizer": torch.optim.RMSprop})
    alone = nets(net, iris)
    with fused() as session:
        together = nets(net, iris)
    same_nets(together, alone)
    ((reason, n),) = session.report.not_fused.items()
    assert "RMSprop" in reason
    assert n == 3
    assert session.report.tasks_without_fit == 0


@pytest.mark.parametrize("params", [{}, {"iterator_train__drop_last": True}])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_net_that_diverges_is_counted_in_either_loop(diabetes, params):
    net = ActMLPRegressor(optimizer="sgd", random_state=0).set_params(**params)
    with fused() as session:
        search = GridSearchCV(net, {"lr": [1e-3, 1e9]}, cv=3, refit=False)
        with pytest.warns(UserWarning, match="non-finite"):
            search.fit(*diabetes)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert session.report.failed == {"DivergedError": 3}


@pytest.mark.parametrize(
    ("kind", "name"), [(ActMLPBinary, "cancer"), (ActMLPRegressor, "diabetes")]
)
def test_the_other_estimators_are_fused_too(request, kind, name):
    data, net = request.getfixturevalue(name), kind(max_epochs=2, random_state=0)
    alone = nets(net, data)
    with fused() as session:
        same_nets(nets(net, data), alone)
    assert session.report.n_fused == 3


def test_waves_give_the_same(iris):
    alone = nets(NET, iris)
    with fused(memory=1) as session:
        same_nets(nets(NET, iris), alone)
    assert session.report.lanes == (1, 1, 1)
    assert session.report.early_waves == 2


def test_the_bar_counts_the_epochs_of_the_engine(iris, capfd):
    with fused(progress=True) as session:
        nets(NET, iris)
        assert session.progress.done == session.progress.total == 9
    assert "9/9 epochs" in capfd.readouterr().err


def test_fits_that_would_share_files_are_not_fused_and_come_out_as_alone(
    tmp_path, iris
):
    X, y = iris

    def search(folder):
        saves = Checkpoint(dirname=tmp_path / folder, load_best=True)
        split = ValidSplit(5, stratified=True)
        net = ActMLP(max_epochs=4, random_state=0, train_split=split, callbacks=[saves])
        return GridSearchCV(net, {"lr": [0.1, 1e-4], "width": [5, 9]}, cv=2)

    alone = search("alone").fit(X, y)
    with fused() as session:
        together = search("together").fit(X, y)
    for key in ("mean_test_score", "split0_test_score"):
        np.testing.assert_array_equal(alone.cv_results_[key], together.cv_results_[key])
    (reason,) = session.report.not_fused
    assert reason == "the callback 'Checkpoint' has files that all fits would share"
    assert session.report.n_fused == 0


def test_a_block_can_be_entered_again_each_time_with_a_session_of_its_own(iris):
    X, y = iris
    block, net = fused(), ActMLP(max_epochs=1, random_state=0)
    with block as first:
        cross_val_score(net, X, y, cv=2)
    with block as second:
        cross_val_score(net, X, y, cv=3)
        with block as third:
            cross_val_score(net, X, y, cv=4)
    reports = [session.report.n_fused for session in (first, second, third)]
    assert reports == [2, 3, 4]
    assert get_active_backend()[0].__class__.__name__ != "FusingBackend"


def test_a_block_may_be_a_decorator(iris):
    @fused()
    def score():
        backends.append(type(get_active_backend()[0]).__name__)
        return cross_val_score(ActMLP(max_epochs=1, random_state=0), *iris, cv=2)

    backends: list = []
    assert score().tolist() == score().tolist()
    assert backends == ["FusingBackend"] * 2


# ---------------------------------------------------------------- left as not meant


@pytest.fixture
def nothing_is_left(state):
    """Nothing of a block is in force after the test, though its order was wrong."""
    before = state()
    yield
    assert state() == before
    assert current_trainer() is None
    with fused() as session:  # and the next block works
        assert current_trainer() is session
    assert state() == before


NOT_OPEN = "not open here: it was never entered, or left twice, or entered in another"
WRONG_ORDER = "must be left in reverse order"


def leave(block):
    return block.__exit__(None, None, None)


@pytest.mark.usefixtures("nothing_is_left")
def test_blocks_left_in_the_wrong_order_are_both_closed_with_one_error():
    outer, inner = fused(), fused()
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(RuntimeError, match=WRONG_ORDER):
        leave(outer)
    assert current_trainer() is None
    leave(inner)  # the error has been told
    with pytest.raises(RuntimeError, match=NOT_OPEN):
        leave(inner)


@pytest.mark.usefixtures("nothing_is_left")
def test_one_block_entered_twice_is_left_twice_and_no_more():
    block = fused()
    first, second = block.__enter__(), block.__enter__()
    assert current_trainer() is second
    leave(block)
    assert current_trainer() is first
    leave(block)
    with pytest.raises(RuntimeError, match=NOT_OPEN):
        leave(block)


@pytest.mark.usefixtures("nothing_is_left")
def test_a_block_that_a_generator_never_leaves_is_closed_with_the_outer_block():
    def numbers():
        with fused():
            yield 1

    generators = [numbers(), numbers()]
    with pytest.raises(RuntimeError, match=WRONG_ORDER), fused():
        next(generators[0])
    generators[0].close()
    generator = generators[1]
    next(generator)
    assert current_trainer() is not None
    generator.close()


@pytest.mark.usefixtures("nothing_is_left")
def test_a_block_can_be_left_by_its_own_thread_only():
    block = fused()
    session = block.__enter__()
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(leave, block).exception()
    assert isinstance(error, RuntimeError)
    assert NOT_OPEN in str(error)
    assert current_trainer() is session
    leave(block)


@pytest.mark.usefixtures("nothing_is_left")
def test_several_threads_may_enter_one_block_each_with_a_session_of_its_own(iris):
    block, entered = fused(), threading.Barrier(3)
    one_at_a_time = threading.Lock()  # all threads share the filters of warnings

    def work(cv):
        with block as session:
            entered.wait()
            with one_at_a_time:
                cross_val_score(ActMLP(max_epochs=1), *iris, cv=cv)
            entered.wait()
        return session.report.n_fused

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, [2, 3, 4])) == [2, 3, 4]


@pytest.mark.usefixtures("nothing_is_left")
def test_a_block_around_a_task_cannot_be_left_in_the_task():
    block = fused()
    with block, pytest.raises(RuntimeError, match=NOT_OPEN):
        joblib.Parallel()([joblib.delayed(leave)(block)] * 2)


@pytest.mark.usefixtures("nothing_is_left")
def test_tasks_that_open_blocks_in_turns_close_their_own(iris):
    def task(cv):
        with fused() as own:
            ActMLP(max_epochs=1).fit(*iris)  # all tasks wait here, but it is alone
            cross_val_score(ActMLP(max_epochs=1), *iris, cv=cv)
        ActMLP(max_epochs=1).fit(*iris)
        return own.report.n_fused

    with fused() as session:
        found = joblib.Parallel()(joblib.delayed(task)(cv) for cv in (2, 3, 4))
    assert found == [2, 3, 4]
    assert session.report.n_fused == 3


@pytest.mark.usefixtures("nothing_is_left")
def test_a_block_left_in_another_task_of_asyncio_says_so():
    async def enter_here_and_leave_there():
        block = fused()
        block.__enter__()

        async def leave_there():
            leave(block)

        await asyncio.create_task(leave_there())

    with pytest.raises(RuntimeError, match="another task of asyncio"):
        asyncio.run(enter_here_and_leave_there())


def test_functions_that_run_after_the_call_cannot_be_decorated():
    def generator():
        yield

    async def coroutine():
        pass

    async def asynchronous_generator():
        yield

    for function in (generator, coroutine, asynchronous_generator):
        with pytest.raises(TypeError, match="write `with fused\\(\\):` inside"):
            fused()(function)


def test_what_is_wrong_is_said_where_it_is_written():
    with pytest.raises(ValueError, match="memory must be None or a positive"):
        fused(memory=0)


# ---------------------------------------------------------------- blocks and settings


def test_the_name_alone_will_do(data):
    with joblib.parallel_config(backend="skact"):
        backend, _ = get_active_backend()
        assert isinstance(backend, FusingBackend)
        cross_val_score(LogisticRegression(), *data)
    assert backend.session.report.tasks == 5
    assert backend.session.report.tasks_without_fit == 5


def test_the_name_inside_a_block_joins_its_session(session, engine, data, Toy):
    with joblib.parallel_config(backend="skact"):
        cross_val_score(Toy(), *data)
    assert session.report.n_fused == 5


def test_the_name_around_a_block_and_with_other_settings_changes_nothing(data):
    with joblib.parallel_config(backend="skact", n_jobs=3, verbose=0):
        backend, _ = get_active_backend()
        with fused() as inner:
            cross_val_score(LogisticRegression(), *data)
            joblib.Parallel(backend="skact")([joblib.delayed(abs)(1)] * 3)
        assert (inner.report.tasks, backend.session.report.tasks) == (8, 0)
        cross_val_score(LogisticRegression(), *data)
    assert (inner.report.tasks, backend.session.report.tasks) == (8, 5)


def test_fused_leaves_everything_as_it_was(data, state):
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
def test_settings_that_make_no_sense_are_refused(settings, message, state):
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


# ------------------------------------------------------------ nothing is trained twice


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": 3}, "checkpoint must be None or a folder, got 3"),
        ({"checkpoint": ""}, "checkpoint must be None or a folder, got ''"),
        ({"checkpoint": __file__}, "checkpoint must be a folder, got the file"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds must be a number of at least"),
        (
            {"checkpoint_seconds": "1"},
            "checkpoint_seconds must be a number of at least",
        ),
        ({"checkpoint_seconds": np.nan}, "checkpoint_seconds must be a number of at"),
    ],
)
def test_a_checkpoint_that_is_not_allowed_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        fused(**options)


def test_a_checkpoint_without_safetensors_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"safetensors.*skact\[checkpoint\]"):
        fused(checkpoint=tmp_path)


@pytest.mark.parametrize("checkpoint", [True, False])
def test_after_ctrl_c_the_next_block_goes_on(iris, tmp_path, checkpoint):
    options = {"checkpoint": tmp_path / "runs"} if checkpoint else {}
    plain = nets(NET, iris)

    @fused(**options)
    def search():
        nets(NET, iris)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        search()
    (note,) = caught.value.__notes__
    assert "skact keeps 3 fits" in note
    assert "Run the same search again." in note
    with fused(**options) as session:
        same_nets(nets(NET, iris), plain)
    assert session.report.restored == 3
    with fused() as session:  # what one block has taken, the next does not have
        nets(NET, iris)
    assert session.report.restored == 0


def test_fits_that_ctrl_c_cuts_off_go_on_from_there(iris):
    plain = nets(NET, iris)
    seen = []

    def interrupt(run):
        seen.append(run)
        raise KeyboardInterrupt

    def search():
        with fused(n_jobs=1) as session:
            session.train.folder = SimpleNamespace(
                note=interrupt, find=lambda *_: None, write=lambda *_, **__: None
            )
            nets(NET, iris)

    with pytest.raises(KeyboardInterrupt):
        search()
    assert len(seen) == 1
    with fused() as session:
        same_nets(nets(NET, iris), plain)
    assert (session.report.continued, session.report.saved_epochs) == (3, 3)


def test_a_block_that_ends_as_planned_leaves_nothing(iris):
    with fused():
        nets(NET, iris)
    with fused() as session:
        nets(NET, iris)
    assert session.report.restored == 0


@pytest.mark.parametrize("inner", ["loky", "dask"])
def test_workers_keep_checkpoints(iris, tmp_path, inner, request):
    if inner == "dask":
        request.getfixturevalue("client")
    plain = nets(NET, iris)
    for n_restored in (0, 3):
        with fused(inner=inner, n_jobs=2, checkpoint=tmp_path) as session:
            same_nets(nets(NET, iris), plain)
        assert session.report.restored == n_restored


def test_the_report_names_the_folder_and_what_is_not_kept_in_it(iris, tmp_path):
    with fused(checkpoint=tmp_path) as session:
        nets(clone(NET).set_params(random_state=None), iris)
    lines = str(session.report).splitlines()
    assert f"checkpoints in {str(tmp_path)!r}" in lines
    assert any(
        line.startswith("  3 fits could not be found again, because random_state=None")
        for line in lines
    )
