"""The table of activations states what the entries state."""

from collections.abc import Iterator

import pandas as pd
import pytest
import torch
from torch import nn

from skact.activations.catalogue import (
    get_activation,
    list_activations,
    register_activation,
    unregister_activation,
)
from skact.activations.frame import activations_frame


@pytest.fixture
def unknown() -> Iterator[str]:
    """Register an activation without any facts."""
    register_activation("nothing_known", nn.GLU)
    yield "nothing_known"
    unregister_activation("nothing_known")


def test_there_is_one_row_for_each_name_and_no_missing_fact() -> None:
    frame = activations_frame()
    assert list(frame["name"]) == list_activations()
    assert not frame.isna().to_numpy().any()


def test_a_row_holds_the_facts_of_its_entry() -> None:
    frame = activations_frame().set_index("name")
    for name, row in frame.iterrows():
        entry = get_activation(str(name))
        assert entry.range is not None
        assert (row["low"], row["high"]) == (entry.range().low, entry.range().high)
        for field in ("bounded", "monotonic", "smooth", "zero_centred", "gain"):
            assert row[field] == getattr(entry, field)
        for field in ("elementwise", "stochastic", "formula", "good", "bad", "paper"):
            assert row[field] == getattr(entry, field)
        assert row["derivative"] == entry.derivative_formula
    assert frame.loc["gelu", "parameters"] == "approximate='none'"
    assert frame.loc["silu", "aliases"] == "swish"
    assert frame.loc["prelu", "learnable"] == "weight"


def test_facts_that_are_unknown_are_missing_and_flags_stay_flags(unknown: str) -> None:
    frame = activations_frame().set_index("name")
    row = frame.loc[unknown]
    for field in ("low", "high", "bounded", "monotonic", "smooth", "zero_centred"):
        assert pd.isna(row[field])
    for field in ("bounded", "monotonic", "smooth", "zero_centred"):
        assert frame[field].dtype == "boolean"
    assert row["gain"] == 1.0


def test_without_unknown_facts_flags_are_plain_booleans() -> None:
    assert activations_frame()["bounded"].dtype == bool
    register_activation("sine_in_a_frame", torch.sin)
    unregister_activation("sine_in_a_frame")
    assert activations_frame()["smooth"].dtype == bool
