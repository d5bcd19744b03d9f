"""The errors of skact that are neither ``ValueError`` nor ``TypeError``; warnings."""

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


class UnscaledInputWarning(UserWarning):
    """X or y is far from scaled, and a network learns little from it.

    Given by ``fit`` of every estimator of skact, if the root mean square of a column is
    above 150, or below 0.01 though most of its values are not 0: put a
    ``StandardScaler`` in front of the net. And by ``ActMLPRegressor.fit``, if y is
    above 500, or its deviation below 0.02: wrap the net in a
    ``TransformedTargetRegressor``. A search gives the warning once, and not for each
    of its fits.

    Parameters
    ----------
    message : str
        Which columns are far from scaled, and what to do.

    Examples
    --------
    >>> import warnings
    >>> from sklearn.datasets import load_wine
    >>> from skact import ActMLP, UnscaledInputWarning
    >>> X, y = load_wine(return_X_y=True)
    >>> with warnings.catch_warnings(record=True) as found:
    ...     warnings.simplefilter("always", UnscaledInputWarning)
    ...     net = ActMLP(max_epochs=1).fit(X, y)
    >>> print(str(found[0].message).partition(". ")[0])
    X is not scaled: values are about 1,000 in column 12
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class SavedVersionWarning(UserWarning):
    """A model was saved with another version of scikit-learn, and may not work.

    Given by :func:`~skact.load_model`. scikit-learn does not promise that what one
    version learned works in another one: compare some predictions with known ones, or
    fit the model anew.

    Parameters
    ----------
    message : str
        The version of the file and the one that is installed.

    Examples
    --------
    >>> import warnings
    >>> from skact import SavedVersionWarning
    >>> warnings.simplefilter("error", SavedVersionWarning)  # refuse such models
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


def copy_error(error: Exception) -> Exception:
    """Copy an error, because each fit adds to the traceback of its own error."""
    try:
        other = copy.copy(error)
    except Exception:  # a class whose arguments differ from `error.args`
        other = RuntimeError(f"{type(error).__name__}: {error}")
    other.__cause__ = error
    return other
