"""Worker processes train a part of a search: nothing shows it but the time."""

import contextvars
import errno
import functools
import os
import signal
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skact import ActMLP, ActMLPRegressor, TrainingLog, checkpoints, fused
from skact.backend import engine_helpers, joblib_backends
from skact.backend.engine_helpers import TrainWithWorkers, WorkerHelpers
from skact.backend.engine_worker import MOST_PIECES, open_counters
from skact.backend.worker_pool import pool
from skact.engine.jobs import FitJob, Outcome
from skact.engine.stack_run import StackRun
from skact.noise import noisy_modules_of


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def workers():
    """Two workers that are ready: no test depends on when they start."""
    pool.start(2)
    wait_until(lambda: pool.n_ready == 2)
    yield pool
    pool.stop()


@pytest.fixture(autouse=True)
def _cores_for_the_workers(monkeypatch):
    monkeypatch.setattr(joblib_backends, "count_cores", lambda: 3)


@pytest.fixture
def _at_once(workers, monkeypatch):
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0)
    workers.pace = None  # so that lanes are handed over after an epoch
    if not workers.n_workers:  # a test has killed them
        workers.start(2)
    wait_until(lambda: workers.n_ready == 2)


GRID = {"activation": ["relu", "tanh", "prelu"], "lr": [0.001, 0.01]}
KINDS = {
    "plain": {},
    "large, one by one": {"hidden": (400, 200), "max_epochs": 4},
    "dropout": {"dropout": 0.3},
    "batch norm": {"norm": "batch", "optimizer": "adamw"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9, "dtype": "float64"},
    "random slopes": {"activation": "rrelu"},
    "a schedule": {"lr_schedule": "cosine", "warmup": 0.2},
    "early stopping": {"early_stopping": True, "patience": 3, "norm": "batch"},
}


def weights_and_losses(net):
    return net.module_.state_dict(), net.history_[:, "train_loss"]


def assert_same_fits(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        (state, losses), (state_2, losses_2) = map(weights_and_losses, (one, other))
        assert losses == losses_2
        for name, value in state.items():
            assert torch.equal(value, state_2[name]), name
        assert (
            one.optimizer_.param_groups[0]["lr"]
            == (other.optimizer_.param_groups[0]["lr"])
        )
        noise, noise_2 = (
            [part.noise for part in noisy_modules_of(net.module_)]
            for net in (one, other)
        )
        assert noise == noise_2
        for parameter, twin in zip(
            one.module_.parameters(), other.module_.parameters(), strict=True
        ):
            states = [
                net.optimizer_.state.get(p, {})
                for net, p in ((one, parameter), (other, twin))
            ]
            assert states[0].keys() == states[1].keys()
            for name, value in states[0].items():
                if name != "momentum_buffer" or value is not None:
                    assert torch.equal(value, states[1][name]), name


def nets_of(kind):
    settings = {"width": 16, "max_epochs": 12, "batch_size": 30, "random_state": 0}
    return [
        ActMLP(**{**settings, "lr": 0.01 * (1 + i % 3), **KINDS[kind]})
        for i in range(9)
    ]


def fit_all(nets, X, y, **settings):
    with fused(n_jobs=3, **settings) as session:
        fitted = joblib.Parallel()(joblib.delayed(clone(net).fit)(X, y) for net in nets)
    return fitted, session.report


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_on_workers_is_the_fit_alone(digits, kind):
    (X, y), nets = digits, nets_of(kind)
    together, report = fit_all(nets, X, y)
    assert report.on_workers > 0
    assert report.n_fused + report.restored == len(nets)
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets])


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_workers_give_back_is_the_fit_alone(digits, kind, monkeypatch):
    """Workers are told, before they begin, to give back what one epoch leaves."""
    submit, given_back = engine_helpers.pool.submit, []

    def submit_and_recall(work, folder, place):
        counters = open_counters(Path(folder))
        counters[MOST_PIECES + place] = 1
        return submit(work, folder, place)

    def rest(run):
        found = original(run)
        given_back.append(found is not None)
        return found

    original = StackRun.rest
    piece = functools.partial(engine_helpers._Piece, is_recalled=True)
    monkeypatch.setattr(engine_helpers.pool, "submit", submit_and_recall)
    monkeypatch.setattr(engine_helpers, "_Piece", piece)
    monkeypatch.setattr(StackRun, "rest", rest)
    (X, y), nets = digits, nets_of(kind)
    together, report = fit_all(nets, X, y)
    assert any(given_back)
    assert report.n_fused + report.restored == len(nets)
    assert report.lost == 0
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets])


