"""A skorch net that is a clean scikit-learn estimator: data in, fit, predictions out.

TODO
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.base import is_regressor
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import validate_data
from skorch.exceptions import NotInitializedError
from skorch.history import History
from skorch.utils import is_dataset

from skact.engine.jobs import FitJob, Seeds
from skact.exceptions import DivergedError
from skact.nets.engine_loop import EngineLoop
from skact.nets.parameter_checks import DTYPES, check_parameters, hidden_widths
from skact.nets.parameters import FlatParameters
from skact.nets.prediction import Predictions
from skact.nets.rows import check_finite, is_plain_table, unpack_table


class FlatNet(FlatParameters, EngineLoop, Predictions, CallbackSupportMixin):
    """Overrides of skorch's NeuralNet; mixed in before it."""

    # skorch sets these in its constructor, where scikit-learn wants parameters only
    initialized_ = False
    history_: Any = None
    virtual_params_: Mapping = {}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def set_callbacks(self, *callbacks: Any) -> "FlatNet":
        """Set callbacks of scikit-learn, such as a progress bar or a training log.

        Parameters
        ----------
        *callbacks : callback instances
            They replace those that were set before; none takes them away.

        Returns
        -------
        self : estimator
            This estimator.
        """
        super().set_callbacks(*callbacks)
        # scikit-learn has no public way to ask for them
        self.__dict__["_own_callbacks"] = callbacks
        return self

    def __sklearn_clone__(self) -> "FlatNet":
        copy = super().__sklearn_clone__()
        if "_own_callbacks" in vars(self):
            copy.__dict__["_own_callbacks"] = self._own_callbacks
        return copy

    def __sklearn_is_fitted__(self) -> bool:
        return self.initialized_ and hasattr(self, "n_features_in_")

    def initialize(self, X: Any = None, y: Any = None) -> "FlatNet":
        """Build module, loss, optimizer and callbacks without training.

        Parameters
        ----------
        X, y : array-like, default=None
            Data as for ``fit``: sizes and classes are read from it. Not needed again
            once the net has seen data.

        Returns
        -------
        self : estimator
            Ready for ``partial_fit``, ``load_params`` and ``predict``.

        Raises
        ------
        skorch.exceptions.NotInitializedError
            If the net has never seen data and gets none.
        """
        if X is not None:
            with self._unchanged_on_error():
                self._check_parameters()
                self._validate(*_unpack(X, y), reset=True, classes=None)
        elif not hasattr(self, "n_outputs_"):
            raise NotInitializedError(
                f"{type(self).__name__} learns its sizes and classes from data: call "
                f"initialize(X, y), or fit or partial_fit it first."
            )
        self.seeds_ = Seeds.from_random_state(self.random_state)
        self.built_with_ = self._built_with()
        self.built_of_foreign_ = self._is_built_of_foreign()
        return super().initialize()

    def initialize_history(self) -> "FlatNet":
        """Begin a new history; the old one stays as it is for whoever has it."""
        self.history_ = History()
        return self

    def _network(self) -> dict[str, Any]:
        """Return the arguments of MLP that these parameters and data amount to."""
        return {
            "n_features": self.n_features_in_,
            "n_outputs": self.n_outputs_,
            "hidden": hidden_widths(vars(self)),
            "activation": self.activation,
            "output_activation": self.output_activation,
            "dropout": self.dropout,
            "norm": self.norm,
            "init": self.init,
            "dtype": DTYPES[self.dtype_],
        }

    def _built_with(self) -> dict[str, Any]:
        """Return what cannot change under a network that trains on."""
        fixed = ["optimizer", "momentum", "nesterov", "weight_decay", "criterion"]
        fixed += ["early_stopping", "patience", "callbacks"]
        return {**self._network(), **{name: getattr(self, name) for name in fixed}}

    # ------------------------------------------------------------------ fitting

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "FlatNet":
        """Train a new network, or train on if `warm_start` is set.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels of any kind, or numbers (several columns for a regressor).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; None weighs them equally.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as they must be.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        reset = not (self.warm_start and self.initialized_)
        return self._fit(X, y, sample_weight, reset=reset)

    @with_callbacks
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "FlatNet":
        """Train `max_epochs` more epochs, without building the network anew.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come, at the first call; None takes those in y.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; None weighs them equally.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        if getattr(self, "class_weight", None) == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, so partial_fit cannot "
                "use it: pass a dict of weights, or sample_weight."
            )
        return self._fit(
            X, y, sample_weight, reset=not self.initialized_, classes=classes
        )

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any = None
    ) -> "FlatNet":
        self.check_training_readiness()
        # what is built in inference mode could never be trained
        with torch.inference_mode(False):
            return self._fit_checked(X, y, sample_weight, reset, classes)

    def _fit_checked(
        self, X: Any, y: Any, sample_weight: Any, reset: bool, classes: Any
    ) -> "FlatNet":
        with self._unchanged_on_error():
            self._check_parameters()
            X, y, targets = self._validate(*_unpack(X, y), reset=reset, classes=classes)
            weight = self._row_weights(X, y, sample_weight)
            if reset:
                self.initialize()
            else:
                self._check_same_network()
        context = self._init_callback_context(max_subtasks=self.max_epochs)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        job = FitJob(
            X=X,
            y=y,
            targets=targets,
            sample_weight=weight,
            seeds=self.seeds_,
            n_epochs=self.max_epochs,
        )
        try:
            self._train_job(job, context)
        except Exception as error:
            if isinstance(error, DivergedError) or not self.history_:
                self.initialized_ = False  # what there is must not answer
            raise
        context.call_on_fit_task_end(
            estimator=self, X=X, y=y, reconstruction_attributes=dict
        )
        return self

    @contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Leave a fitted net usable when it refuses to be fitted anew."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:  # Ctrl-C, too
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _check_parameters(self) -> None:
        params = {name: vars(self)[name] for name in self._get_param_names()}
        check_parameters(type(self).__name__, params, self._own_params())

    def _check_same_network(self) -> None:
        """Refuse to train on with a network that the parameters no longer describe."""
        now, built = self._built_with(), self.built_with_
        changed = [name for name in now if not _same(now[name], built[name])]
        if changed:
            was = ", ".join(f"{name}={built[name]!r}" for name in changed)
            raise ValueError(
                f"{type(self).__name__} cannot train on, because it was built with "
                f"{was}: set that back, or fit anew with warm_start=False."
            )

    def _validate(self, X: Any, y: Any, *, reset: bool, classes: Any) -> tuple:
        """Return X in the dtype to train in, y as given, and y as the loss wants it."""
        of_numbers = is_regressor(self)
        plain_y = type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biuU"
        X, y = validate_data(
            self,
            X,
            y,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            ensure_all_finite=False,
            skip_check_array=plain_y and is_plain_table(X) and len(X) == len(y),
            multi_output=of_numbers,
            y_numeric=of_numbers,
        )
        if reset:
            on_cpu = self.device is None or torch.device(self.device).type == "cpu"
            auto = X.dtype.name if on_cpu else "float32"
            self.dtype_ = auto if self.dtype == "auto" else self.dtype
        X = self._cast(X)
        y, targets = self._encode(y, reset=reset, classes=classes)
        return X, y, targets

    def _cast(self, X: Any) -> Any:
        """Bring checked X to the dtype of the network, and refuse NaN and infinity."""
        columns = getattr(self, "feature_names_in_", None)
        check_finite(X, columns=columns)
        if X.dtype.name == self.dtype_:
            return X
        with np.errstate(over="ignore"):
            narrow = X.astype(self.dtype_)
        try:
            check_finite(narrow, columns=columns)
        except ValueError as error:
            raise ValueError(
                f"{error} (A value is too large for {self.dtype_}.)"
            ) from None
        return narrow

    def _row_weights(
        self, X: Any, y: np.ndarray, sample_weight: Any
    ) -> np.ndarray | None:
        """Multiply the weights of rows and of classes; None if all are equal."""
        weight = None
        if sample_weight is not None:
            weight = np.asarray(sample_weight, dtype=X.dtype)
            if weight.ndim == 0:
                weight = np.full(X.shape[0], weight)
            if weight.shape != (X.shape[0],):
                raise ValueError(
                    f"sample_weight must have shape ({X.shape[0]},), one weight a row "
                    f"of X, got {weight.shape}."
                )
            check_finite(weight, name="sample_weight")
            if weight.min() < 0 or not weight.any():
                raise ValueError(
                    "sample_weight must not be negative, nor zero for all rows; got "
                    f"values from {weight.min()} to {weight.max()}."
                )
        by_class = self._class_weights(y)
        if by_class is None:
            return weight
        by_class = by_class.astype(X.dtype)
        return by_class if weight is None else weight * by_class

    def _class_weights(self, y: np.ndarray) -> np.ndarray | None:
        """Return the weight of each row's class; None if there are none."""
        return None


def _same(now: Any, built: Any) -> bool:
    """Whether two values of a parameter amount to the same: modules have no ==."""
    return now is built or repr(now) == repr(built)


def _unpack(X: Any, y: Any) -> tuple:
    """Take the arrays out of a dataset; refuse what is not one table."""
    if is_dataset(X):
        table = unpack_table(X)
        if table is None:
            raise TypeError(
                f"X is a {type(X).__name__}, from which X and y cannot be taken; pass "
                f"arrays, a skorch Dataset or a torch TensorDataset of two tensors."
            )
        X, inner_y = table
        y = inner_y if y is None else y
    if isinstance(X, Mapping) and not sp.issparse(X):  # a DOK matrix is both
        raise TypeError(
            "X must be one table of shape (n_samples, n_features), got a dict."
        )
    return X, y
