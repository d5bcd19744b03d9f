"""Training by skorch's own loop: the components it needs, and what it may not do.

skorch's loop knows neither per-fit generators nor sample weights, swallows Ctrl-C and
calls no callbacks of scikit-learn. Each method here settles one of these.
"""

import copy
import dis
import functools
import inspect
import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from skorch import NeuralNet, NeuralNetBinaryClassifier
from skorch.callbacks import EarlyStopping, EpochScoring, PassthroughScoring, PrintLog
from skorch.dataset import Dataset, get_len
from skorch.utils import noop
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from skact.activations.build import is_foreign
from skact.engine.jobs import FitJob, Seeds
from skact.engine.weights import (
    Weights,
    weights_of,
)
from skact.exceptions import DivergedError
from skact.global_rng import borrowed_generators, seed_generators
from skact.nets.mlp import MLP, activation_per_layer
from skact.nets.parameter_checks import DTYPES, OPTIMIZERS
from skact.nets.rows import (
    EpochOrder,
    TrainingData,
    collate_rows,
    unpack_table,
    yields_rows,
)
from skact.threads import one_thread


class StopTraining(Exception):
    """A callback asked to stop; nothing went wrong."""


class _Run:
    """What a net needs to remember only while it is being fitted."""

    def __init__(self, job: FitJob, context: Any) -> None:
        self.job, self.context = job, context
        self.seeds_globally = False  # whether the global generators are lent to it
        self.epoch_context: Any = None
        self.batch_weight = 0.0  # sum(w) of the batch whose loss was taken last
        self.weights: list[Weights] | None = None  # of each epoch, if wanted
        self.rows = job.X, job.targets  # that train


class WeightedLoss(PassthroughScoring):
    """The mean loss of an epoch over its rows, by their weights."""

    def get_avg_score(self, history: Any) -> float:
        """Return sum(w l) / sum(w) over all batches."""
        key = f"{'train' if self.on_train else 'valid'}_batch_weight"
        losses, weights = zip(*history[-1, "batches", :, (self.name, key)], strict=True)
        if not any(weights):
            return super().get_avg_score(history)
        return float(np.average(losses, weights=weights))


class QuietLog(PrintLog):
    """Makes no table where none is printed."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Print a line, if the net is verbose or the sink is not skorch's own."""
        if net.verbose or self.sink is not print:
            super().on_epoch_end(net, **kwargs)


def accuracy(net: Any, X: Any, y: Any) -> float:
    """Return the share of right labels: scikit-learn's scorer, without its checks.

    They cost more than the epoch of a small network.
    """
    return float(np.mean(net.predict(X) == y))