@pytest.mark.usefixtures("_at_once")
def test_weighted_rows_and_sparse_tables_get_to_workers(digits):
    X, y = digits
    weight = np.arange(len(y)) % 3
    net = ActMLPRegressor(width=8, max_epochs=6, random_state=0)
    with fused(n_jobs=3) as session:
        nets = joblib.Parallel()(
            joblib.delayed(clone(net).set_params(random_state=i).fit)(
                sp.csr_matrix(X), y * 1.0, sample_weight=weight
            )
            for i in range(4)
        )
    assert session.report.on_workers > 0
    alone = [
        clone(net).set_params(random_state=i).fit(X, y * 1.0, sample_weight=weight)
        for i in range(4)
    ]
    for one, other in zip(nets, alone, strict=True):
        np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-3)


@pytest.mark.usefixtures("_at_once")
def test_fits_go_on_after_partial_fit_on_workers(digits):
    X, y = digits
    nets = [ActMLP(width=8, max_epochs=5, random_state=i) for i in range(6)]
    for net in nets:
        net.fit(X, y)
    with fused(n_jobs=3) as session:
        again = joblib.Parallel()(
            joblib.delayed(net.partial_fit)(X, y, epochs=7) for net in nets
        )
    assert session.report.on_workers > 0
    whole = [ActMLP(width=8, max_epochs=12, random_state=i).fit(X, y) for i in range(6)]
    assert_same_fits(again, whole)


@pytest.mark.usefixtures("_at_once")
def test_a_log_and_its_scorer_have_what_workers_trained(digits):
    X, y = digits
    frames = []
    for n_jobs in (1, 3):
        log = TrainingLog()
        net = ActMLP(width=8, max_epochs=5, random_state=0).set_callbacks(log)
        search = GridSearchCV(
            net, GRID, cv=2, refit=False, scoring=log.scorer("accuracy")
        )
        with fused(n_jobs=n_jobs) as session:
            search.fit(X, y)
        assert (session.report.on_workers > 0) == (n_jobs > 1)
        frames.append(log.to_frame().drop(columns=["dur"], errors="ignore"))
    assert frames[0].equals(frames[1])


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_n_jobs_of_the_search_is_heeded(digits, n_jobs):
    net = ActMLP(width=8, max_epochs=6, random_state=0)
    search = GridSearchCV(net, GRID, cv=2, refit=False, n_jobs=n_jobs)
    with fused(n_jobs=3) as session:
        search.fit(*digits)
    assert (session.report.on_workers > 0) == (n_jobs != 1)


@pytest.mark.usefixtures("_at_once")
def test_what_a_process_keeps_for_itself_is_trained_in_it(digits):
    X, y = digits
    nets = [
        ActMLP(activation=torch.sin, width=8, random_state=i, max_epochs=4)
        for i in range(4)
    ]
    together, report = fit_all(nets, X, y)
    assert report.on_workers == 0
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets])


@pytest.mark.usefixtures("_at_once")
def test_a_network_that_cannot_be_pickled_is_trained_here(digits):
    class Noting(ActMLP):
        def initialize_module(self):
            super().initialize_module()
            self.module_.note = lambda: None
            return self

    nets = [Noting(width=8, random_state=i, max_epochs=4) for i in range(4)]
    together, report = fit_all(nets, *digits)
    assert report.on_workers == 0
    assert_same_fits(together, [clone(net).fit(*digits) for net in nets])


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("n_files", [0, 1, 2])
def test_where_the_disk_is_full_all_is_trained_here(digits, monkeypatch, n_files):
    def write(path, content, _write=Path.write_bytes):
        written.append(path)
        if len(written) > n_files:
            raise OSError(errno.ENOSPC, "No space left on device")
        return _write(path, content)

    written: list = []
    monkeypatch.setattr(Path, "write_bytes", write)
    nets = [ActMLP(width=8, random_state=i, max_epochs=4) for i in range(4)]
    together, report = fit_all(nets, *digits)
    assert report.on_workers == max(n_files - 1, 0)
    assert_same_fits(together, [clone(net).fit(*digits) for net in nets])


