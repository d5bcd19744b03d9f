"""The parts of a fitted estimator, and whether each of them can be converted."""

from collections.abc import Iterator
from typing import Any

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from skact.deploying.onnx_converters import check_part
from skact.deploying.onnx_nodes import UnconvertibleError

_VOTING = (VotingClassifier, VotingRegressor)
_STACKING = (StackingClassifier, StackingRegressor)


def parts_of(estimator: Any) -> list[tuple[str, Any]]:
    """Return the names and the parts of an estimator made of others; else nothing."""
    parts: list[tuple[str, Any]] = []
    if isinstance(estimator, Pipeline):
        parts = list(estimator.steps)
    elif isinstance(estimator, ColumnTransformer):
        parts = [(name, part) for name, part, _ in estimator.transformers_]
    elif isinstance(estimator, FeatureUnion):
        parts = list(estimator.transformer_list)
    elif isinstance(estimator, TransformedTargetRegressor):
        parts = [("regressor", estimator.regressor_)]
    elif isinstance(estimator, (*_VOTING, *_STACKING)):
        parts = list(estimator.named_estimators_.items())
        if isinstance(estimator, _STACKING):
            parts.append(("final_estimator", estimator.final_estimator_))
    return [(name, part) for name, part in parts if not _is_word(part)]


def heads_of(estimator: Any) -> list[Any]:
    """Return the parts that the columns of X go to first."""
    if isinstance(estimator, ColumnTransformer):
        return [estimator]
    parts = [part for name, part in parts_of(estimator) if name != "final_estimator"]
    if not parts:
        return [estimator]
    if isinstance(estimator, Pipeline):
        parts = parts[:1]
    return [head for part in parts for head in heads_of(part)]


def check_parts(estimator: Any) -> None:
    """Check each part of an estimator, from the outermost to the innermost.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    UnconvertibleError
        If a part cannot be converted; the message names it, and says why.
    """
    check_is_fitted(estimator)
    for _, part in _walk(estimator, ()):
        try:
            check_part(part)
        except UnconvertibleError as error:
            raise UnconvertibleError(
                f"to_onnx cannot convert {name_of(estimator, part)}: {error}."
            ) from None


def name_of(estimator: Any, part: Any) -> str:
    """Return the names of the steps to a part, and its class."""
    kind = type(part).__name__
    paths = [path for path, one in _walk(estimator, ()) if one is part]
    if not paths or not paths[0]:
        return f"the {kind}"
    return f"the part {' > '.join(map(repr, paths[0]))} ({kind})"


def _walk(estimator: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple, Any]]:
    yield path, estimator
    for name, part in parts_of(estimator):
        yield from _walk(part, (*path, name))


def _is_word(part: Any) -> bool:
    """Whether a part is "passthrough", "drop" or None: nothing to convert."""
    return part is None or isinstance(part, str)
