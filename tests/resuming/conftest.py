"""Nets of every kind, and the jobs that their fits give to the engine.

A test with the argument `kind` runs for each kind of net.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from skorch.callbacks import EpochScoring, GradientNormClipping, LRScheduler

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.engine.current_trainer import hand_fits_to
from skact.engine.jobs import Outcome
from skact.engine.train import train

ROWS = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
LABELS = np.arange(90) % 3

# one net of each kind that has a state of its own
NETS = {
    "adam": ActMLP(),
    "sgd with momentum": ActMLP(optimizer="sgd", momentum=0.9, nesterov=True),
    "adamw": ActMLP(optimizer="adamw", weight_decay=0.1, optimizer__eps=1e-6),
    "dropout": ActMLP(dropout=0.3, depth=2),
    "batch norm": ActMLP(norm="batch"),
    "layer norm": ActMLP(norm="layer", dtype="float64"),
    "learned slopes": ActMLP(("prelu", "swish_beta"), depth=2),
    "random slopes": ActMLP("rrelu"),
    "early stopping": ActMLP(early_stopping=True, patience=2, norm="batch"),
    "a schedule": ActMLP(lr_schedule="cosine", warmup=0.2),
    "skorch's schedule": ActMLP(callbacks=[LRScheduler("StepLR", step_size=2)]),
    "clipping": ActMLP(callbacks=[GradientNormClipping(0.1)]),
    "accuracy": ActMLP(
        early_stopping=True, callbacks=[EpochScoring("accuracy", name="acc")]
    ),
    "full batch": ActMLP(batch_size=-1),
    "binary": ActMLPBinary(class_weight="balanced"),
    "regression": ActMLPRegressor(hidden=(7, 3), activation="tanh"),
    "linear": ActMLP(depth=0),
}


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", NETS)


@pytest.fixture(scope="session")
def fits():
    """Functions that make nets and jobs, train them, and compare them."""
    functions = (net_of, data_of, job_of, trained, assert_same_end)
    return SimpleNamespace(**{one.__name__: one for one in functions})


def net_of(kind, **params):
    settings = {"max_epochs": 6, "random_state": 0, "width": 8, "batch_size": 20}
    net = NETS[kind]
    own = net.get_params()
    usual = type(net)().get_params()
    given = {k for k in settings if k in own and own[k] != usual[k]}
    settings = {k: v for k, v in settings.items() if k not in given}
    if net.hidden is not None or net.depth == 0:
        del settings["width"]
    return clone(net).set_params(**settings | params)


def data_of(kind):
    if kind == "binary":
        return ROWS, LABELS > 0
    if kind == "regression":
        return ROWS, ROWS[:, :2] @ np.array([[1.0, 2.0], [0.5, -1.0]], dtype="f")
    if kind == "linear":
        return sparse.csr_matrix(ROWS * (ROWS > 0)), LABELS
    return ROWS, LABELS


class Caught(Exception):
    """Raised in place of a training."""


class Catcher:
    """A trainer that keeps the job of a fit, and trains nothing."""

    def fit(self, job, outcome):
        self.job = job
        raise Caught

    def note_not_fused(self, reason):
        raise AssertionError(reason)

    def note_failed(self, error, *, in_training):
        assert isinstance(error, Caught), error


def job_of(net, X, y, method="fit", **options):
    """Return the job of a fit; its network stands where the fit would begin."""
    catcher = Catcher()
    with hand_fits_to(catcher), pytest.raises(Caught):
        getattr(net, method)(X, y, **options)
    return catcher.job


def trained(job, outcome=None):
    outcome = Outcome() if outcome is None else outcome
    train([job], outcomes=[outcome])
    return outcome


def assert_same_end(one, other):
    """Two pairs of a job and its outcome stand at the same place, bit for bit."""
    (job, outcome), (other_job, other_outcome) = one, other
    for a, b in zip(
        (*job.module.parameters(), *job.module.buffers()),
        (*other_job.module.parameters(), *other_job.module.buffers()),
        strict=True,
    ):
        assert torch.equal(a, b)
        state, known = (
            found.optimizer.state.get(p, {}) for found, p in ((job, a), (other_job, b))
        )
        assert state.keys() == known.keys()
        for name in state:
            equal = torch.equal if torch.is_tensor(state[name]) else np.array_equal
            assert equal(state[name], known[name]), name
    assert len(outcome.records) == len(other_outcome.records)
    for a, b in zip(outcome.records, other_outcome.records, strict=True):
        assert facts_of(a) == facts_of(b)
    if outcome.stopping is not None:
        assert rule_of(outcome.stopping) == rule_of(other_outcome.stopping)
        best, others = (
            outcome.stopping.best_weights,
            other_outcome.stopping.best_weights,
        )
        assert (best is None) is (others is None)
        for name in best or ():
            assert torch.equal(best[name], others[name])


def facts_of(record):
    held = record.held_out
    scores = held and (
        held.loss,
        held.accuracy,
        *map(list, (held.batch_losses, held.batch_weights, held.batch_sizes)),
    )
    batches = (record.batch_losses, record.batch_weights, record.batch_sizes)
    return record.train_loss, record.lr, *map(list, batches), scores


def rule_of(state):
    return state.rule, state.dynamic_threshold, state.misses, state.best_epoch
