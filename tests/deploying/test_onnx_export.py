"""Pipelines become models whose inputs and outputs a service can name."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from skact import ActMLP, to_onnx
from skact.deploying.onnx_export import OPSET

X, Y = load_iris(return_X_y=True)
FEW = {"max_epochs": 3, "random_state": 0, "width": 8}


def table():
    frame, y = load_wine(return_X_y=True, as_frame=True)
    frame["a color"] = np.where(frame["color_intensity"] > 5, "deep", "pale")
    frame["shade"] = np.where(frame["hue"] > 1, "x", "y")
    frame.loc[::9, "ash"] = np.nan
    return frame, y


def test_a_frame_of_mixed_columns_has_an_input_for_each(check):
    frame, y = table()
    numbers = frame.columns[:-2].tolist()
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["a color"]),
            ("more", OrdinalEncoder(), ["shade"]),
        ]
    )
    model = make_pipeline(columns, ActMLP(**FEW)).fit(frame, y)
    found = to_onnx(model, X=frame[:3])
    check(found, model, frame)
    names = [one.name for one in found.graph.input]
    assert len(names) == frame.shape[1]
    assert names[-2:] == ["a_color", "shade"]  # ONNX has names without blanks
    with pytest.raises(
        ValueError, match=r"to_onnx cannot write.*Pass X, a frame of some"
    ):
        to_onnx(model)


@pytest.mark.parametrize(
    "steps",
    [[MinMaxScaler()], [SimpleImputer(), StandardScaler(), SelectKBest(k=3)], []],
)
def test_steps_of_scikit_learn_go_along(steps, tmp_path, check):
    model = make_pipeline(*steps, ActMLP(**FEW)).fit(X, Y)
    path = tmp_path / "model.onnx"
    found = to_onnx(model, path)
    check(found, model, X)
    onnx.checker.check_model(str(path))
    assert path.read_bytes() == found.SerializeToString()
    assert [one.name for one in found.graph.input] == ["X"]
    assert [one.name for one in found.graph.output] == ["label", "probabilities"]
    assert {one.domain: one.version for one in found.opset_import}[""] <= OPSET


def test_what_cannot_be_written_is_named():
    with pytest.raises(NotFittedError):
        to_onnx(ActMLP())
    with pytest.raises(
        ValueError, match="must be an estimator of scikit-learn, got di"
    ):
        to_onnx({})
    model = make_pipeline(FunctionTransformer(np.log1p), ActMLP(**FEW)).fit(X, Y)
    with pytest.raises(
        ValueError, match="cannot write this model: FunctionTransformer"
    ):
        to_onnx(model)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install .skact\[onnx\]"):
        to_onnx(ActMLP(**FEW).fit(X, Y))


def test_skact_loads_onnx_only_to_write_a_model():
    code = (
        "import sys, skact; skact.ActMLP; print({'onnx', 'skl2onnx'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