@pytest.mark.usefixtures("_at_once")
def test_where_the_folder_for_temporary_files_is_gone_all_is_trained_here(
    digits, monkeypatch, tmp_path
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "removed"))
    nets = [ActMLP(width=8, random_state=i, max_epochs=4) for i in range(4)]
    together, report = fit_all(nets, *digits)
    assert report.on_workers == 0
    assert not report.failed
    assert_same_fits(together, [clone(net).fit(*digits) for net in nets])


class KillOnce:
    """Kills a worker when the first epochs are counted."""

    def __init__(self, monkeypatch):
        self.done = False
        send = WorkerHelpers._send

        def send_and_kill(helpers, runs):
            send(helpers, runs)
            if not self.done:
                self.done = True
                for process in list(pool._executor._processes.values()):
                    os.kill(process.pid, signal.SIGKILL)

        monkeypatch.setattr(WorkerHelpers, "_send", send_and_kill)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("checkpoint", [False, True])
def test_the_fits_of_a_worker_that_was_killed_are_trained_again(
    digits, monkeypatch, tmp_path, checkpoint
):
    KillOnce(monkeypatch)
    options = {"checkpoint": tmp_path} if checkpoint else {}
    nets = [ActMLP(width=8, random_state=i, max_epochs=8) for i in range(6)]
    together, report = fit_all(nets, *digits, **options)
    assert_same_fits(together, [clone(net).fit(*digits) for net in nets])
    assert report.lost > 0
    assert "trained again, because a worker process died" in str(report)
    if checkpoint:
        assert set(checkpoints(tmp_path)["epochs"]) == {8}
        _, report = fit_all(nets, *digits, **options)
        assert report.restored == 6


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("kind", KINDS)
def test_workers_write_checkpoints_which_others_go_on_from(digits, kind, tmp_path):
    (X, y), nets = digits, nets_of(kind)
    options = {"checkpoint": tmp_path, "checkpoint_seconds": 0}
    short = [clone(net).set_params(max_epochs=3) for net in nets]
    fit_all(short, X, y, **options)
    found = checkpoints(tmp_path)
    assert set(found["fit"]) == set(found["fit"][found["state"] == "ended"])
    together, report = fit_all(nets, X, y, **options)
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets])
    assert report.continued + report.restored > 0 or kind == "a schedule"


@pytest.mark.usefixtures("_at_once")
def test_results_that_cannot_be_read_are_trained_again(digits, monkeypatch):
    def read(path, _read=Path.read_bytes):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", read)  # in this process, not in workers
    nets = [ActMLP(width=8, random_state=i, max_epochs=8) for i in range(6)]
    together, report = fit_all(nets, *digits)
    assert report.lost > 0
    assert not report.failed
    assert report.on_workers <= len(nets)
    assert_same_fits(together, [clone(net).fit(*digits) for net in nets])


@pytest.mark.usefixtures("_at_once")
def test_after_ctrl_c_the_epochs_of_workers_are_kept_and_the_files_are_gone(
    digits, monkeypatch
):
    folders = []
    monkeypatch.setattr(
        tempfile,
        "mkdtemp",
        lambda *args, _make=tempfile.mkdtemp, **kwargs: (
            folders.append(_make(*args, **kwargs)) or folders[-1]
        ),
    )
    receive = WorkerHelpers._receive

    def press(helpers):
        receive(helpers)
        if any(helpers._counters[piece.place] for piece in helpers._pieces.values()):
            raise KeyboardInterrupt

    monkeypatch.setattr(WorkerHelpers, "_receive", press)
    kept = []
    close = WorkerHelpers.close

    def note(helpers):
        monkeypatch.setattr(WorkerHelpers, "_receive", receive)
        runs = [run for piece in helpers._pieces.values() for run in piece.runs]
        close(helpers)
        kept.extend(len(o.records) for run in runs for o in run.outcomes)

    monkeypatch.setattr(WorkerHelpers, "close", note)
    nets = [ActMLP(width=8, random_state=i, max_epochs=3000) for i in range(6)]
    with pytest.raises(KeyboardInterrupt), fused(n_jobs=3) as session:
        joblib.Parallel()(joblib.delayed(net.fit)(*digits) for net in nets)
    assert kept
    assert max(kept) > 1
    assert "interrupted after" in str(session.report)
    assert folders
    assert not any(Path(folder).exists() for folder in folders)
    assert pool.n_ready == 2  # they wait for the next search


