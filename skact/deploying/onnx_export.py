"""A fitted net or pipeline leaves Python: as a file of ONNX."""

import os
from pathlib import Path
from typing import Any

DTYPES = ("float32", "float64")
OPSET = 18  # the version of the operators: of December 2022


def to_onnx(
    estimator: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    X: Any = None,
    dtype: str = "float32",
) -> Any:
    """Convert a fitted net, or a pipeline around it, to ONNX.

    ONNX Runtime computes the predictions of the file in C++, C#, Java, JavaScript or
    Rust, without Python and torch.

    The outputs are those of skl2onnx: `label` (n,) and `probabilities` (n, n_classes)
    of a classifier, `variable` (n, n_outputs) of a regressor. Labels that are booleans
    become 0 and 1. An estimator fitted on an array has one input ``X`` (n, n_features);
    one that was fitted on a DataFrame has an input (n, 1) for each column that it
    reads, of the column's name: strings for words, int64 for categories that are whole
    numbers, floats for all else. A word that is missing is the string ``"nan"``.

    All activations of the catalogue can be converted, both norms, and what skl2onnx
    converts: most transformers of scikit-learn, ``ColumnTransformer``, ``FeatureUnion``
    and averages such as ``VotingClassifier``; also ``TransformedTargetRegressor`` with
    a ``StandardScaler``, and the result of a search on numbers. The operators are those
    of opset 18, which ONNX Runtime reads since version 1.14; 1.22 and 1.32 were tried.
    Needs onnx and skl2onnx: ``pip install "skact[onnx]"``.

    Parameters
    ----------
    estimator : estimator
        A fitted net, a pipeline with a net, or a search that has a `best_estimator_`.
    path : str, path or None, default=None
        Where to write the file, such as ``"model.onnx"``; None writes none.
    X : DataFrame, array or None, default=None
        A few rows as `predict` takes them, if the types of the inputs shall be theirs:
        words, whole numbers (int64) or numbers.
    dtype : {"float32", "float64"}, default="float32"
        The dtype of inputs that are numbers, and of the computation, whatever dtype the
        net has: weights of float64 are rounded. "float64" suits columns whose numbers
        are large beside their spread; the quantiles of a search need it. The exact GELU
        computes in float32 even then.

    Returns
    -------
    onnx.ModelProto
        The model; ``model.SerializeToString()`` is the content of the file.

    Raises
    ------
    ImportError
        If onnx or skl2onnx are missing.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    TypeError
        If `estimator` is no estimator.
    ValueError
        If a part cannot be converted, such as an activation of your own or a
        transformer that skl2onnx does not know. The message names the part and why.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skact import ActMLP, to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> net = ActMLP("silu", max_epochs=5, random_state=0)
    >>> model = to_onnx(make_pipeline(StandardScaler(), net).fit(X, y))
    >>> [part.name for part in [*model.graph.input, *model.graph.output]]
    ['X', 'label', 'probabilities']
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {DTYPES}, got {dtype!r}.")
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(
            f"estimator must be a fitted net or pipeline, got {estimator!r:.80}."
        )
    try:
        import onnx  # noqa: F401
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"to_onnx needs onnx and skl2onnx, and {error.name} is not installed: "
            f'pip install "skact[onnx]".'
        ) from error
    from skact.deploying.onnx_inputs import read_inputs
    from skact.deploying.onnx_model import build_model
    from skact.deploying.onnx_parts import check_parts

    check_parts(estimator)
    model = build_model(estimator, read_inputs(estimator, X), dtype=dtype, opset=OPSET)
    if path is not None:
        Path(path).write_bytes(model.SerializeToString())
    return model
