"""What a log is given, watched without keeping it alive."""

import gc
import weakref
from typing import Any

import pytest

from skact import TrainingLog


class KeptWeights:
    """Counts the trajectories that logs have got, and those that are still alive."""

    def __init__(self) -> None:
        self.references: list[weakref.ref[Any]] = []

    @property
    def n_received(self) -> int:
        return len(self.references)

    @property
    def n_alive(self) -> int:
        gc.collect()
        return sum(reference() is not None for reference in self.references)


@pytest.fixture
def kept_weights(monkeypatch: pytest.MonkeyPatch) -> KeptWeights:
    kept, receive = KeptWeights(), TrainingLog.receive_weights

    def watch(log: TrainingLog, net: Any, trajectory: Any) -> None:
        kept.references.append(weakref.ref(trajectory))
        receive(log, net, trajectory)

    monkeypatch.setattr(TrainingLog, "receive_weights", watch)
    return kept
