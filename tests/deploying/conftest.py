"""Runs a converted model as another program would: in ONNX Runtime."""

import numpy as np
import onnxruntime
import pandas as pd
import pytest

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(string)": str,
}


def _run(model, X):
    """Return the outputs of a model by name, for rows of an array or a frame."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    fed = {}
    for given in session.get_inputs():
        is_column = isinstance(X, pd.DataFrame) and given.name in X.columns
        values = X[[given.name]].to_numpy() if is_column else np.asarray(X)
        fed[given.name] = values.astype(_DTYPES[given.type])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, fed), strict=True))


@pytest.fixture(scope="session")
def run_onnx():
    """Return a function of a model and X that returns its outputs by name."""
    return _run


@pytest.fixture(scope="session")
def assert_same():
    """Return a function that compares a model with the estimator it was made of."""

    def check(model, estimator, X, tolerance=1e-5):
        found = _run(model, X)
        if "label" not in found:
            expected = estimator.predict(X)
            expected = expected.reshape(len(expected), -1)
            scale = max(1.0, abs(expected).max())
            assert found["variable"].shape == expected.shape
            assert abs(found["variable"] - expected).max() / scale < tolerance
            return
        proba = estimator.predict_proba(X)
        assert found["probabilities"].shape == proba.shape
        assert abs(found["probabilities"] - proba).max() < tolerance
        assert found["label"].tolist() == estimator.predict(X).tolist()

    return check
