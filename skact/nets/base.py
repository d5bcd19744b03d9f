"""A skorch net that is a clean scikit-learn estimator: data in, fit, predictions out.

`BaseNet` has the methods that scikit-learn and skorch call by name. The other files of
this folder do the work: `inputs` reads the data, `components` builds the parts of the
net, `eligibility` plans the fit, `engine_loop` or `skorch_loop` trains, and
`prediction` predicts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.callback import CallbackSupportMixin, with_callbacks
from skorch.exceptions import NotInitializedError
from skorch.history import History
from skorch.utils import to_device
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skact._sklearn import DURING_FIT
from skact._skorch import names_optimizer, nonlinearity_of
from skact._torch import load_compiler
from skact.engine.current_trainer import note_failure
from skact.engine.jobs import Seeds
from skact.interrupts import StopFit, StopRequest, count_interrupts
from skact.nets import components, default_callbacks, prediction
from skact.nets.batch_loss import WeightedLosses
from skact.nets.divergence import check_loss, check_weights
from skact.nets.eligibility import plan_fit
from skact.nets.engine_loop import EngineLoop
from skact.nets.inputs import read_inputs
from skact.nets.loop import Loop
from skact.nets.mlp_attributes import MLPAttributes
from skact.nets.not_fitted import check_is_fitted
from skact.nets.parameters import FlatParameters
from skact.nets.rollback import forget_fit_if_diverged, restore_on_error
from skact.nets.skorch_loop import SkorchLoop
from skact.nets.split import check_some_weight, read_split, showing_given_values
from skact.nets.trial import has_late_parts, try_late_parts
from skact.network.mlp import MLP
from skact.parameters.blame import blame, blame_for_batch, blaming
from skact.parameters.callback_checks import check_callbacks, check_scorers
from skact.parameters.callback_errors import blame_callbacks, explain_missing_scores
from skact.parameters.fit_params import FitOptions, read_fit_params
from skact.parameters.input_scale import some_rows, warn_of_scales
from skact.parameters.loader_options import check_loader, loader_options
from skact.parameters.optimizer_checks import OPTIMIZER_PARAMETERS
from skact.parameters.rows import Rows

_LOOPS: dict[str, type[Loop]] = {"engine": EngineLoop, "skorch": SkorchLoop}


class BaseNet(WeightedLosses, FlatParameters, MLPAttributes, CallbackSupportMixin):
    """Overrides of skorch's NeuralNet; mixed in before it."""

    # set by `fit` and `initialize`
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

    _engine_criterion: type[nn.Module]  # the criterion that the engine can train
    _loop: Loop | None = None  # set while the net trains

    # ------------------------------------------------------------ each estimator's own

    def _encode_targets(self, y: Any, *, reset: bool, classes: Any) -> tuple:
        """Return y as the user gave it, and y as the loss needs it."""
        raise NotImplementedError

    def _decode_targets(self, targets: Tensor) -> np.ndarray:
        """Turn targets of the loss into values of y, as the user gave them."""
        raise NotImplementedError

    def _class_weight_of_rows(
        self, targets: np.ndarray, of_rows: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the class weight of each row, or None without class weights."""
        return None

    # ------------------------------------------------------------ fitting

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return self.initialized_ and hasattr(self, "n_features_in_")

    @with_callbacks
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **fit_params: Any
    ) -> "BaseNet":
        """Train a new network, or train on if `warm_start` is set.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Class labels of any kind, or numbers (several columns for a regressor). None
            only if X is a dataset that holds y.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; None weighs them equally.
        **fit_params : dict
            As in skorch: what `train_split` takes beside the rows, such as ``groups``,
            and ``epochs``, the number of epochs instead of `max_epochs`.

        Returns
        -------
        self : estimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not valid.
        TypeError
            If a keyword is not known.
        DivergedError
            If the loss becomes NaN or infinite.
        """
        reset = not (self.initialized_ and self.warm_start)
        options = read_fit_params(self, "fit", fit_params)
        return self._fit(X, y, sample_weight, options, reset=reset)

    @with_callbacks
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: Any = None,
        sample_weight: Any = None,
        **fit_params: Any,
    ) -> "BaseNet":
        """Train `max_epochs` more epochs with the present network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training input.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Class labels, or numbers; see `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels of all calls, given in the first one; None takes those in y.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; None weighs them equally.
        **fit_params : dict
            As in `fit`: ``groups`` and the like for `train_split`, and ``epochs``.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        if str(getattr(self, "class_weight", None)) == "balanced":  # of any type
            raise ValueError(
                "class_weight='balanced' needs all rows at once, so partial_fit cannot "
                "use it: pass a dict of weights, or sample_weight."
            )
        reset = not self.initialized_
        options = read_fit_params(self, "partial_fit", fit_params)
        return self._fit(X, y, sample_weight, options, reset=reset, classes=classes)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        options: FitOptions,
        *,
        reset: bool,
        classes: Any = None,
    ) -> "BaseNet":
        """Read the data, build the parts, plan the fit, and let a loop run it."""
        self.check_training_readiness()
        # torch cannot train a network that was built in inference mode
        no_autocast = torch.autocast("cpu", enabled=False)  # `dtype` decides
        with torch.inference_mode(False), no_autocast, count_interrupts():
            with note_failure(in_training=False), restore_on_error(self):
                self._check_parameters()
                rows = read_inputs(
                    self, X, y, sample_weight, reset=reset, classes=classes
                )
                if reset:
                    some = some_rows(len(rows))
                    warn_of_scales(self, rows.X[some], rows.targets[some])
                    self.initialize()
                else:
                    components.check_can_train_on(self)
                check_scorers(self)
                if has_late_parts(self):
                    try_late_parts(self, rows)
            context = self._init_callback_context(max_subtasks=options.n_epochs)
            context.call_on_fit_task_begin(estimator=self, X=rows.X, y=rows.y)
            with forget_fit_if_diverged(self):
                self._train(rows, options, context)
            context.call_on_fit_task_end(
                estimator=self, X=rows.X, y=rows.y, reconstruction_attributes=dict
            )
        return self

    def _train(self, rows: Rows, options: FitOptions, context: Any) -> None:
        """Plan the fit, let a loop train it, and notify skorch's callbacks."""
        with note_failure(in_training=False):
            with StopRequest() as stop:
                self.notify("on_train_begin", X=rows.X, y=rows.y)
            is_trained = options.n_epochs > 0 and not stop.was_made
            plan = plan_fit(self, rows, options) if is_trained else None
        if plan is None:
            why = "a callback stopped the fit" if stop.was_made else "it has no epochs"
            self.trained_by_ = f"no loop, because {why}"
        else:
            self.trained_by_ = plan.trained_by
            self._loop = _LOOPS[plan.loop](self, plan, context)
            try:
                with note_failure(in_training=True):
                    self._loop.run()
                    check_weights(self)
            finally:
                del self._loop
        with StopRequest(), note_failure(in_training=True):  # nothing is left to stop
            self.notify("on_train_end", X=rows.X, y=rows.y)

    # ------------------------------------------------------------ building

    def initialize(self, X: Any = None, y: Any = None) -> "BaseNet":
        """Build module, loss, optimizer and callbacks without training.

        Parameters
        ----------
        X, y : array-like, default=None
            Data as for ``fit``: sizes and classes are read from it. A net that has
            seen data needs none.

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
            with restore_on_error(self):
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
        super().initialize()
        check_callbacks(self)
        if hasattr(self, "module_"):  # of the user's own class, with its own dtype
            self.module_.to(components.DTYPES[self.dtype_])
        return self

    def initialize_history(self) -> "BaseNet":
        """Begin a new history; references to the old history stay valid."""
        self.history_ = History()
        return self

    def get_default_callbacks(self) -> list[tuple[str, Any]]:
        """Return skorch's default callbacks, and those of parameters that are set."""
        usual = super().get_default_callbacks()
        ours = default_callbacks.replace_default_callbacks(usual)
        return [*ours, *default_callbacks.callbacks_of_parameters(self)]

    @blaming("callbacks")
    def initialize_callbacks(self) -> "BaseNet":
        """Initialize callbacks; early stopping comes last, after all that record."""
        super().initialize_callbacks()
        self.callbacks_.sort(key=lambda named: named[0] == "early_stopping")
        return self

    @blaming("activation", "width", "depth", "hidden", "output_activation", "init")
    def initialize_module(self) -> "BaseNet":
        """Build the MLP."""
        self.module_ = components.build_module(self)
        return self

    @blaming("criterion")
    def initialize_criterion(self) -> "BaseNet":
        """Build the loss with one value for each row; `get_loss` takes the mean."""
        self.criterion_ = components.build_criterion(self)
        return self

    @blaming(*OPTIMIZER_PARAMETERS)
    def initialize_optimizer(self, triggered_directly: Any = None) -> "BaseNet":
        """Build the optimizer; ``optimizer__*`` override the flat parameters."""
        self.optimizer_ = components.build_optimizer(self)
        return self

    def save_params(self, *args: Any, **params: Any) -> None:
        """Save as skorch does; the state of an optimizer loads torch's compiler."""
        if names_optimizer(args, params):
            load_compiler()
        super().save_params(*args, **params)

    def load_params(self, *args: Any, **params: Any) -> None:
        """Load as skorch does; the state of an optimizer loads torch's compiler."""
        if names_optimizer(args, params):
            load_compiler()
        super().load_params(*args, **params)

    # ------------------------------------------------------------ training

    def check_data(self, X: Any, y: Any = None) -> None:
        """Do nothing: `fit` has checked the data; skorch would reset the classes."""

    def get_split_datasets(self, X: Any, y: Any = None, **params: Any) -> tuple:
        """Hold out validation rows: by `train_split`, or for early stopping."""
        if not self.train_split and self.early_stopping:
            held_out = components.split_for_early_stopping(self, X, y)
            return check_some_weight(self, held_out)
        split = super().get_split_datasets
        if not self.train_split:
            return split(X, y, **params)
        if self._loop is not None:  # skorch's loop calls without these parameters
            params = {**self._loop.plan.split_params, **params}
        with blame(self, "train_split"):
            with components.seed_split(self), showing_given_values(self, X):
                datasets = split(X, y, **params)
            return check_some_weight(self, read_split(self, X, datasets))

    @blaming("iterator_train", "iterator_valid")
    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Build a loader of whole batches, shuffled in training."""
        kind = self.iterator_train if training else self.iterator_valid
        if not (isinstance(kind, type) and issubclass(kind, DataLoader)):
            return check_loader(super().get_iterator(dataset, training))
        return kind(dataset, **loader_options(self, dataset, training=training))

    def run_single_epoch(
        self, iterator: Any, training: bool, *args: Any, **kwargs: Any
    ) -> None:
        """Run an epoch as skorch does; the loop may set learning rates."""
        if iterator is not None and self._loop is not None:
            iterator = self._loop.prepare_batches(iterator, training=training)
        super().run_single_epoch(iterator, training, *args, **kwargs)

    def infer(self, x: Any, **params: Any) -> Tensor:
        """Pass a batch through the module; only the loss reads sample weights."""
        if isinstance(x, Mapping) and "sample_weight" in x:
            x = x["X"]
        with blame_for_batch(self, x):
            return super().infer(x, **params)

    @blaming("dataset")
    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Build a dataset of the class `dataset`, as skorch does."""
        return super().get_dataset(X, y)

    def _end_batch(self, loss: Any, training: bool) -> None:
        """Record the weight of the batch; raise if the loss is NaN or infinite."""
        if self._loop is not None:
            name = "train_batch_weight" if training else "valid_batch_weight"
            self.history_.record_batch(name, self._loop.batch_weight)
        check_loss(self, loss, is_training=training)

    def notify(self, method_name: str, **params: Any) -> None:
        """Call a hook of skorch's callbacks; at an epoch, also scikit-learn's.

        scikit-learn's task of an epoch begins before skorch's and ends after them.
        """
        if method_name == "on_epoch_begin" and self._loop is not None:
            self._loop.begin_epoch(params)
        if method_name == "on_batch_end":
            # not in the hook of that name, which a subclass may override
            self._end_batch(params["loss"], params["training"])
            # skorch's EpochScoring compares the y of each batch with net.predict
            X, codes = params["batch"]
            if self._loop is not None:
                self._loop.note_weights(X, training=params["training"])
            params["batch"] = X, self._decode_targets(codes)
        with StopRequest() as stop:
            self._call_skorch_callbacks(method_name, params)
        asks_to_stop = stop.was_made
        if method_name == "on_epoch_end" and self._loop is not None:
            asks_to_stop |= self._loop.end_epoch()
        if asks_to_stop:  # the loop that runs ends quietly
            raise StopFit

    def _call_skorch_callbacks(self, method_name: str, params: dict[str, Any]) -> None:
        """Call a hook of skorch's callbacks; say if validation rows are missing."""
        with explain_missing_scores(self), blame_callbacks(self):
            super().notify(method_name, **params)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        # a callback may pickle or copy the net during a fit, without the fit's state
        for name in ("_loop", *DURING_FIT):
            state.pop(name, None)
        return {**state, **components.settings_to_pickle(self)}

    # ------------------------------------------------------------ predicting

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the outputs for X, after the `predict_nonlinearity`."""
        return prediction.probabilities(self, X)

    def forward_iter(
        self, X: Any, training: bool = False, device: str = "cpu"
    ) -> Iterator[Tensor]:
        """Yield the module's outputs for X, in a few large batches.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input; or a torch Dataset, which skorch's loader reads.
        training : bool, default=False
            Whether the module runs in training mode, with dropout.
        device : str, default="cpu"
            Device of the outputs.

        Yields
        ------
        torch.Tensor of shape (n_rows, n_outputs)
        """
        for output in prediction.outputs_of_net(self, X, training):
            yield to_device(output, device)

    def trim_for_prediction(self) -> None:
        """Drop all that only training needs, as in skorch; predictions still work."""
        # "auto" is inferred from the criterion, which is dropped
        self.set_params(predict_nonlinearity=nonlinearity_of(self))
        super().trim_for_prediction()

    def check_is_fitted(
        self, attributes: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Raise NotInitializedError, a NotFittedError, if the net is not built."""
        if attributes is None:
            check_is_fitted(self)
        super().check_is_fitted(attributes, *args, **kwargs)
