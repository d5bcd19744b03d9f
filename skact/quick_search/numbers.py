"""Numbers as a net takes them: several ways, of which the search tries each."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

WAYS = ("standard", "clip", "quantile", "piecewise")
_N_BINS = 16
_FEW_VALUES = 10  # a column of fewer different numbers is not cut into bins
CLIP = 3.0
_HUGE = 1e150
_MOST_INPUTS = 1_000  # of piecewise-linear columns


class NumberEncoder(TransformerMixin, BaseEstimator):
    r"""Encode columns of numbers for a net; what is missing becomes a middle value.

    Parameters
    ----------
    numbers : {"standard", "clip", "quantile", "piecewise"}, default="standard"
        "standard": less the mean, over the deviation. "clip": less the median, over
        the distance of the quartiles, then :math:`x / \sqrt{1 + (x / 3)^2}`, which is
        between -3 and 3. "quantile": the values of a normal distribution that have the
        same ranks; columns of at most 10 different numbers are clipped. "piecewise":
        the clipped numbers, and for each column of more than 10 different numbers the
        position in each of 16 bins between quantiles: 0 below the bin, 1 above it.

    Attributes
    ----------
    n_outputs_ : ndarray of shape (n_columns,)
        Number of inputs of the net that each column becomes.

    References
    ----------
    Clipping: Holzmueller, Grinsztajn & Steinwart (2024), Better by Default,
    arXiv:2407.04491. Bins: Gorishniy, Rubachev & Babenko (2022), On Embeddings for
    Numerical Features in Tabular Deep Learning, arXiv:2203.05556.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [1e6]])
    >>> clipped = NumberEncoder("clip").fit_transform(X)
    >>> bool(0 < clipped[2, 0] < 1e-5), bool(2 < clipped[3, 0] < 3)
    (True, True)
    """

    def __init__(self, numbers: str = "standard") -> None:
        self.numbers = numbers

    def fit(self, X: Any, y: Any = None) -> "NumberEncoder":
        """Learn the places and widths of the columns."""
        if self.numbers not in WAYS:
            raise ValueError(f"numbers must be one of {WAYS}, got {self.numbers!r}.")
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.n_outputs_ = np.ones(X.shape[1], dtype=int)
        if self.numbers == "standard":
            self.scaler_ = StandardScaler().fit(X)
            return self
        present = [column[~np.isnan(column)] for column in X.T]
        self.center_ = np.array([np.median(c) if len(c) else 0.0 for c in present])
        self.scale_ = np.array([_width_of(c) for c in present])
        many = [len(np.unique(c)) > _FEW_VALUES for c in present]
        self.many_ = np.flatnonzero(many)
        filled = self._fill(X)[:, self.many_]
        if self.numbers == "quantile" and len(self.many_):
            self.quantiles_ = QuantileTransformer(
                n_quantiles=min(1_000, len(X)),
                output_distribution="normal",
                random_state=0,
            ).fit(filled)
        if self.numbers == "piecewise":
            # also bins of no width, so that nets of all folds have as many inputs
            self.edges_ = np.quantile(filled, np.linspace(0, 1, _N_BINS + 1), axis=0)
            self.n_outputs_[self.many_] += _N_BINS
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the numbers for a net, without missing values: float32."""
        check_is_fitted(self)
        X = validate_data(
            self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        if self.numbers == "standard":  # after scaling, 0 is the mean of a column
            scaled = np.nan_to_num(self.scaler_.transform(X), nan=0.0)
            return scaled.astype(np.float32)
        filled = self._fill(X)
        with np.errstate(over="ignore"):
            near = (filled - self.center_) / self.scale_
        near = np.clip(near, -_HUGE, _HUGE)  # its square is finite
        clipped = near / np.sqrt(1 + (near / CLIP) ** 2)
        many, bins = filled[:, self.many_], []
        if self.numbers == "quantile" and len(self.many_):
            clipped[:, self.many_] = self.quantiles_.transform(many)
        if self.numbers == "piecewise":
            bins = [
                _positions_in_bins(column[:, None], edges)
                for column, edges in zip(many.T, self.edges_.T, strict=True)
            ]
        return np.hstack([clipped, *bins]).astype(np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each column of what `transform` returns."""
        check_is_fitted(self)
        names = input_features
        if names is None:
            names = [f"x{i}" for i in range(len(self.n_outputs_))]
        names = [*map(str, names)]
        bins = [
            f"{names[i]}_bin{k}"
            for i in range(len(self.n_outputs_))
            for k in range(1, self.n_outputs_[i])
        ]
        return np.asarray([*names, *bins], dtype=object)

    def _fill(self, X: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(X), self.center_, X)


def _positions_in_bins(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the position in each bin, from 0 to 1; 0 in bins of no width."""
    widths = np.diff(edges)
    return np.clip((column - edges[:-1]) / np.where(widths > 0, widths, np.inf), 0, 1)


def _width_of(column: np.ndarray) -> float:
    """Return the distance of the quartiles; of few rare values, of the ends."""
    if not len(column):
        return 1.0
    low, high = np.quantile(column, [0.25, 0.75])
    if high == low:
        low, high = column.min() / 2, column.max() / 2
    return float(high - low) or 1.0


def ways_that_differ(numbers: np.ndarray | None) -> list[str]:
    """Return the ways to encode these columns that can give different inputs.

    Columns of few different numbers have no bins and no quantiles.
    """
    if numbers is None:
        return ["standard"]
    n_many = sum(
        len(np.unique(c[~np.isnan(c)])) > _FEW_VALUES
        for c in np.asarray(numbers, dtype=float).T
    )
    if not n_many:
        return ["standard"]
    return ["clip", "quantile", *["piecewise"] * (n_many * _N_BINS <= _MOST_INPUTS)]
