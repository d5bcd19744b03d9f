"""Train a list of jobs: plan stacks, and train them in turn."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import torch

from skact.engine.activation_layers import activation_key
from skact.engine.batches import Tables
from skact.engine.jobs import FitJob, Outcome, Progress, StackReport, Training
from skact.engine.memory_layout import activation_of
from skact.engine.optimizers import shared_coefficients_of, stacked_form
from skact.engine.plan import BatchShape, Lane, plan_stacks
from skact.engine.stack_run import StackRun
from skact.engine.validation import shape_of_held_out
from skact.threads import count_free_threads, use_one_thread

# a network with more bytes of parameters, gradients and states trains as fast alone:
# matrix products take most of its time (benchmarks/README.md)
_BYTES_OF_LARGE = 2**20


class Helpers(Protocol):
    """Whoever trains stacks elsewhere, such as worker processes."""

    def share(self, waiting: "deque[StackRun]", run: StackRun) -> None:
        """Take stacks that wait, or lanes of `run`, before and between its epochs."""
        ...

    def collect(self) -> Sequence[StackRun]:
        """Wait for an end; return the stacks that must be trained here after all."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether stacks are in training elsewhere."""
        ...


class Supply(Protocol):
    """Whoever has more fits to train, when others are over."""

    @property
    def n_to_come(self) -> int:
        """Number of fits that may still come."""
        ...

    def more(self) -> Sequence[tuple[FitJob, Outcome]]:
        """Return what has come: called between epochs and between stacks.

        Outcomes may be over by then.
        """
        ...


class Keeper(Protocol):
    """Whoever keeps where fits stand."""

    def note(self, run: StackRun) -> None:
        """Note where the fits of a stack stand, between its epochs and at its end."""
        ...


def train(
    jobs: Sequence[FitJob],
    *,
    outcomes: Sequence[Outcome] | None = None,
    stacks: list[StackReport] | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
    helpers: Helpers | None = None,
    supply: Supply | None = None,
    keeper: Keeper | None = None,
    tables: Tables | None = None,
) -> Training:
    """Train all jobs; jobs of one shape train as one stack.

    On a CPU a job gives the same network, bit for bit, in a stack and alone.

    Parameters
    ----------
    jobs : sequence of FitJob
        Each has an initialised module and an optimizer, which get the result.
    outcomes : sequence of Outcome or None, default=None
        One for each job, filled in after each epoch, so that they hold all finished
        epochs if the training is interrupted. None creates new ones.
    stacks : list of StackReport or None, default=None
        Gets the report on each stack when it ends, also if it is interrupted.
    n_threads : int or None, default=None
        Most threads to use; None takes the number of torch.
    progress : callable or None, default=None
        Called with the lane-epochs since its last call.
    helpers : Helpers or None, default=None
        Train some of the stacks elsewhere.
    supply : Supply or None, default=None
        Has more fits to train.
    keeper, tables : Keeper and Tables, or None, default=None
        Keeps where fits stand; may know the arrays of the jobs.

    Returns
    -------
    Training
        The outcome of each job, in order, and a report on each stack.
    """
    available = n_threads or torch.get_num_threads()
    outcomes = [Outcome() for _ in jobs] if outcomes is None else list(outcomes)
    stacks = [] if stacks is None else stacks
    note = keeper.note if keeper is not None else lambda run: None
    tables = Tables() if tables is None else tables
    waiting: deque[StackRun] = deque()

    def plan(pairs: Sequence[tuple[FitJob, Outcome]]) -> None:
        for of in plan_stacks([lane_of(job) for job, _ in pairs]):
            stack = [pairs[i][0] for i in of], [pairs[i][1] for i in of]
            waiting.append(StackRun(*stack, tables, available))

    def take_more() -> bool:
        pairs = [] if supply is None else supply.more()
        outcomes.extend(outcome for _, outcome in pairs)
        plan(pairs)
        return bool(pairs)

    def between_epochs(run: StackRun) -> None:
        note(run)
        if helpers is not None:
            helpers.share(waiting, run)
        if take_more() and helpers is not None:
            helpers.share(waiting, run)

    plan(list(zip(jobs, outcomes, strict=True)))

    no_autocast = torch.autocast("cpu", enabled=False)  # a job has its dtype
    with use_one_thread(), no_autocast:  # a stack chooses its own number of threads
        while waiting or (helpers is not None and helpers.is_busy):
            if not waiting and helpers is not None:
                waiting.extend(helpers.collect())
            else:
                run = waiting.popleft()
                if helpers is not None:
                    helpers.share(waiting, run)
                run.n_threads = count_free_threads(available)
                try:
                    run.train(progress, between_epochs)
                finally:
                    stacks.append(run.report)
                note(run)
            take_more()
    return Training(outcomes, stacks)


def lane_of(job: FitJob) -> Lane:
    """Return the facts about a job that planning needs."""
    module, weight = job.module, job.module.output.weight
    hidden = [layer.linear.out_features for layer in module.hidden]
    shape = BatchShape.from_rows(job.X.shape[0], job.batch_size)
    norms = {type(layer.norm).__name__ for layer in module.hidden}
    drops = {type(layer.dropout).__name__ for layer in module.hidden}
    kind = stacked_form(job.optimizer)
    group = (
        (job.X.shape[1], *hidden, weight.shape[0]),
        *(tuple(sorted(names)) for names in (norms, drops)),
        (kind, job.loss, str(weight.dtype), str(weight.device)),
        shape,
        shape_of_held_out(job.held_out),
        None if job.clipping is None else (job.clipping.norm_type, *_learned(module)),
    )
    activations = [layer.activation for layer in module.hidden]
    order = [activation_key(a) for a in (*activations, module.output_activation)]
    columns = job.X.shape[1] + 4 * (sum(hidden) + weight.shape[0])
    # four tensors of each layer
    nbytes = _bytes_of_weights(module) + columns * shape.padded * weight.element_size()
    order_keys = (*order, shared_coefficients_of(job.optimizer))
    return Lane(group, order_keys, nbytes, is_large(module))


def is_large(module: Any) -> bool:
    """Whether a network trains as fast alone as in a stack."""
    return _bytes_of_weights(module) > _BYTES_OF_LARGE


def _bytes_of_weights(module: Any) -> int:
    """Return the bytes of parameters, gradients, directions and two states of each."""
    n_values = sum(parameter.numel() for parameter in module.parameters())
    return 5 * n_values * module.output.weight.element_size()


def _learned(module: Any) -> list[int]:
    """Return how many values each activation learns."""
    n_activations = len(module.hidden) + 1
    return [
        sum(p.numel() for p in activation_of(module, i).parameters())
        for i in range(n_activations)
    ]
