"""A folder finds the furthest state of a fit, and no fault of a disk ends a search."""

import pickle
from dataclasses import replace

import pytest

from skact.engine.batches import Tables
from skact.engine.jobs import Outcome
from skact.engine.stack_run import StackRun
from skact.resuming import checkpoint_folder
from skact.resuming.checkpoint_files import files_in
from skact.resuming.checkpoint_folder import CheckpointFolder
from skact.resuming.fit_name import FitNames


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "runs", seconds=0)


@pytest.fixture
def fit(fits):
    """A job and its outcome after some epochs."""

    def make(n_epochs, kind="adam", **params):
        X, y = fits.data_of(kind)
        job = fits.job_of(fits.net_of(kind, max_epochs=n_epochs, **params), X, y)
        outcome = Outcome(name=FitNames().name_of(job))
        return job, fits.trained(job, outcome)

    return make


def files(folder):
    return [(f.n_epochs, f.is_part) for f in files_in(folder.path)]


def test_the_furthest_state_that_is_not_too_far_is_found(folder, fit):
    for n_epochs in (2, 6, 4):
        folder.write(*fit(n_epochs), is_part=False)
    job, outcome = fit(5)
    assert folder.find(outcome.name, job).n_epochs == 4
    assert folder.find(outcome.name, replace(job, n_epochs=1)) is None
    assert folder.find("0" * 40, job) is None


def test_a_later_state_replaces_the_one_under_way_and_no_other(folder, fit):
    folder.write(*fit(2), is_part=False)
    folder.write(*fit(3), is_part=True)
    assert files(folder) == [(2, False), (3, True)]
    folder.write(*fit(4), is_part=True)
    assert files(folder) == [(2, False), (4, True)]
    folder.write(*fit(6), is_part=False)
    assert files(folder) == [(2, False), (6, False)]


def test_a_damaged_file_is_named_and_left_aside_and_the_one_before_is_used(folder, fit):
    for n_epochs in (2, 4):
        folder.write(*fit(n_epochs), is_part=False)
    path = max(files_in(folder.path), key=lambda one: one.n_epochs).path
    path.write_bytes(path.read_bytes()[:-9])
    job, outcome = fit(5)
    with pytest.warns(UserWarning, match=f"{path.name}.*is damaged"):
        assert folder.find(outcome.name, job).n_epochs == 2
    assert files(folder) == [(2, False)]
    assert folder.find(outcome.name, job).n_epochs == 2  # and no warning any more


def test_a_state_of_another_network_is_no_state_of_the_fit(folder, fit):
    job, outcome = fit(3)
    other, _ = fit(3, width=9)
    folder.write(job, outcome, is_part=False)
    with pytest.warns(UserWarning, match="it is of another fit"):
        assert folder.find(outcome.name, other) is None


def test_a_file_that_was_copied_to_the_name_of_another_fit_is_refused(folder, fit):
    one, other = fit(3), fit(3, lr=0.5)
    for job, outcome in (one, other):
        folder.write(job, outcome, is_part=False)
    paths = [file.path for file in files_in(folder.path)]
    paths[0].write_bytes(paths[1].read_bytes())
    name = paths[0].name[:40]
    job = one[0] if one[1].name == name else other[0]
    with pytest.warns(UserWarning, match="it is of another fit"):
        assert folder.find(name, job) is None


def test_a_file_that_cannot_be_read_now_stays_where_it_is(folder, fit, monkeypatch):
    job, outcome = fit(3)
    folder.write(job, outcome, is_part=False)
    (path,) = [file.path for file in files_in(folder.path)]

    def fail(self):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "read_bytes", fail)
        with pytest.warns(UserWarning, match="cannot be read.*Permission denied"):
            assert folder.find(outcome.name, job) is None
    assert folder.find(outcome.name, job).n_epochs == 3


def test_a_disk_that_fails_is_said_once_and_the_search_goes_on(
    folder, fit, monkeypatch
):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_folder, "replace_file", full)
    with pytest.warns(UserWarning, match="cannot be written.*No space left"):
        folder.write(*fit(2), is_part=False)
    folder.write(*fit(3), is_part=False)  # a warning would be an error here
    assert files(folder) == []


def test_fits_that_failed_or_have_no_name_are_not_written(folder, fit):
    job, outcome = fit(2)
    folder.write(job, replace(outcome, name=None), is_part=False)
    folder.write(job, replace(outcome, error=ValueError()), is_part=False)
    folder.write(job, replace(outcome, records=[]), is_part=True)
    assert files(folder) == []


def test_a_file_that_cannot_be_removed_ends_no_search(folder, fit, monkeypatch):
    """On Windows no file can be removed while another process reads it."""

    def refuse(path, missing_ok=False):
        raise PermissionError("it is being used by another process")

    folder.write(*fit(3), is_part=True)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", refuse)
        folder.write(*fit(4), is_part=False)
    assert files(folder) == [(3, True), (4, False)]
    job, outcome = fit(4)
    assert folder.find(outcome.name, job).n_epochs == 4
    folder.write(job, outcome, is_part=False)  # the next time it goes
    assert files(folder) == [(4, False)]


def test_fits_under_way_are_written_now_and_then(fits, folder):
    X, y = fits.data_of("adam")
    jobs = [fits.job_of(fits.net_of("adam", lr=lr), X, y) for lr in (0.1, 0.2, 0.3)]
    outcomes = [Outcome(name=FitNames().name_of(job)) for job in jobs]
    run, seen = StackRun(jobs, outcomes, Tables(), 1), []

    def note(run):
        folder.note(run)
        seen.append(files(folder))

    folder.seconds = 1000.0
    folder.note(run)
    assert files(folder) == []
    folder.seconds = 0.0
    run.train(None, note)
    assert seen == [[(k, True)] * 3 for k in range(1, 6)]
    folder.note(run)
    assert files(folder) == [(6, False)] * 3
    alone = [fits.job_of(fits.net_of("adam", lr=lr), X, y) for lr in (0.1, 0.2, 0.3)]
    for job, outcome, other in zip(jobs, outcomes, alone, strict=True):
        fits.assert_same_end((job, outcome), (other, fits.trained(other)))


def test_lanes_that_went_elsewhere_are_written_there(fits, folder):
    X, y = fits.data_of("adam")
    jobs = [fits.job_of(fits.net_of("adam", lr=lr), X, y) for lr in (0.1, 0.2)]
    outcomes = [Outcome(name=FitNames().name_of(job)) for job in jobs]
    run = StackRun(jobs, outcomes, Tables(), 1)
    part = run.split(run.cost_left / 2)
    part.train(None)
    run.train(None)
    folder.note(run)
    assert len(files(folder)) == 1


def test_a_worker_gets_the_folder_and_its_own_clock(folder):
    other = pickle.loads(pickle.dumps(folder))
    assert (other.path, other.seconds) == (folder.path, folder.seconds)
