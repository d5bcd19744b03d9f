"""A skorch net that is a clean scikit-learn estimator: data in, fit, predictions out.

`BaseNet` has the methods that scikit-learn and skorch call by name. What they do stands
in the other files of this folder: `inputs` reads the data, `components` builds what the
net is made of, `eligibility` plans the fit, a loop runs it, and `prediction` predicts.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.callback import CallbackSupportMixin, with_callbacks
from skorch import NeuralNetBinaryClassifier
from skorch.exceptions import NotInitializedError
from skorch.history import History
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skact._sklearn import DURING_FIT
from skact.engine.jobs import Seeds
from skact.exceptions import DivergedError
from skact.nets import components, prediction
from skact.nets._skorch import predict_nonlinearity
from skact.nets.batch_loss import mean_of_outputs, weighted_mean
from skact.nets.default_callbacks import early_stopping, with_own_forms
from skact.nets.eligibility import plan_fit
from skact.nets.engine_loop import EngineLoop
from skact.nets.inputs import read_inputs
from skact.nets.interrupts import n_interrupts, watching_interrupts
from skact.nets.loop import Loop, StopTraining, check_loss, check_weights
from skact.nets.mlp import MLP
from skact.nets.parameters import FlatParameters
from skact.nets.rows import Rows
from skact.nets.skorch_loop import SkorchLoop

_LOOPS: dict[str, type[Loop]] = {"engine": EngineLoop, "skorch": SkorchLoop}


class BaseNet(FlatParameters, CallbackSupportMixin):
    """Overrides of skorch's NeuralNet; mixed in before it."""

    # what `fit` and `initialize` find and build
    n_features_in_: int
    n_outputs_: int
    dtype_: str
    seeds_: Seeds
    built_with_: dict[str, Any]
    built_of_custom_parts_: bool
    trained_by_: str
    module_: MLP
    criterion_: Any
    optimizer_: torch.optim.Optimizer
    callbacks_: list[tuple[str, Any]]

    _usual_criterion: type[nn.Module]  # that the engine knows
    _loop: Loop | None = None  # while the net trains

    # ------------------------------------------------------------ of each estimator

    def _encode(self, y: Any, *, reset: bool, classes: Any) -> tuple:
        """Return checked y as the user gave it, and as the loss wants it."""
        raise NotImplementedError

    def _decode(self, targets: Tensor) -> np.ndarray:
        """Turn what the loss wants back into what the user gave."""
        raise NotImplementedError

    def _class_weights(self, y: np.ndarray) -> np.ndarray | None:
        """Return the weight of each row's class; None if there are none."""
        return None

    # ------------------------------------------------------------ fitting

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return self.initialized_ and hasattr(self, "n_features_in_")

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BaseNet":
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
    ) -> "BaseNet":
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
        reset = not self.initialized_
        return self._fit(X, y, sample_weight, reset=reset, classes=classes)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any = None
    ) -> "BaseNet":
        """Read the data, build the parts, plan the fit, and let a loop run it."""
        self.check_training_readiness()
        # what is built in inference mode could never be trained
        with torch.inference_mode(False), watching_interrupts():
            with self._unchanged_on_error():
                self._check_parameters()
                rows = read_inputs(
                    self, X, y, sample_weight, reset=reset, classes=classes
                )
                if reset:
                    self.initialize()
                else:
                    components.check_same_network(self)
            context = self._init_callback_context(max_subtasks=self.max_epochs)
            context.call_on_fit_task_begin(estimator=self, X=rows.X, y=rows.y)
            with self._no_answer_if_diverged():
                self._train(rows, context)
            context.call_on_fit_task_end(
                estimator=self, X=rows.X, y=rows.y, reconstruction_attributes=dict
            )
        return self

    def _train(self, rows: Rows, context: Any) -> None:
        """Train on rows, telling skorch's callbacks."""
        self.notify("on_train_begin", X=rows.X, y=rows.y)
        plan = plan_fit(self, rows)
        self.trained_by_ = plan.trained_by
        self._loop = _LOOPS[plan.loop](self, plan, context)
        try:
            self._loop.run()
            check_weights(self)
            self.notify("on_train_end", X=rows.X, y=rows.y)
        finally:
            del self._loop

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

    @contextmanager
    def _no_answer_if_diverged(self) -> Iterator[None]:
        """Let a net that diverged, or has not trained at all, predict nothing."""
        try:
            yield
        except Exception as error:
            if isinstance(error, DivergedError) or not self.history_:
                self.initialized_ = False
            raise

    # ------------------------------------------------------------ building

    def initialize(self, X: Any = None, y: Any = None) -> "BaseNet":
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
                read_inputs(self, X, y, None, reset=True)
        elif not hasattr(self, "n_outputs_"):
            raise NotInitializedError(
                f"{type(self).__name__} learns its sizes and classes from data: call "
                f"initialize(X, y), or fit or partial_fit it first."
            )
        self.seeds_ = Seeds.from_random_state(self.random_state)
        self.built_with_ = components.fixed_settings(self)
        self.built_of_custom_parts_ = components.is_built_of_custom_parts(self)
        return super().initialize()

    def initialize_history(self) -> "BaseNet":
        """Begin a new history; the old one stays as it is for whoever has it."""
        self.history_ = History()
        return self

    def get_default_callbacks(self) -> list[tuple[str, Any]]:
        """Return skorch's callbacks, and the one that does `early_stopping`."""
        callbacks = with_own_forms(super().get_default_callbacks())
        if self.early_stopping:
            callbacks.append(("early_stopping", early_stopping(self.patience)))
        return callbacks

    def initialize_callbacks(self) -> "BaseNet":
        """Initialize callbacks; the one that stops comes after all that record."""
        super().initialize_callbacks()
        self.callbacks_.sort(key=lambda named: named[0] == "early_stopping")
        return self

    def initialize_module(self) -> "BaseNet":
        """Build the MLP."""
        self.module_ = components.build_module(self)
        return self

    def initialize_criterion(self) -> "BaseNet":
        """Build the loss so that it gives one value a row: `get_loss` weighs them."""
        self.criterion_ = components.build_criterion(self)
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> "BaseNet":
        """Build the optimizer; ``optimizer__*`` go before the flat parameters."""
        self.optimizer_ = components.build_optimizer(self)
        return self

    # ------------------------------------------------------------ training

    def check_data(self, X: Any, y: Any = None) -> None:
        """Do nothing: `fit` has checked, and skorch would overwrite the classes."""

    def get_split_datasets(self, X: Any, y: Any = None, **params: Any) -> tuple:
        """Split off the rows that validate: by `train_split`, or for early stopping."""
        if self.train_split is None and self.early_stopping:
            return components.split_for_early_stopping(self, X, y)
        split = super().get_split_datasets
        if self.train_split is None:
            return split(X, y, **params)
        return components.split_by_train_split(self, lambda: split(X, y, **params))

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Build the loader; by default whole batches, shuffled in training."""
        kind = self.iterator_train if training else self.iterator_valid
        if not (isinstance(kind, type) and issubclass(kind, DataLoader)):
            return super().get_iterator(dataset, training)
        return components.build_loader(self, kind, dataset, training)

    def infer(self, x: Any, **params: Any) -> Tensor:
        """Pass a batch through the module; sample weights are for the loss alone."""
        if isinstance(x, Mapping) and "sample_weight" in x:
            x = x["X"]
        return super().infer(x, **params)

    def get_loss(
        self, y_pred: Tensor, y_true: Tensor, X: Any = None, training: bool = False
    ) -> Tensor:
        """Return sum(w l) / sum(w) over the rows of a batch."""
        losses = super().get_loss(y_pred, y_true, X=X, training=training)
        loss, weight = weighted_mean(self, losses, y_true, X)
        if self._loop is not None:
            self._loop.batch_weight = weight
        return loss

    def shaped_as_loss_wants(self, outputs: Tensor) -> Tensor:
        """Return outputs (n, n_outputs) as `infer` would: of two classes (n,)."""
        binary = isinstance(self, NeuralNetBinaryClassifier)
        return outputs.squeeze(1) if binary else outputs

    def losses_of_rows(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        """Return the loss of each row, of a criterion that does not average."""
        return mean_of_outputs(super().get_loss(y_pred, y_true))

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, **params: Any
    ) -> None:
        """Record the weight of the batch; stop at a loss that is NaN or infinite."""
        if self._loop is not None:
            name = "train_batch_weight" if training else "valid_batch_weight"
            self.history_.record_batch(name, self._loop.batch_weight)
        if training:
            check_loss(self, params["loss"])

    def notify(self, method_name: str, **params: Any) -> None:
        """Call a hook of skorch's callbacks, and scikit-learn's at each epoch.

        The epoch's task of scikit-learn begins before skorch's callbacks and ends after
        them, when the scores are in the history.
        """
        if method_name == "on_epoch_begin" and self._loop is not None:
            self._loop.begin_epoch()
        if method_name == "on_batch_end":
            # skorch's EpochScoring keeps each batch's y and scores net.predict by it
            X, codes = params["batch"]
            params["batch"] = X, self._decode(codes)
        stop, in_loop = False, not method_name.startswith("on_train")
        before = n_interrupts()
        try:
            super().notify(method_name, **params)
        except KeyboardInterrupt:
            # Ctrl-C is for the caller; a callback stops a fit by the same error
            if not in_loop or n_interrupts() > before:
                raise
            stop = True
        except Exception as error:
            if "valid_" in str(error) and not components.holds_out_rows(self):
                error.add_note(
                    "There are no validation rows: skact trains on all rows, unless "
                    "train_split=skorch.dataset.ValidSplit(5) or early_stopping=True."
                )
            raise
        if method_name == "on_epoch_end" and self._loop is not None:
            stop |= self._loop.end_epoch()
        if stop:
            raise StopTraining

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        # a callback may pickle or copy the net during a fit
        for name in ("_loop", *DURING_FIT):
            state.pop(name, None)
        return state

    # ------------------------------------------------------------ predicting

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the module's output for X, through the `predict_nonlinearity`."""
        return prediction.probabilities(self, X)

    def forward_iter(
        self, X: Any, training: bool = False, device: str = "cpu"
    ) -> Iterator[Tensor]:
        """Yield the module's output for X, in few large batches.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input; or a torch Dataset, which goes through skorch's loader.
        training : bool, default=False
            Whether the module is in training mode (dropout is on).
        device : str, default="cpu"
            Where the output goes.

        Yields
        ------
        torch.Tensor of shape (n_rows, n_outputs)
        """
        for output in prediction.outputs_for(self, X, training):
            yield output.to(device)

    def trim_for_prediction(self) -> None:
        """Drop all that only training needs, as in skorch; predicting still works."""
        # "auto" infers it from the criterion, which goes
        self.set_params(predict_nonlinearity=predict_nonlinearity(self))
        super().trim_for_prediction()

    def check_is_fitted(
        self, attributes: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Raise NotInitializedError, a NotFittedError, unless the net is built."""
        if attributes is None and not self.initialized_:
            raise NotInitializedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' "
                f"with appropriate arguments before using this estimator."
            )
        super().check_is_fitted(attributes, *args, **kwargs)
