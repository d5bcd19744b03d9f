"""A warning for columns, or a y, whose scale keeps a network from learning.

Weights begin near 1 / sqrt(columns), and a step of Adam moves each of them by about
`lr`. So a column of thousands drowns the others, and one of thousandths is not heard.
The way to a y of thousands is long, and the first outputs are far from one of
thousandths.
"""

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from torch import nn

from skact.exceptions import UnscaledInputWarning

# benchmarks/defaults.py: standardised columns times 100 cost .01 to .37 of the score on
# eight tables, times .01 up to .13. A percentage is no such column; a pixel of 0 to 255
# is, and some around 100 in scikit-learn's estimator checks must not be.
TOO_LARGE = 150.0
TOO_SMALL = 0.01
# R2 on four tables, of a standardised y times a factor: lower by .04 to .10 for 300,
# .07 to .14 for 1,000, .2 and more for .01
TOO_LARGE_Y = 500.0
TOO_SMALL_Y = 0.02
_ROWS = 1_000  # a fit of more looks no longer
_NAMED = 3  # columns
_CALLER_OF_FIT = 7  # frames above the warning

# texts that were shown; Python forgets them whenever scikit-learn sets filters anew,
# as it does for each fit of a search
_shown: set[str] = set()


def some_rows(n_rows: int) -> slice:
    """Return at most a thousand rows, spread over all, which tell the scale of all."""
    return slice(None, None, -(-n_rows // _ROWS))


def warn_of_scales(net: Any, rows: Any, targets: np.ndarray) -> None:
    """Warn if some rows of a fit are far from scaled: see the two functions below."""
    warn_if_unscaled(net, rows)
    is_free = net.output_activation is None  # any number can come out
    if net.criterion is nn.MSELoss and is_free:
        warn_if_unscaled_y(targets)


def warn_if_unscaled(net: Any, rows: Any) -> None:
    """Warn if columns of X are far from scaled; name them, and say what to do.

    Parameters
    ----------
    net : BaseNet
        Knows the names of the columns, if they have any.
    rows : ndarray of shape (n, d) or CSR matrix
        `some_rows` of X, finite.

    Warns
    -----
    UnscaledInputWarning
        If the root mean square of a column is above 150, or below 0.01 though most of
        its values are not 0. So columns of zeros and ones are scaled, however rare the
        ones, and so are pixels from 0 to 1.
    """
    sizes = _root_mean_squares(rows)
    unscaled = sizes > TOO_LARGE
    small = np.flatnonzero((sizes < TOO_SMALL) & (sizes > 0))
    if small.size:
        n_values = np.asarray((rows[:, small] != 0).sum(axis=0)).ravel()
        unscaled[small] = n_values > rows.shape[0] / 2
    if unscaled.any():
        names = getattr(net, "feature_names_in_", None)
        _warn_once(_describe(sizes, np.flatnonzero(unscaled), names))


def warn_if_unscaled_y(targets: np.ndarray) -> None:
    """Warn if numbers to predict are far from scaled, by their squared error.

    Parameters
    ----------
    targets : ndarray of shape (n,) or (n, n_outputs)
        Numbers, finite.

    Warns
    -----
    UnscaledInputWarning
        If the root mean square of an output is above 500, or its deviation below 0.02,
        but not 0.
    """
    y = np.asarray(targets, dtype=float).reshape(len(targets), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        sizes, spreads = _root_mean_squares(y), y.std(axis=0)
    far = (sizes > TOO_LARGE_Y) | ((spreads > 0) & (spreads < TOO_SMALL_Y))
    if far.any():
        i = int(np.flatnonzero(far)[0])
        is_large = sizes[i] > TOO_LARGE_Y
        said = "values are about" if is_large else "it varies by about"
        size = 10 ** np.rint(np.log10(sizes[i] if is_large else spreads[i]))
        where = f" in output {i}" if y.shape[1] > 1 else ""
        _warn_once(
            f"y is not scaled: {said} {size:,.15g}{where}. A network takes long to "
            f"learn it, or does not. Scale it: TransformedTargetRegressor(net, "
            f"transformer=StandardScaler())."
        )


def _root_mean_squares(rows: Any) -> np.ndarray:
    """Return that of each column: infinite, where a square is too large."""
    with np.errstate(over="ignore"):
        if sp.issparse(rows):
            squares = np.asarray(rows.multiply(rows).sum(axis=0)).ravel()
        else:
            squares = np.einsum("ij,ij->j", rows, rows)
    return np.sqrt(squares / rows.shape[0])


def _describe(
    sizes: np.ndarray, unscaled: np.ndarray, names: Sequence[str] | None
) -> str:
    """Name the columns farthest from 1; folds of one table give the same text."""
    with np.errstate(over="ignore"):
        powers = np.rint(np.log10(sizes[unscaled].astype(float)))
        typical = 10**powers
    named = []
    for i in np.argsort(-abs(powers), kind="stable")[:_NAMED]:
        column = unscaled[i] if names is None else repr(names[unscaled[i]])
        named.append(f"{typical[i]:,.15g} in column {column}")
    more = len(unscaled) - len(named)
    others = f" and in {more} more column{'s' * (more > 1)}" if more else ""
    return (
        f"X is not scaled: values are about {', about '.join(named)}{others}. A "
        f"network learns little from such columns. Scale them in a pipeline: "
        f"make_pipeline(StandardScaler(), net)."
    )


def _warn_once(text: str) -> None:
    """Warn; where Python's filters would show a text once, so in all fits of a search.

    Filters such as "error" and "always" meet every fit.
    """
    if text in _shown and _action_for(text) in ("default", "module", "once"):
        return
    _shown.add(text)
    warnings.warn(text, UnscaledInputWarning, stacklevel=_CALLER_OF_FIT)


def _action_for(text: str) -> str:
    """Return what the filters of warnings, which scikit-learn reads too, say of it."""
    for action, pattern, kind, *_ in warnings.filters:
        has_text = pattern is None or re.match(pattern, text)
        if has_text and issubclass(UnscaledInputWarning, kind):
            return action
    return "default"
