"""A lane is the lone fit, bit for bit, on any number of threads.

A lone network measures whether a second thread is faster, so on a busy machine it may
never use one. Here it always does, for the smallest work, too.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skact.engine import layers, stack
from skact.engine.train import train
from skact.thread_choice import ThreadChoice
from skact.threads import use_threads


class MostThreads(ThreadChoice):
    """Uses all threads that are safe, in every step."""

    def __init__(self, max_threads):
        super().__init__(max_threads)
        self.n_threads = max_threads

    def note_step(self, seconds):
        """Choose no other number."""


@pytest.fixture(autouse=True, scope="module")
def _always_threads():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "ThreadChoice", MostThreads)
        patch.setattr(stack, "WORTH_THREADS", 1)
        patch.setattr(layers, "WORTH_THREADS", 1)
        yield


ADAMS = [torch.optim.Adam, torch.optim.AdamW]
widths = st.one_of(st.integers(1, 40), st.sampled_from([31, 32, 33, 35, 64, 100, 121]))
activations = st.sampled_from(
    ["relu", "gelu", "silu", "softmax", "prelu", "swish_beta", "rrelu", torch.sin]
)


@st.composite
def networks(draw):
    return {
        "hidden": tuple(draw(st.lists(widths, max_size=3))),
        "norm": draw(st.sampled_from([None, "batch", "layer"])),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "optimizer": draw(st.sampled_from([torch.optim.SGD, *ADAMS])),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64])),
        "loss": draw(
            st.sampled_from(["cross_entropy", "bce_with_logits", "squared_error"])
        ),
        "batch_size": draw(st.one_of(st.just(-1), st.integers(1, 200))),
    }


def assert_lanes_are_lone_fits(make_job, kinds, n_lanes, n_threads, *, X, **network):
    dtype = str(network["dtype"]).removeprefix("torch.")
    X, targets = X.astype(dtype), None
    if network["loss"] != "cross_entropy":
        targets = (np.arange(len(X)) % 2).astype(dtype)
        if network["loss"] == "squared_error":
            targets = targets.reshape(-1, 1)

    def job(lane):
        given = {} if targets is None else {"targets": targets}
        kind, lr = kinds[lane % len(kinds)], 0.01 * (1 + lane % 2)
        return make_job(kind, seed=lane, lr=lr, n_epochs=2, X=X, **network, **given)

    with use_threads(n_threads):
        together = [job(lane) for lane in range(n_lanes)]
        train(together, n_threads=n_threads)
        for lane in {0, n_lanes // 2, n_lanes - 1}:
            for threads in {1, n_threads}:
                alone = job(lane)
                train([alone], n_threads=threads)
                for ours, theirs in zip(
                    together[lane].module.state_dict().items(),
                    alone.module.state_dict().items(),
                    strict=True,
                ):
                    ours, theirs = ours[1].nan_to_num(7.0), theirs[1].nan_to_num(7.0)
                    assert torch.equal(ours, theirs), (lane, threads)


@settings(max_examples=40)
@given(
    network=networks(),
    kinds=st.lists(activations, min_size=1, max_size=3),
    n_lanes=st.integers(2, 24),
    n_threads=st.integers(1, 4),
    n_rows=st.integers(2, 300),
    n_features=widths,
)
def test_a_lane_is_the_lone_fit_on_any_number_of_threads(
    make_job, network, kinds, n_lanes, n_threads, n_rows, n_features
):
    X = np.random.default_rng(0).normal(size=(n_rows, n_features))
    assert_lanes_are_lone_fits(make_job, kinds, n_lanes, n_threads, X=X, **network)


COMMON = {
    "norm": None,
    "optimizer": torch.optim.AdamW,
    "dtype": torch.float32,
    "loss": "cross_entropy",
}


@pytest.mark.parametrize(
    ("kinds", "n_lanes", "n_threads", "n_features", "network"),
    [
        # torch multiplied lane by lane, each product on two threads
        (["gelu"], 18, 2, 33, {"hidden": (18, 7, 24), "batch_size": 34}),
        # a softmax is divided by rows, however few they are
        (["elu", "relu", "softmax"], 24, 3, 20, {"hidden": (30,), "batch_size": 64}),
    ],
)
def test_a_lane_that_threads_once_changed_is_the_lone_fit(
    make_job, kinds, n_lanes, n_threads, n_features, network
):
    X = np.random.default_rng(0).normal(size=(300, n_features))
    network = {**COMMON, "dropout": 0.2, **network}
    assert_lanes_are_lone_fits(make_job, kinds, n_lanes, n_threads, X=X, **network)


def test_a_custom_activation_computes_on_one_thread(make_job):
    counts = []

    def watch(x):  # not elementwise, so it might multiply matrices
        counts.append(torch.get_num_threads())
        return x + x.mean()

    with use_threads(2):
        jobs = [make_job(watch, seed=lane, hidden=(64,)) for lane in range(2)]
        counts.clear()
        train(jobs, n_threads=2)
    assert set(counts) == {1}
