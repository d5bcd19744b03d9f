"""A fitted net or pipeline as a model in ONNX, which runs without Python."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from skact.nets.estimators import ActMLP, ActMLPBinary

OPSET = 18  # of ai.onnx; the first with Mish


def to_onnx(
    estimator: Any, path: str | os.PathLike | None = None, *, X: Any = None
) -> Any:
    """Write a fitted net, or a pipeline around it, as a model in ONNX.

    It computes in float32, whatever the dtype of the net is. Predictions agree with
    those of the estimator to about 1e-5. The model asks for opset 18 (``ai.onnx``) and,
    for some steps of scikit-learn, ``ai.onnx.ml``. Its outputs are ``label`` and
    ``probabilities`` of a classifier (columns in the order of ``classes_``), and
    ``variable`` of a regressor (a column an output). Labels are int64, bool, float32 or
    strings.

    Parameters
    ----------
    estimator : estimator
        A net of skact, a pipeline, ``ColumnTransformer``, or another estimator that
        skl2onnx converts, with nets in it; ``best_estimator_`` of :func:`~skact.search`
        if all its columns are numbers. Of ``TransformedTargetRegressor``,
        ``StandardScaler`` as its transformer.
    path : str or path, default=None
        A file to write; None: only return the model.
    X : DataFrame or array of shape (n_samples, n_features), default=None
        Some rows as `predict` gets them. A frame gives each column an input of its
        name: floats for numbers, strings for words. None, or an array: one input ``X``
        of float32. A pipeline that picks columns by name needs the frame.

    Returns
    -------
    onnx.ModelProto
        The model; ``model.SerializeToString()`` are its bytes.

    Raises
    ------
    ValueError
        If a part cannot be written; the message names it, and says why.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ImportError
        If onnx or skl2onnx is missing.

    See Also
    --------
    skact.save_model : For other processes with Python.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skact import ActMLP, to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> pipe = make_pipeline(StandardScaler(), ActMLP(random_state=0)).fit(X, y)
    >>> model = to_onnx(pipe)
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    """
    skl2onnx = _import_skl2onnx()
    from skact.deploying import onnx_nets, onnx_searches

    if hasattr(estimator, "best_estimator_"):
        name = type(estimator).__name__
        raise ValueError(f"to_onnx writes a model, got {name}: pass best_estimator_.")
    if not isinstance(estimator, BaseEstimator):
        kind = type(estimator).__name__
        raise ValueError(f"estimator must be an estimator of scikit-learn, got {kind}.")
    check_is_fitted(estimator)
    is_classes = is_classifier(estimator)
    onnx_nets.register()
    onnx_searches.register()
    # probabilities as a tensor, not as a list of dicts
    plain: list[Any] = [ActMLP, ActMLPBinary, *([id(estimator)] if is_classes else [])]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="skl2onnx")
            model = skl2onnx.convert_sklearn(
                estimator,
                initial_types=_inputs_of(estimator, X),
                target_opset={"": OPSET, "ai.onnx.ml": 3},
                options={one: {"zipmap": False} for one in plain},
                custom_parsers=dict.fromkeys(
                    onnx_searches.AVERAGES, onnx_searches.parse_average
                ),
            )
    except Exception as error:
        raise _explained(error) from error
    _name_outputs(model, ["label", "probabilities"] if is_classes else ["variable"])
    if path is not None:
        Path(path).write_bytes(model.SerializeToString())
    return model


def _inputs_of(estimator: Any, X: Any) -> list[tuple[str, Any]]:
    """Return names and types of the inputs, as skl2onnx takes them."""
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    if isinstance(X, pd.DataFrame):
        is_number = {str(name): _are_numbers(X[name]) for name in X}
        kinds = {True: FloatTensorType, False: StringTensorType}
        return [(name, kinds[one]([None, 1])) for name, one in is_number.items()]
    n = np.shape(X)[1] if X is not None else getattr(estimator, "n_features_in_", None)
    return [("X", FloatTensorType([None, n]))]


def _name_outputs(model: Any, names: list[str]) -> None:
    """Give the outputs these names; what had one of them gets that of the output."""
    found = [output.name for output in model.graph.output]
    others = dict(zip(found, names, strict=True))
    others |= {new: old for old, new in others.items() if new not in others}
    for output in model.graph.output:
        output.name = others[output.name]
    for node in model.graph.node:
        node.input[:] = [others.get(name, name) for name in node.input]
        node.output[:] = [others.get(name, name) for name in node.output]


def _are_numbers(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _explained(error: Exception) -> Exception:
    """Return an error that says what cannot be written."""
    text = str(error)
    if isinstance(error, ValueError) and text.startswith("to_onnx"):
        return error
    first = " ".join(text.split("\n\n")[0].split())[:400]
    by_name = "by name" in text or "column names" in text or "string" in text.lower()
    hint = " Pass X, a frame of some rows." if by_name else ""
    return ValueError(f"to_onnx cannot write this model: {first}.{hint}")


def _import_skl2onnx() -> Any:
    try:
        import onnx  # noqa: F401
        import skl2onnx
    except ImportError as error:
        raise ImportError(
            "Models are converted with onnx and skl2onnx, of which one is not "
            'installed: pip install "skact[onnx]".'
        ) from error
    return skl2onnx
