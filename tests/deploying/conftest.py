"""Runs models of ONNX as a service would, in onnxruntime."""

from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest


def run_model(model: Any, rows: Any) -> list[np.ndarray]:
    """Return the outputs of a model: one tensor, or one for each column, goes in."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [one.name for one in session.get_inputs()]
    if not isinstance(rows, pd.DataFrame):
        return session.run(None, {names[0]: np.asarray(rows, dtype=np.float32)})
    if names == ["X"]:
        return session.run(None, {"X": rows.to_numpy(np.float32)})
    feed = {}
    for name, column in zip(names, rows, strict=True):
        is_number = pd.api.types.is_numeric_dtype(rows[column])
        kind = np.float32 if is_number else object
        feed[name] = rows[[column]].to_numpy(kind)
    return session.run(None, feed)


def check_classifier(model: Any, estimator: Any, rows: Any) -> None:
    """Labels are equal, and probabilities to 1e-5."""
    label, proba = run_model(model, rows)
    expected = estimator.predict_proba(rows)
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    best_two = np.sort(expected, axis=1)[:, -2:]
    is_clear = (best_two[:, -1] - best_two[:, 0] > 1e-4) | (expected.shape[1] == 1)
    found = estimator.predict(rows)
    same = [str(a) == str(b) for a, b in zip(label, found, strict=True)]
    assert np.array(same)[is_clear].all()


@pytest.fixture(scope="session")
def run():
    return run_model


@pytest.fixture(scope="session")
def check():
    return check_classifier