class SkorchLoop(NeuralNet):
    """Overrides of skorch's NeuralNet that concern training."""

    _run: _Run | None = None
    _usual_criterion: type[nn.Module]

    # ------------------------------------------------------------------ components

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        ours = {
            "train_loss": WeightedLoss(name="train_loss", on_train=True),
            "valid_loss": WeightedLoss(name="valid_loss"),
            "valid_acc": EpochScoring(
                accuracy, name="valid_acc", lower_is_better=False
            ),
            "print_log": QuietLog(),
        }
        return [(name, ours.get(name, cb)) for name, cb in super()._default_callbacks]

    def get_default_callbacks(self) -> list[tuple[str, Any]]:
        """Return skorch's callbacks, and the one that does `early_stopping`."""
        callbacks = super().get_default_callbacks()
        if self.early_stopping:
            stop = EarlyStopping(patience=self.patience, load_best=True, sink=noop)
            callbacks.append(("early_stopping", stop))
        return callbacks

    def initialize_callbacks(self) -> "SkorchLoop":
        """Initialize callbacks; the one that stops comes after all that record."""
        super().initialize_callbacks()
        self.callbacks_.sort(key=lambda named: named[0] == "early_stopping")
        return self

    def initialize_module(self) -> "SkorchLoop":
        """Build the MLP."""
        seed = self.seeds_.weights
        with self._generators_for_foreign_parts(seed):
            self.module_ = MLP(**self._network(), seed=seed)
        self.module_.seed_noise(Seeds.of_epoch(self.seeds_.noise, 0))
        return self

    def initialize_criterion(self) -> "SkorchLoop":
        """Build the loss so that it gives one value a row: `get_loss` weighs them."""
        params = self.get_params_for("criterion")
        if isinstance(self.criterion, nn.Module) and not params:
            criterion = copy.deepcopy(self.criterion)
            if hasattr(criterion, "reduction"):
                vars(criterion)["reduction"] = "none"
        else:  # as in skorch, parameters build an instance anew
            given = self.criterion
            build = type(given) if isinstance(given, nn.Module) else given
            if _takes_reduction(build):  # type: ignore[arg-type]
                params["reduction"] = "none"
            with self._generators_for_foreign_parts(self.seeds_.weights):
                criterion = build(**params)
        if isinstance(criterion, nn.Module):
            criterion = criterion.to(DTYPES[self.dtype_])
        self.criterion_ = criterion
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> "SkorchLoop":
        """Build the optimizer; ``optimizer__*`` go before the flat parameters."""
        args, params = self.get_params_for_optimizer(
            "optimizer", self.get_all_learnable_params()
        )
        named = isinstance(self.optimizer, str)
        flat: dict[str, Any] = {}
        if named or self.weight_decay:  # a class keeps its own default
            flat["weight_decay"] = self.weight_decay
        if named and self.optimizer == "sgd":
            flat.update(momentum=self.momentum, nesterov=self.nesterov)
        build = OPTIMIZERS[self.optimizer] if named else self.optimizer
        self.optimizer_ = build(*args, **{**flat, **params})
        return self

    def get_split_datasets(self, X: Any, y: Any = None, **params: Any) -> tuple:
        """Split off the rows that validate: by `train_split`, or for early stopping."""
        if self.train_split is not None:
            # a split such as ValidSplit(0.2) draws from numpy's global generator
            with borrowed_generators(self.seeds_.split, torch.device("cpu")):
                train, valid = super().get_split_datasets(X, y, **params)
            return train, self._encoded(valid) if yields_rows(train) else valid
        if not self.early_stopping:
            return super().get_split_datasets(X, y, **params)
        splitter = StratifiedShuffleSplit if is_classifier(self) else ShuffleSplit
        seed = self.seeds_.split % 2**32  # numpy's RandomState takes no more
        split = splitter(1, test_size=self.validation_fraction, random_state=seed)
        try:
            train, valid = next(split.split(np.zeros(get_len(X)), y))
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot hold out "
                f"validation_fraction={self.validation_fraction} of {get_len(X)} rows: "
                f"{error}"
            ) from error
        return Subset(X, train), Subset(X, valid)

    def _encoded(self, dataset: Any) -> Any:
        """Give a validation set from predefined_split our codes and dtype."""
        table = None if yields_rows(dataset) else unpack_table(dataset)
        if table is None:
            return dataset
        X, y, targets = self._validate(*table, reset=False, classes=None)
        return TrainingData(X, y, targets, None)

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Build the loader; by default whole batches, shuffled in training."""
        kind = self.iterator_train if training else self.iterator_valid
        if not (isinstance(kind, type) and issubclass(kind, DataLoader)):
            return super().get_iterator(dataset, training)
        params = self.get_params_for("iterator_train" if training else "iterator_valid")
        ordered = {"sampler", "batch_sampler"} & set(params)
        if training and not ordered and params.pop("shuffle", self.shuffle):
            epoch = len(self.history_)
            params["sampler"] = EpochOrder(len(dataset), self.seeds_.order, epoch)
        if yields_rows(dataset):
            params.setdefault("collate_fn", collate_rows)
        if "batch_sampler" not in params:
            size = params.setdefault("batch_size", self.batch_size)
            params["batch_size"] = len(dataset) if size == -1 else size
        # a loader draws a seed for its workers: not from the global generator
        generator = torch.Generator().manual_seed(self.seeds_.order)
        params.setdefault("generator", generator)
        return kind(dataset, **params)

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
        weighted = isinstance(X, Mapping) and "sample_weight" in X
        if losses.ndim == 0:  # a criterion that averages by itself
            self._remember_weight(float(len(y_true)))
            if weighted:
                raise ValueError(
                    f"criterion={self.criterion!r} returns one value for the whole "
                    f"batch, so sample_weight and class_weight cannot be used with it."
                )
            return losses
        losses = _mean_of_outputs(losses)
        weight = X["sample_weight"].to(losses) if weighted else torch.ones_like(losses)
        total = (weight * self._criterion_weight(y_true, losses)).sum()
        self._remember_weight(total.item())
        # the floor is for a batch of zero weights: no gradient, and no 0 / 0
        floor = torch.finfo(losses.dtype).tiny
        return (losses * weight).sum() / total.clamp_min(floor)

    def shaped_as_loss_wants(self, outputs: Tensor) -> Tensor:
        """Return outputs (n, n_outputs) as `infer` would: of two classes (n,)."""
        binary = isinstance(self, NeuralNetBinaryClassifier)
        return outputs.squeeze(1) if binary else outputs

    def losses_of_rows(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        """Return the loss of each row, of a criterion that does not average."""
        return _mean_of_outputs(super().get_loss(y_pred, y_true))

    def _criterion_weight(self, codes: Tensor, losses: Tensor) -> Tensor:
        """Return the weight of each row in the criterion, as its own mean counts it."""
        if not isinstance(self.criterion_, nn.CrossEntropyLoss | nn.NLLLoss):
            return torch.ones_like(losses)
        codes = codes.to(losses.device)
        counted = (codes != self.criterion_.ignore_index).to(losses)
        weight = self.criterion_.weight
        return counted if weight is None else counted * weight[codes]

    def _remember_weight(self, batch_weight: float) -> None:
        if self._run is not None:
            self._run.batch_weight = batch_weight

    # ------------------------------------------------------------------ the loop

    def _train_by_skorch(self, job: FitJob) -> None:
        """Train the initialized net by skorch's own loop."""
        dataset, foreign = self._training_dataset(job), self._has_foreign_parts()
        assert self._run is not None
        self._run.seeds_globally = foreign
        try:
            # seeded anew in each epoch
            with one_thread(), self._generators_for_foreign_parts(job.seeds.noise):
                self.fit_loop(dataset, job.y, epochs=job.n_epochs)
        except StopTraining:
            pass

    @contextmanager
    def _running(self, job: FitJob, context: Any) -> Iterator[_Run]:
        """Remember the job and scikit-learn's context while the net is fitted."""
        self._run = _Run(job, context)
        try:
            yield self._run
        finally:
            del self._run

    def _training_dataset(self, job: FitJob) -> Any:
        if self.dataset is Dataset and not self.get_params_for("dataset"):
            return TrainingData(job.X, job.y, job.targets, job.sample_weight)
        X = job.X
        if job.sample_weight is not None:
            X = {"X": X, "sample_weight": job.sample_weight}
        return self.get_dataset(X, job.targets)

    def _generators_for_foreign_parts(self, seed: int) -> AbstractContextManager[None]:
        """Lend the global generators to what users brought."""
        if self._has_foreign_parts():
            return borrowed_generators(seed, self._torch_device())
        return nullcontext()

    def _has_foreign_parts(self) -> bool:
        """Whether something of the users' own may draw from a global generator."""
        loading = (self.iterator_train, self.iterator_valid, self.dataset)
        samplers = {"sampler", "batch_sampler"}
        return (
            self.built_of_foreign_
            or loading != (DataLoader, DataLoader, Dataset)
            or not samplers.isdisjoint(self.get_params_for("iterator_train"))
        )

    def _is_built_of_foreign(self) -> bool:
        """Look at what the net is to be built with: parameters may be set later on."""
        built = self.built_with_
        specs = activation_per_layer(built["activation"], len(built["hidden"]))
        parts = (*specs, built["output_activation"], built["criterion"])
        return any(map(is_foreign, parts))

    def _torch_device(self) -> torch.device:
        module = getattr(self, "module_", None)
        return torch.device("cpu") if module is None else module.output.weight.device

    def notify(self, method_name: str, **params: Any) -> None:
        """Call a hook of skorch's callbacks, and scikit-learn's at each epoch.

        The epoch's task of scikit-learn begins before skorch's callbacks and ends after
        them, when the scores are in the history.
        """
        run, in_loop = self._run, not method_name.startswith("on_train")
        if method_name == "on_epoch_begin" and run is not None:
            seed = Seeds.of_epoch(run.job.seeds.noise, len(self.history_))
            self.module_.seed_noise(seed)
            if run.seeds_globally:
                seed_generators(seed, self._torch_device())
            run.epoch_context = run.context.subcontext(task_name="epoch")
            run.epoch_context.call_on_fit_task_begin(estimator=self)
        if method_name == "on_batch_end":
            # skorch's EpochScoring keeps each batch's y and scores net.predict by it
            X, codes = params["batch"]
            params["batch"] = X, self._decode(codes)
        stop = False
        try:
            super().notify(method_name, **params)
        except KeyboardInterrupt as interrupt:
            if not (in_loop and _was_raised_by_code(interrupt.__traceback__)):
                raise  # Ctrl-C is for the caller
            stop = True
        except Exception as error:
            if "valid_" in str(error) and not self._has_validation():
                error.add_note(
                    "There are no validation rows: skact trains on all rows, unless "
                    "train_split=skorch.dataset.ValidSplit(5) or early_stopping=True."
                )
            raise
        if method_name == "on_epoch_end" and run is not None:
            stop |= self._end_epoch(run)
        if stop:
            raise StopTraining

    def _end_epoch(self, run: _Run) -> bool:
        """Tell scikit-learn's callbacks; whether one of them asks to stop."""
        if run.weights is not None:
            run.weights.append(weights_of(self.module_))
        return run.epoch_context.call_on_fit_task_end(
            estimator=self, X=run.job.X, y=run.job.y, reconstruction_attributes=dict
        )

    def _has_validation(self) -> bool:
        return self.train_split is not None or self.early_stopping

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, **params: Any
    ) -> None:
        """Record the weight of the batch; stop at a loss that is NaN or infinite."""
        if self._run is not None:
            prefix = "train" if training else "valid"
            self.history_.record_batch(f"{prefix}_batch_weight", self._run.batch_weight)
        if training and not math.isfinite(loss := params["loss"].item()):
            raise self._loss_diverged(loss)

    def _loss_diverged(self, loss: float) -> DivergedError:
        if len(self.history_) == 1 and len(self.history_[0]["batches"]) == 1:
            cure = "No step was taken yet: look at X, y and the activations."
            return self._diverged(f"the loss was {loss}", cure)
        return self._diverged(f"the loss became {loss}", self._smaller_steps())

    def _check_finite_weights(self) -> None:
        """Catch a last step that overflowed: no loss comes after it."""
        if not all(map(_is_finite, self.module_.parameters())):
            what = "the weights became NaN or infinite"
            raise self._diverged(what, self._smaller_steps())

    def _smaller_steps(self) -> str:
        return (
            f"Try a smaller lr, for example {min(self.lr / 10, 0.1):g}, or scale X, "
            f"for example with StandardScaler."
        )

    def _diverged(self, what: str, cure: str) -> DivergedError:
        epoch = len(self.history_)
        return DivergedError(
            f"{type(self).__name__} diverged: {what} in epoch {epoch} (lr={self.lr}, "
            f"optimizer={self.optimizer!r}, activation={self.activation!r}). {cure}",
            epoch=epoch,
        )

    def check_data(self, X: Any, y: Any = None) -> None:
        """Do nothing: `fit` has checked, and skorch would overwrite the classes."""

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        # a callback may pickle or copy the net during a fit
        for name in ("_run", "_callback_fit_ctx", "_skl_callbacks_to_teardown"):
            state.pop(name, None)
        return state


def _mean_of_outputs(losses: Tensor) -> Tensor:
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


@functools.lru_cache(64)
def _takes_reduction(loss: Any) -> bool:
    return "reduction" in inspect.signature(loss).parameters


def _is_finite(weight: Tensor) -> bool:
    """Ask the sum first, which is cheaper; it may overflow where no weight does."""
    weight = weight.detach()
    return bool(weight.sum().isfinite() or weight.isfinite().all())


def _was_raised_by_code(traceback: TracebackType | None) -> bool:
    """Whether a ``raise`` statement raised this, and not a signal such as Ctrl-C.

    skorch's EarlyStopping stops a fit by ``raise KeyboardInterrupt``.
    """
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    code = traceback.tb_frame.f_code
    # a handler of Ctrl-C that is written in Python raises by code, too
    handler = signal.getsignal(signal.SIGINT)
    if code is getattr(getattr(handler, "func", handler), "__code__", None):
        return False
    return dis.opname[code.co_code[traceback.tb_lasti]] == "RAISE_VARARGS"
