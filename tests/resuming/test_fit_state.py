"""A fit that goes on from a state ends where it would have ended in one go."""

from dataclasses import replace

import torch

from skact.engine.jobs import Outcome
from skact.resuming.fit_state import FitState


def test_a_fit_goes_on_from_its_state_as_if_it_had_never_stopped(kind, fits):
    X, y = fits.data_of(kind)
    whole = fits.job_of(fits.net_of(kind), X, y)
    at_once = fits.trained(whole)
    first = fits.job_of(fits.net_of(kind), X, y)
    half = fits.trained(replace(first, n_epochs=2))
    state = FitState.of(first, half)
    assert state.n_epochs == 2
    rest = fits.job_of(fits.net_of(kind), X, y)
    assert state.suits(rest)
    state.put_into(rest, outcome := Outcome())
    assert (outcome.restored_epochs, outcome.is_over) == (2, state.is_over)
    if not outcome.is_over:
        fits.trained(rest, outcome)
    fits.assert_same_end((rest, outcome), (whole, at_once))


def test_a_state_shares_nothing_with_its_fit_nor_with_those_that_go_on(fits):
    X, y = fits.data_of("early stopping")
    job = fits.job_of(fits.net_of("early stopping"), X, y)
    outcome = fits.trained(job)
    state = FitState.of(job, outcome)
    others = [fits.job_of(fits.net_of("early stopping"), X, y) for _ in range(2)]
    outcomes = [Outcome(), Outcome()]
    for other, of_other in zip(others, outcomes, strict=True):
        state.put_into(other, of_other)
    with torch.no_grad():
        for parameter in (*job.module.parameters(), *others[0].module.parameters()):
            parameter.zero_()
        for of_fit in (outcome, outcomes[0]):
            for weights in of_fit.stopping.best_weights.values():
                weights.zero_()
    assert any(p.abs().sum() > 0 for p in others[1].module.parameters())
    assert any(w.abs().sum() > 0 for w in outcomes[1].stopping.best_weights.values())


def test_a_state_says_whether_more_epochs_change_nothing(fits):
    X, y = fits.data_of("adam")
    job = fits.job_of(fits.net_of("adam", max_epochs=3), X, y)
    state = FitState.of(job, fits.trained(job))
    assert not state.is_over  # it may go on with more epochs
    longer = fits.job_of(fits.net_of("adam", max_epochs=5), X, y)
    state.put_into(longer, outcome := Outcome())
    assert not outcome.is_over
    job = fits.job_of(fits.net_of("sgd with momentum", lr=1e30), X, y)
    diverged = FitState.of(job, fits.trained(job))
    assert diverged.is_over
    assert diverged.n_epochs < 6


def test_a_state_of_other_shapes_suits_no_fit(fits):
    X, y = fits.data_of("adam")
    job = fits.job_of(fits.net_of("adam"), X, y)
    state = FitState.of(job, fits.trained(job))
    assert not state.suits(fits.job_of(fits.net_of("adam", width=9), X, y))
    assert not state.suits(fits.job_of(fits.net_of("batch norm"), X, y))
    assert not state.suits(fits.job_of(fits.net_of("dropout"), X, y))


def test_the_bytes_of_a_state_count_all_tensors(fits):
    X, y = fits.data_of("adam")
    job = fits.job_of(fits.net_of("adam"), X, y)
    weights = sum(p.nbytes for p in job.module.parameters())
    assert FitState.of(job, fits.trained(job)).nbytes >= 3 * weights  # and two states
