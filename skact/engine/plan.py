"""What one fit is, in plain values: the job that an estimator hands to its trainer."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Seeds:
    """One seed for each kind of chance in a fit, so that none disturbs another.

    Order and noise are drawn afresh from ``(seed, epoch)``: the tenth epoch is the same
    whether it follows nine others in one fit or in nine calls of ``partial_fit``.
    """

    weights: int  # initial weights
    order: int  # order of the rows, epoch by epoch
    noise: int  # dropout masks and random activations, epoch by epoch
    split: int  # which rows early stopping holds out

    @classmethod
    def from_random_state(
        cls, random_state: int | np.random.RandomState | None
    ) -> "Seeds":
        """Derive the seeds from scikit-learn's ``random_state``.

        None takes fresh entropy from the operating system, because drawing from
        numpy's global generator, as scikit-learn does, would move it.
        """
        if isinstance(random_state, np.random.RandomState):
            entropy = int(random_state.randint(np.iinfo(np.int32).max))
        else:
            entropy = random_state  # type: ignore[assignment]
        state = np.random.SeedSequence(entropy).generate_state(4, np.uint64)
        # torch takes seeds up to 2**64 - 1, but other tools stop at 2**63 - 1
        return cls(*(int(word >> np.uint64(1)) for word in state))

    @staticmethod
    def of_epoch(seed: int, epoch: int) -> int:
        """Return the seed of one epoch (counted from 0) of a stream."""
        state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
        return int(state[0] >> np.uint64(1))


@dataclass(frozen=True, eq=False)
class FitJob:
    """All that a trainer has to know about one fit."""

    X: Any  # (n, n_features) array or CSR matrix of the dtype to train in
    y: np.ndarray  # (n,) or (n, n_outputs) as the user gave it: labels, not codes
    targets: np.ndarray  # y as the loss wants it: class codes, 0./1., or floats (n, k)
    sample_weight: np.ndarray | None  # (n,), class weights included; None: all equal
    seeds: Seeds
    n_epochs: int  # epochs to train now; earlier ones, if any, are in the net's history
