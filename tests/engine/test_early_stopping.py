"""The rule of early stopping is skorch's, and the best weights are of their epoch."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skorch.callbacks import EarlyStopping

from skact.engine.early_stopping import asks_to_stop, begin_rule, note_epoch
from skact.engine.jobs import EpochRecord, StoppingRule
from skact.engine.train import train

scores = st.floats(-3, 3) | st.sampled_from([0.0, 1.0, math.inf, math.nan])
options = st.fixed_dictionaries(
    {
        "patience": st.integers(-1, 4),
        "threshold": st.sampled_from([0, 1e-4, 0.3, -0.1]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "lower_is_better": st.booleans(),
    }
)


def record(score):
    return EpochRecord(score, [score], [1.0], [1], 0.0)


def begin(**options):
    return begin_rule(StoppingRule("train_loss", load_best=False, **options))


@given(options=options, values=st.lists(scores, min_size=1, max_size=12))
def test_a_rule_stops_where_skorchs_callback_does(options, values):
    theirs, ours = EarlyStopping("train_loss", **options), begin(**options)
    net = SimpleNamespace(verbose=0, history={})
    theirs.on_train_begin(net)
    for epoch, value in enumerate(values, 1):
        net.history = {(-1, "train_loss"): value, (-1, "epoch"): epoch}
        try:
            theirs.on_epoch_end(net)
            stops = False
        except KeyboardInterrupt:
            stops = True
        improved = note_epoch(ours, record(value), epoch)
        assert improved == (ours.best_epoch == epoch)
        assert asks_to_stop(ours) == stops
        assert (ours.misses, ours.best_epoch) == (theirs.misses_, theirs.best_epoch_)
        assert repr(float(ours.dynamic_threshold)) == (
            repr(float(theirs.dynamic_threshold_))
        )
        if stops:
            return


def test_a_job_without_a_rule_has_no_state(make_job):
    assert begin_rule(None) is None
    (outcome,) = train([make_job()]).outcomes
    assert outcome.stopping is None


@pytest.mark.parametrize("n_lanes", [1, 5])
@pytest.mark.parametrize("norm", [None, "batch"])
def test_the_best_weights_are_those_after_the_best_epoch(norm, n_lanes, make_job):
    rule = StoppingRule("train_loss", 2, 0.0, "abs", True, True)
    fields = {
        "optimizer": torch.optim.Adam,
        "norm": norm,
        "lr": 0.3,
        "hidden": (70, 40),  # a block of its own in a stack
        "first_epoch": 3,
        "n_epochs": 12,
    }
    jobs = [
        make_job("prelu", seed=i, stopping=rule, keeps_weights=True, **fields)
        for i in range(n_lanes)
    ]
    outcomes = train(jobs).outcomes
    for job, outcome in zip(jobs, outcomes, strict=True):
        state, losses = outcome.stopping, [r.train_loss for r in outcome.records]
        assert state.best_epoch == 4 + losses.index(min(losses))
        best = outcome.weights[state.best_epoch - 4]
        assert best.keys() == state.best_weights.keys()
        assert best.keys() == job.module.state_dict().keys()
        for name, value in best.items():
            assert torch.equal(value, state.best_weights[name])
            assert state.best_weights[name].dtype == value.dtype
        last = outcome.weights[-1]  # the network itself has the last weights
        assert all(torch.equal(v, last[k]) for k, v in job.module.state_dict().items())
    assert min(len(outcome.records) for outcome in outcomes) < 12


def test_weights_are_kept_only_if_asked_for(make_job):
    rule = StoppingRule("train_loss", 2, 0.0, "abs", True, False)
    (outcome,) = train([make_job(stopping=rule)]).outcomes
    assert outcome.stopping.best_epoch > 0
    assert outcome.stopping.best_weights is None
