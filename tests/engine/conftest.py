"""Jobs of small networks, and runs of layers on tensors."""

import numpy as np
import pytest
import torch

from skact.engine.jobs import FitJob, Seeds
from skact.engine.layers import Batch
from skact.network.mlp import MLP

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(83, 5))
TARGETS = {
    "squared_error": (ROWS @ np.arange(5)).reshape(-1, 1),
    "bce_with_logits": np.arange(83) % 2 * 1.0,
    "cross_entropy": np.arange(83) % 3,
}
N_OUTPUTS = {"squared_error": 1, "bce_with_logits": 1, "cross_entropy": 3}


@pytest.fixture(scope="session")
def make_job():
    """Return a function that builds a job, of 83 rows by default."""

    def build(
        activation="relu",
        *,
        lr=0.01,
        seed=0,
        n_epochs=4,
        hidden=(6,),
        X=ROWS,
        loss="squared_error",
        dtype=torch.float64,
        optimizer=torch.optim.SGD,
        options=(),
        **fields,
    ):
        names = ("norm", "dropout", "output_activation")
        network = {name: fields.pop(name) for name in names if name in fields}
        seeds = Seeds.from_random_state(seed)
        module = MLP(
            X.shape[1],
            N_OUTPUTS[loss],
            hidden=hidden,
            activation=activation,
            dtype=dtype,
            seed=seeds.weights,
            **network,
        )
        settings = {
            "X": X,
            "targets": np.resize(TARGETS[loss], (X.shape[0], *TARGETS[loss].shape[1:])),
            "sample_weight": None,
            "seeds": seeds,
            "n_epochs": n_epochs,
            "first_epoch": 0,
            "batch_size": 16,
            "shuffle": True,
            "loss": loss,
            "module": module,
            "optimizer": optimizer(module.parameters(), lr=lr, **dict(options)),
        }
        return FitJob(**{**settings, **fields})

    return build


@pytest.fixture(scope="session")
def make_batch():
    """Return a function that describes batches of `size` rows, `rows` of them true."""

    def build(rows, size, dtype=torch.float64):
        count = torch.tensor(rows).view(-1, 1, 1)
        valid = (torch.arange(size) < count).to(dtype)
        return Batch(rows, valid, count.to(dtype), {})

    return build


@pytest.fixture(scope="session")
def draw():
    """Return a function that draws a tensor, always the same for its arguments."""

    def normal(*shape, seed=0, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return normal