@pytest.mark.usefixtures("_at_once")
def test_the_bar_counts_the_epochs_of_workers(digits):
    nets = [ActMLP(width=8, random_state=i, max_epochs=8) for i in range(6)]
    with fused(n_jobs=3, progress=True) as session:
        joblib.Parallel()(joblib.delayed(net.fit)(*digits) for net in nets)
    assert session.report.on_workers > 0
    assert session.progress.done == session.progress.total == 6 * 8


# ------------------------------------------------------------------ who gets what


class Ready:
    """Stands in for the pool: workers that never do anything."""

    n_workers = n_ready = 3
    pace = None
    seconds_without = 0.0

    def start(self, n):
        self.n_workers = n


@pytest.fixture
def runs_of(make_run):
    return lambda sizes: deque(make_run(n) for n in sizes)


@pytest.fixture
def make_run(digits):
    from skact.engine.batches import Tables

    def make(n_lanes, n_epochs=10):
        X, y = digits
        jobs = []
        for i in range(n_lanes):
            net = ActMLP(width=8, random_state=i)
            net.initialize(X, y)
            jobs.append(
                FitJob(
                    X,
                    np.zeros(len(X), np.int64),
                    None,
                    net.seeds_,
                    n_epochs,
                    0,
                    32,
                    True,
                    "cross_entropy",
                    net.module_,
                    net.optimizer_,
                )
            )
        return StackRun(jobs, [Outcome() for _ in jobs], Tables(), 1)

    return make


def helpers_with(ready, monkeypatch):
    helpers = WorkerHelpers(3)
    helpers._pool = ready
    sent = []
    monkeypatch.setattr(helpers, "_send", sent.append)
    return helpers, sent


def test_a_lone_network_that_waits_is_given_away_before_parts_of_others(make_run):
    lone, pair = make_run(1), make_run(2)
    for waits, factor, is_taken in [(lone, 1.6, True), (pair, 1.6, False)]:
        waiting, run = deque([waits]), make_run(1)  # which cannot be split
        taken = engine_helpers._take(waits.cost_left / factor, waiting, run)
        assert (waits in taken) is is_taken


@pytest.mark.parametrize(
    ("n_lanes", "seconds_left", "is_asked"),
    [(4, 10.0, True), (1, 10.0, False), (4, 0.01, False)],
)
def test_who_has_nothing_to_do_asks_workers_for_what_is_left(
    make_run, monkeypatch, n_lanes, seconds_left, is_asked
):
    helpers, _ = helpers_with(ready := Ready(), monkeypatch)
    piece = engine_helpers._Piece([make_run(n_lanes)], place=7)
    ready.pace = seconds_left / piece.cost
    helpers._pieces[future := Future()] = piece
    helpers._counters = np.zeros(2 * MOST_PIECES, np.int64)
    future.set_result(None)
    monkeypatch.setattr(helpers, "_receive", helpers._pieces.clear)
    assert helpers.collect() == []
    assert piece.is_recalled is is_asked
    assert helpers._counters[MOST_PIECES + 7] == is_asked
    piece.counted = piece.n_epochs  # the worker has told of all epochs
    assert piece.cost_left == 0


@pytest.mark.parametrize("sizes", [(), (4,), (1,) * 9, (2, 30, 3)])
def test_every_lane_is_in_one_place_and_each_worker_gets_a_part(
    make_run, runs_of, monkeypatch, sizes
):
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0)
    helpers, sent = helpers_with(Ready(), monkeypatch)
    run, waiting = make_run(20), runs_of(sizes)
    before = run.cost_left + sum(one.cost_left for one in waiting)
    run.seconds, run.cost_done = 1.0, run.cost_left / 10
    helpers.share(waiting, run)
    assert len(sent) == 3
    given = [one for runs in sent for one in runs]
    lanes = [(id(one.jobs[i])) for one in (run, *waiting, *given) for i in one.active]
    assert len(lanes) == len(set(lanes)) == 20 + sum(sizes)
    shares = [sum(one.cost_left for one in runs) / before for runs in sent]
    assert max(shares) < 0.45
    assert run.active


def test_workers_start_only_when_the_rest_outlasts_their_start(make_run, monkeypatch):
    class Cold(Ready):
        n_workers = n_ready = 0

    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_START", 4.0)
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0.1)
    run = make_run(6)
    for seconds, started in [(0.1, 0), (10.0, 3)]:
        helpers, sent = helpers_with(cold := Cold(), monkeypatch)
        run.seconds, run.cost_done = seconds, run.cost_left
        helpers.share(deque(), run)
        assert cold.n_workers == started
        assert not sent


