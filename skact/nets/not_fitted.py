"""The error of a net that is not fitted: both libraries' users catch it."""

from typing import Any

from skorch.exceptions import NotInitializedError


def check_is_fitted(net: Any) -> None:
    """Raise skorch's NotInitializedError, a NotFittedError, if a net is not fitted."""
    if not net.__sklearn_is_fitted__():
        raise NotInitializedError(
            f"This {type(net).__name__} instance is not fitted yet. Call 'fit' with "
            f"appropriate arguments before using this estimator."
        )
