"""The name of a fit: a hash of all that decides its numbers, but not of its length.

Two fits of one name give the same network after the same number of epochs, bit for bit.
So a fit can be found again, and be continued. X is hashed, not described: whoever
changes a row gets another name.
"""

import hashlib
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from skact.engine.activation_layers import activation_key, is_custom
from skact.engine.batches import Tables
from skact.engine.jobs import FitJob
from skact.lr_schedules import RatesOfEpochs
from skact.noise import NoisyModule

# To be increased with each change by which a fit gives other numbers: names of the old
# arithmetic are then never found again. A test holds it to the code.
ARITHMETIC = 1
_DIGEST_BYTES = 20
_PARTS_OF_CSR = ("data", "indices", "indptr")
# options of a norm that decide its numbers
_OPTIONS_OF_NORM = ("eps", "momentum", "affine", "elementwise_affine")


def reason_without_name(job: FitJob) -> str | None:
    """Return why a fit cannot be found again, or None if it has a name."""
    if not job.is_repeatable:
        return "random_state=None draws other seeds each time"
    if job.hooks is not None:
        return "callbacks run between its epochs"
    if any(map(is_custom, _activations_of(job.module))):
        return "an activation is the user's own code"
    return None


class FitNames:
    """Gives names to jobs; equal arrays are hashed once.

    Attributes
    ----------
    tables : Tables
        The arrays of the jobs.
    """

    def __init__(self) -> None:
        self.tables = Tables()
        self._digests: dict[int, bytes] = {}

    def name_of(self, job: FitJob) -> str:
        """Return the name of a job before its first epoch.

        Parameters
        ----------
        job : FitJob
            One without a `reason_without_name`.

        Returns
        -------
        str
            40 hexadecimal digits.
        """
        facts = (
            _facts_of_process(),
            self._facts_of_rows(job),
            # initial weights and held-out rows stand for the other seeds
            (job.seeds.order, job.seeds.noise),
            (job.first_epoch, job.batch_size, job.shuffle, job.loss),
            (job.clipping, job.stopping, job.keeps_weights),
            self._facts_of_schedule(job),
            _facts_of_module(job.module),
            _facts_of_optimizer(job.module, job.optimizer),
        )
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=_DIGEST_BYTES)
        return digest.hexdigest()

    def _facts_of_rows(self, job: FitJob) -> tuple:
        held_out, facts = job.held_out, [job.X, job.targets, job.sample_weight]
        if held_out is not None:
            facts += [held_out.X, held_out.targets, held_out.sample_weight]
            facts += [held_out.score_weight]
        size = None if held_out is None else held_out.batch_size
        return [None if x is None else self._digest_of_table(x) for x in facts], size

    def _facts_of_schedule(self, job: FitJob) -> tuple:
        schedule = job.lr_schedule
        if isinstance(schedule, RatesOfEpochs):
            return self._digest_of_table(schedule.rates), schedule.first_epoch
        # a schedule that has an end depends on where the end is
        return schedule, None if schedule is None else job.n_epochs

    def _digest_of_table(self, array: Any) -> bytes:
        position = self.tables.add_array(array)
        if position not in self._digests:
            found = hashlib.blake2b(digest_size=_DIGEST_BYTES)
            found.update(f"{array.dtype}{array.shape}".encode())
            for part in _arrays_of(array):
                found.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
            self._digests[position] = found.digest()
        return self._digests[position]


def _arrays_of(array: Any) -> list[np.ndarray]:
    if sp.issparse(array):
        return [getattr(array, part) for part in _PARTS_OF_CSR]
    return [array] if array.size else []


def _bytes_of(tensor: Tensor) -> bytes:
    """Return the bytes of the values of a tensor."""
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _facts_of_process() -> tuple:
    """Return what decides in the whole process how torch computes."""
    return (
        ARITHMETIC,
        torch.__version__,
        torch.backends.cpu.get_cpu_capability(),
        torch.get_float32_matmul_precision(),
        bool(torch.backends.mkldnn.enabled),
    )


def _activations_of(module: Any) -> list[nn.Module]:
    return [*(layer.activation for layer in module.hidden), module.output_activation]


def _facts_of_module(module: Any) -> tuple:
    named = [*module.named_parameters(), *module.named_buffers()]
    return (
        module.output.weight.device.type,
        [activation_key(one) for one in _activations_of(module)],
        [_facts_of_norm(layer.norm) for layer in module.hidden],
        [
            (type(part).__name__, part.options())
            for part in module.modules()
            if isinstance(part, NoisyModule)
        ],
        [(name, _fact(value)) for name, value in named],
        [parameter.requires_grad for parameter in module.parameters()],
    )


def _facts_of_norm(norm: nn.Module) -> tuple:
    options = [(name, getattr(norm, name, None)) for name in _OPTIONS_OF_NORM]
    return type(norm).__name__, options


def _facts_of_optimizer(module: Any, optimizer: Any) -> tuple:
    parameters = list(module.parameters())
    places = {id(parameter): i for i, parameter in enumerate(parameters)}
    groups = [
        {
            **{name: _fact(value) for name, value in group.items() if name != "params"},
            "places": [places[id(parameter)] for parameter in group["params"]],
        }
        for group in optimizer.param_groups
    ]
    states = [
        {name: _fact(value) for name, value in optimizer.state.get(one, {}).items()}
        for one in parameters
    ]
    kind = type(optimizer)
    return f"{kind.__module__}.{kind.__qualname__}", groups, states


def _fact(value: Any) -> Any:
    """Return what stands for a value in a text: for a tensor, a hash of its values."""
    if not isinstance(value, Tensor):
        return value
    digest = hashlib.blake2b(_bytes_of(value), digest_size=_DIGEST_BYTES)
    return str(value.dtype), tuple(value.shape), digest.hexdigest()