def test_who_searches_again_and_again_gets_workers(make_run, monkeypatch):
    class Cold(Ready):
        n_workers = n_ready = 0

    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_START", 4.0)
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0.1)
    cold = Cold()
    for n_searches in range(3):
        assert cold.n_workers == 0, n_searches
        run = make_run(6)
        helpers, _ = helpers_with(cold, monkeypatch)
        run.seconds, run.cost_done = 1.9, 9 * run.cost_left  # .2 seconds are left
        helpers.share(deque(), run)
        helpers.close()
    assert cold.n_workers == 3


def test_work_is_shared_before_the_first_epoch_once_the_pace_is_known(
    make_run, monkeypatch
):
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0)
    helpers, sent = helpers_with(ready := Ready(), monkeypatch)
    run = make_run(8)
    helpers.share(deque(), run)
    assert not sent
    ready.pace = 1e-6
    helpers.share(deque(), run)
    assert len(sent) == 3


def test_where_no_worker_can_start_all_is_trained_here(make_run, monkeypatch):
    class Barren(Ready):
        n_workers = n_ready = 0

        def start(self, n):
            raise OSError(errno.ENOSYS, "no semaphores")

    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_START", 0)
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0)
    helpers, sent = helpers_with(Barren(), monkeypatch)
    run, waiting = make_run(6), deque([make_run(2)])
    run.seconds, run.cost_done = 10.0, run.cost_left
    for _ in range(2):
        helpers.share(waiting, run)
    assert not sent
    assert len(waiting) == 1


def test_one_lane_alone_is_not_given_away(make_run):
    assert make_run(1).split(1e12) is None


@pytest.mark.usefixtures("_at_once")
def test_a_worker_begins_with_a_large_network_before_the_wave(
    digits, workers, monkeypatch
):
    (X, y), nets = digits, nets_of("large, one by one")
    events = []
    submit, train = pool.submit, engine_helpers.train

    def note_submit(*arguments):
        events.append("sent")
        return submit(*arguments)

    def note_wave(jobs, **options):
        events.append(len(jobs))
        return train(jobs, **options)

    monkeypatch.setattr(pool, "submit", note_submit)
    monkeypatch.setattr(engine_helpers, "train", note_wave)
    workers.pace = 1.0  # so that each network is worth a message
    together, report = fit_all(nets, X, y)
    # two for each of two workers; the wave begins when this process has two, as well
    assert len(nets) >= 6
    assert events[:5] == [*["sent"] * 4, 2]
    assert (report.n_fused + report.restored, report.waves) == (len(nets), 1)
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets])


@pytest.mark.usefixtures("_at_once")
def test_a_small_network_waits_for_its_wave(make_run, workers, monkeypatch):
    run, sent = make_run(1), []
    monkeypatch.setattr(pool, "submit", lambda *arguments: sent.append(arguments))
    workers.pace = 1.0
    train = TrainWithWorkers()
    train.begin(run.jobs[0], run.outcomes[0], n_processes=3)
    assert not sent


@pytest.mark.usefixtures("_at_once")
def test_what_has_begun_for_a_wave_that_does_not_come_leaves_nothing(
    digits, workers, monkeypatch
):
    (X, y), sent = digits, []
    workers.pace = 1.0
    submit = pool.submit

    def note_submit(*arguments):
        sent.append(arguments)
        return submit(*arguments)

    monkeypatch.setattr(pool, "submit", note_submit)
    nets = nets_of("large, one by one")[:5]
    nets[-1].set_params(width=-1, hidden=None)  # refused before it parks
    before = set(Path(tempfile.gettempdir()).glob("skact-*"))
    with fused(n_jobs=3) as session, pytest.raises(ValueError, match="'width'"):
        joblib.Parallel()(joblib.delayed(clone(net).fit)(X, y) for net in nets)
    assert (session.report.waves, len(sent)) == (0, 4)
    assert set(Path(tempfile.gettempdir()).glob("skact-*")) == before
    wait_until(lambda: workers.n_ready == 2)
    together, _ = fit_all(nets[:-1], X, y)  # the workers are there for the next search
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets[:-1]])


