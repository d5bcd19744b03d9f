"""Every error of skact that is not a plain ``ValueError`` or ``TypeError``."""

import copy


class DivergedError(FloatingPointError):
    """Training was stopped because the loss or the weights were no longer finite.

    Raised by ``fit`` and ``partial_fit`` of every estimator of skact. The usual cure is
    a smaller ``lr``, or input that is scaled (``StandardScaler``). In a search it
    counts as any failed fit: scikit-learn's ``error_score`` decides.

    Parameters
    ----------
    message : str
        What happened and what to try.
    epoch : int
        The epoch, counted from 1 as in ``history``, in which it happened.

    Attributes
    ----------
    epoch : int
        As given.

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

    def __reduce__(self) -> tuple:  # worker processes send errors home by pickle
        return type(self), (self.args[0], self.epoch)


def copied(error: Exception) -> Exception:
    """Return an error of the same kind: each fit adds to the traceback of its own."""
    try:
        other = copy.copy(error)
    except Exception:  # its class wants other arguments than it keeps
        other = RuntimeError(f"{type(error).__name__}: {error}")
    other.__cause__ = error
    return other
