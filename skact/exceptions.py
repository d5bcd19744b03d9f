"""The errors of skact that are neither ``ValueError`` nor ``TypeError``."""

import copy


class DivergedError(FloatingPointError):
    """Training stopped because the loss or the weights were no longer finite.

    Raised by ``fit`` and ``partial_fit`` of every estimator of skact. Usually a smaller
    ``lr`` or scaled input (``StandardScaler``) helps. In a search, the fit counts as
    failed, and scikit-learn's ``error_score`` applies.

    Parameters
    ----------
    message : str
        What happened and what to try.
    epoch : int
        The epoch in which the error happened, counted from 1 as in ``history``.

    Attributes
    ----------
    epoch : int
        The parameter `epoch`.

    Examples
    --------
    >>> import numpy as np
    >>> from skact import ActMLPRegressor, DivergedError
    >>> X = np.arange(20.0).reshape(-1, 1)
    >>> net = ActMLPRegressor(optimizer="sgd", lr=1e6, random_state=0)
    >>> try:
    ...     net.fit(X, X.ravel())
    ... except DivergedError as error:
    ...     print(error.epoch <= 50)
    True
    """

    def __init__(self, message: str, epoch: int) -> None:
        super().__init__(message)
        self.epoch = epoch

    def __reduce__(self) -> tuple:  # worker processes pickle errors
        return type(self), (self.args[0], self.epoch)


def copy_error(error: Exception) -> Exception:
    """Copy an error, because each fit adds to the traceback of its own error."""
    try:
        other = copy.copy(error)
    except Exception:  # a class whose arguments differ from `error.args`
        other = RuntimeError(f"{type(error).__name__}: {error}")
    other.__cause__ = error
    return other