@pytest.mark.usefixtures("_at_once")
def test_a_fit_in_a_thread_of_a_task_leaves_alone_what_has_begun(digits, workers):
    """A lone fit trains by the same object, and must not end the others' pieces."""
    (X, y), nets = digits, nets_of("large, one by one")[:4]
    workers.pace = 1.0
    small = ActMLP(width=4, max_epochs=1, random_state=0)

    def fit(net):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(small.fit, X, y))
        thread.start()
        thread.join()
        return clone(net).fit(X, y)

    with fused(n_jobs=3) as session:
        together = joblib.Parallel()(joblib.delayed(fit)(net) for net in nets)
    assert session.report.n_fused == 4
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets])


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_network_of_a_cancelled_fit_stays_as_it_is(digits, workers, error):
    X, y = digits
    workers.pace = 1.0
    nets = [clone(net) for net in nets_of("large, one by one")[:2]]

    def job(i):
        if i < 2:
            return nets[i].fit(X, y)
        wait_until(lambda: not pool._n_running)  # the pieces have ended
        raise error("enough")

    with fused(n_jobs=3) as session, pytest.raises(error):
        joblib.Parallel()(joblib.delayed(job)(i) for i in range(3))
    assert session.report.on_workers == 0
    for net in nets:
        begun = clone(net).initialize(X, y).module_.state_dict()
        assert not net.history_
        for name, value in net.module_.state_dict().items():
            assert torch.equal(value, begun[name]), name


@pytest.mark.usefixtures("_at_once")
def test_tasks_that_come_while_a_wave_trains_do_not_make_it_early(digits, workers):
    X, y = digits
    net = clone(nets_of("large, one by one")[0])
    search = GridSearchCV(
        net, {"lr": [0.01, 0.02]}, cv=3, n_jobs=2, pre_dispatch=2, refit=False
    )
    with fused(n_jobs=3) as session:
        search.fit(X, y)
    assert (session.report.n_fused, session.report.early_waves) == (6, 0)


@pytest.mark.usefixtures("_at_once")
def test_what_a_killed_worker_had_begun_is_trained_again(digits, workers, monkeypatch):
    workers.pace = 1.0
    killed = KillOnce(monkeypatch)  # by the first message, which is before the wave
    nets = nets_of("large, one by one")[:5]
    together, report = fit_all(nets, *digits)
    assert killed.done
    assert report.lost > 0
    assert_same_fits(together, [clone(net).fit(*digits) for net in nets])


@pytest.mark.usefixtures("_at_once")
def test_what_has_begun_belongs_to_the_wave_that_full_memory_starts(digits, workers):
    X, y = digits
    workers.pace = 1.0
    nets = nets_of("large, one by one")
    together, report = fit_all(nets, X, y, memory=3 * 2**20)
    assert report.n_fused + report.restored == len(nets)
    assert report.early_waves > 0
    assert_same_fits(together, [clone(net).fit(X, y) for net in nets])


def test_large_networks_line_up_one_by_one_while_there_are_enough(
    make_run, runs_of, monkeypatch
):
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0)
    monkeypatch.setattr(engine_helpers, "is_large", lambda module: True)
    helpers, sent = helpers_with(ready := Ready(), monkeypatch)
    ready.pace = 1e-6

    def note(runs):
        sent.append(runs)
        helpers._pieces[Future()] = engine_helpers._Piece(runs, place=1)
        helpers._counters = np.zeros(2 * MOST_PIECES, np.int64)

    monkeypatch.setattr(helpers, "_send", note)
    waiting = runs_of([1] * 9)
    helpers.share(waiting, make_run(1))
    # two for each of three workers, and this process has more than one to go on with
    assert [len(runs) for runs in sent] == [1] * 6
    assert len(waiting) == 3
    helpers._pieces.clear()
    helpers.share(waiting, make_run(1))
    assert [len(runs) for runs in sent[6:]] == [1] * 3  # nobody waits for a process


def test_fits_that_may_come_count_when_workers_start(make_run, monkeypatch):
    class Cold(Ready):
        n_workers = n_ready = 0

    class Many:
        n_to_come = 100

    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_START", 4.0)
    monkeypatch.setattr(engine_helpers, "SECONDS_WORTH_A_MESSAGE", 0.1)
    for supply, n_started in [(None, 0), (Many(), 3)]:
        helpers, _ = helpers_with(cold := Cold(), monkeypatch)
        helpers.supply, run = supply, make_run(1)
        run.seconds, run.cost_done = 0.1, run.cost_left  # .1 seconds are left of it
        helpers.share(deque(), run)
        assert cold.n_workers == n_started
