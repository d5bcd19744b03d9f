"""What looks at networks between epochs: side by side, each on a thread of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from skact.engine.plan import Evaluation
from skact.threads import side_by_side

# multiplications below which threads are not worth the start
_LITTLE_WORK = 2**27


Weights = dict[str, Tensor]  # parameters and running statistics, by name


@dataclass(frozen=True)
class Trajectory:
    """What one fit did to a network: its weights after each epoch."""

    first_epoch: int  # epochs there were before, in earlier fits
    initial: Weights
    epochs: Sequence[Weights]
    X: Any  # the rows that trained: (n, n_features) array or CSR matrix
    targets: Any  # as the loss wants them


def weights_of(module: nn.Module) -> Weights:
    """Copy a network's parameters and running statistics as they are now."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: value.detach().clone() for name, value in named}


def evaluate(
    evaluations: Sequence[Evaluation], n_threads: int
) -> list[Exception | None]:
    """Run all of them; return what each raised.

    Each computes on one thread, so no bit depends on how many run at a time.
    """
    small = sum(evaluation.work for evaluation in evaluations) < _LITTLE_WORK
    n_workers = 1 if small else min(n_threads, len(evaluations))
    return list(side_by_side(_attempt, evaluations, n_workers))


def _attempt(evaluation: Evaluation) -> Exception | None:
    try:
        evaluation()
    except Exception as error:
        return error
    return None
