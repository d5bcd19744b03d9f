"""Where a fit stands: its network, its optimizer, and what it has recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from skact.engine.early_stopping import asks_to_stop
from skact.engine.jobs import EpochRecord, FitJob, Outcome, StoppingState
from skact.engine.weights import Weights
from skact.noise import noisy_modules_of

# of each parameter: its values, and the optimizer's state; buffers; noise
NetworkState = tuple[list[Tensor], list[dict[str, Any] | None], list[Tensor], list[Any]]


def state_of_network(job: FitJob) -> NetworkState:
    """Return parameters, the optimizer's state of each, buffers, and noise: no copies.

    The network must not be in a stack.
    """
    parameters = list(job.module.parameters())
    states = [job.optimizer.state.get(parameter) for parameter in parameters]
    noise = [module.noise for module in noisy_modules_of(job.module)]
    values = [parameter.data for parameter in parameters]
    return values, states, list(job.module.buffers()), noise


def set_network(job: FitJob, state: NetworkState) -> None:
    """Give network and optimizer a state, whose tensors are theirs from now on."""
    module = job.module.train()
    values, states, buffers, noise = state
    for parameter, data, known in zip(module.parameters(), values, states, strict=True):
        parameter.data = data.to(parameter.device)
        if known is not None:
            job.optimizer.state[parameter] = known
    for buffer, data in zip(module.buffers(), buffers, strict=True):
        buffer.copy_(data)
    for noisy, of_rows in zip(noisy_modules_of(module), noise, strict=True):
        noisy.noise = of_rows


@dataclass(frozen=True)
class FitState:
    """A fit after some epochs; if it is a copy, it shares no tensor with the fit."""

    network: NetworkState
    records: tuple[EpochRecord, ...]
    stopping: StoppingState | None
    weights: tuple[Weights, ...]  # of each epoch, if the fit keeps them
    diverged_loss: float | None
    is_over: bool  # whether more epochs change nothing: it diverged, or stopped early

    @classmethod
    def of(cls, job: FitJob, outcome: Outcome, *, copy: bool = True) -> "FitState":
        """Return where a fit stands, whose network is not in a stack."""
        stopping, network = outcome.stopping, state_of_network(job)
        has_stopped = stopping is not None and asks_to_stop(stopping)
        return cls(
            _copy(network) if copy else network,
            tuple(outcome.records),
            _copy_rule(stopping) if copy and stopping is not None else stopping,
            tuple(outcome.weights),
            outcome.diverged_loss,
            has_stopped or outcome.diverged_loss is not None,
        )

    @property
    def n_epochs(self) -> int:
        """Epochs that the fit has trained."""
        return len(self.records)

    @staticmethod
    def is_whole(job: FitJob, outcome: Outcome) -> bool:
        """Whether all is here: the weights of early epochs do not go to workers."""
        return not job.keeps_weights or len(outcome.weights) == len(outcome.records)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, and about those of the records."""
        best = self.stopping.best_weights if self.stopping is not None else None
        tensors = [*_tensors_in(self.network), *_tensors_in([best, *self.weights])]
        batches = sum(len(record.batch_losses) for record in self.records)
        return sum(one.nbytes for one in tensors) + 100 * (batches + self.n_epochs)

    def suits(self, job: FitJob) -> bool:
        """Whether a job can go on from here: its shapes, and all that it keeps."""
        values, states, buffers, noise = self.network
        module = job.module
        own = [*module.parameters(), *module.buffers()]
        return (
            len(states) == len(values)
            and len(self.weights) == (self.n_epochs if job.keeps_weights else 0)
            and len(noise) == len(noisy_modules_of(module))
            and [one.shape for one in (*values, *buffers)] == [p.shape for p in own]
        )

    def put_into(self, job: FitJob, outcome: Outcome) -> None:
        """Let a fit that has not begun stand here."""
        set_network(job, _copy(self.network))
        outcome.records = list(self.records)
        outcome.weights = [_copy(weights) for weights in self.weights]
        outcome.diverged_loss = self.diverged_loss
        if self.stopping is not None and job.stopping is not None:
            outcome.stopping = replace(_copy_rule(self.stopping), rule=job.stopping)
        outcome.restored_epochs = self.n_epochs
        outcome.is_over = self.is_over or self.n_epochs >= job.n_epochs


def _copy_rule(state: StoppingState) -> StoppingState:
    return replace(state, best_weights=_copy(state.best_weights))


def _copy(value: Any) -> Any:
    """Copy the tensors in lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {name: _copy(one) for name, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return value


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors_in(one)
