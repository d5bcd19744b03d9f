"""Early stopping of the lanes of a stack: the rule of skorch, and the best weights."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from skact.engine.jobs import EpochRecord, StoppingRule, StoppingState
from skact.engine.memory_layout import Layout, batch_norms_of
from skact.engine.weights import Weights


def begin_rule(rule: StoppingRule | None) -> StoppingState | None:
    """Return the state of a rule before the first epoch; None: no rule."""
    if rule is None:
        return None
    return StoppingState(rule, math.inf if rule.lower_is_better else -math.inf)


def note_epoch(state: StoppingState, record: EpochRecord, epoch: int) -> bool:
    """Count an epoch as improved or missed, as skorch's EarlyStopping does.

    Parameters
    ----------
    state : StoppingState
    record : EpochRecord
    epoch : int
        Its number in the history, from 1.

    Returns
    -------
    bool
        Whether the epoch has improved the score.
    """
    rule, score = state.rule, record.measure(state.rule.monitor)
    assert score is not None
    if rule.lower_is_better:
        is_better = score < state.dynamic_threshold
    else:
        is_better = score > state.dynamic_threshold
    if not is_better:
        state.misses += 1
        return False
    change = rule.threshold
    if rule.threshold_mode == "rel":
        change *= score
    state.dynamic_threshold = score - change if rule.lower_is_better else score + change
    state.misses, state.best_epoch = 0, epoch
    return True


def asks_to_stop(state: StoppingState) -> bool:
    """Whether the patience of a rule is at its end."""
    return state.misses == state.rule.patience


class BestWeights:
    """The weights of the best epoch of each lane, in buffers shaped as the stack's.

    Parameters
    ----------
    modules : sequence of MLP
    layout : Layout
    values : list of Tensor of shape (L, size)
        The blocks of the stack.
    running : list of Tensor of shape (2, L, H, 1)
        Statistics of batch norms.
    """

    def __init__(
        self,
        modules: Sequence[Any],
        layout: Layout,
        values: list[Tensor],
        running: list[Tensor],
    ) -> None:
        self.modules, self.layout = modules, layout
        self.values, self.running = values, running
        self.best_values = [torch.empty_like(block) for block in values]
        self.best_running = [torch.empty_like(both) for both in running]
        self.states: dict[
            int, StoppingState
        ] = {}  # of the lanes that have a best epoch
        self.counts: dict[int, list[Tensor]] = {}  # batches that batch norms have seen

    def keep(self, improved: Mapping[int, StoppingState]) -> None:
        """Copy the present weights of lanes."""
        index = torch.tensor(list(improved), device=self.values[0].device)
        for best, now in zip(self.best_values, self.values, strict=True):
            best.index_copy_(0, index, now.index_select(0, index))
        for best, now in zip(self.best_running, self.running, strict=True):
            best.index_copy_(1, index, now.index_select(1, index))
        self.states.update(improved)
        for lane in improved if self.running else ():
            norms = batch_norms_of(self.modules[lane])
            self.counts[lane] = [norm.num_batches_tracked.clone() for norm in norms]

    def hand_over(self) -> None:
        """Give each state the best weights of its lane."""
        for lane, state in self.states.items():
            state.best_weights = self._weights_of(lane)

    def _weights_of(self, lane: int) -> Weights:
        module = self.modules[lane]
        names = {id(part): name for name, part in module.named_parameters()}
        names |= {id(part): name for name, part in module.named_modules()}
        weights = {
            names[id(parameter)]: self.best_values[block][lane, part]
            .view_as(parameter)
            .clone()
            for parameter, block, part in self.layout.parameters_of(module)
        }
        for i, norm in enumerate(batch_norms_of(module)):
            name, (mean, variance) = (
                names[id(norm)],
                self.best_running[i][:, lane, :, 0],
            )
            weights[f"{name}.running_mean"] = mean.clone()
            weights[f"{name}.running_var"] = variance.clone()
            weights[f"{name}.num_batches_tracked"] = self.counts[lane][i]
        return weights
