"""The estimators: flat hyperparameters, labels in and out."""

from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skact.nets.base import BaseNet
from skact.nets.inputs import check_finite
from skact.nets.labels import LabelNet
from skact.nets.not_fitted import check_is_fitted
from skact.nets.prediction import check_columns
from skact.parameters.kinds import check_numbers


class ActMLP(LabelNet, NeuralNetClassifier):
    """Multilayer perceptron classifier whose every hyperparameter is a flat argument.

    A :class:`skorch.NeuralNetClassifier` that is a clean scikit-learn estimator:
    softmax over the classes and cross-entropy. The loss of a batch is
    sum(w l) / sum(w) over its rows.

    Parameters
    ----------
    activation : activation spec or tuple of them, default="relu"
        A name (:func:`skact.list_activations`), a name with parameters such as
        ``"leaky_relu(0.2)"``, an ``nn.Module`` class or instance, a callable on
        tensors, a ``torch.autograd.Function``; or a tuple, one for each hidden layer.
    width : int, default=100
        Units in each hidden layer.
    depth : int, default=1
        Number of hidden layers; 0 gives a linear model.
    hidden : tuple of int or None, default=None
        Width of each hidden layer; overrides `width` and `depth`.
    output_activation : activation spec or None, default=None
        Applied before the loss, which still applies its own softmax (or sigmoid): with
        "softmax" here `predict_proba` cannot exceed 0.74 with two classes.
    dropout : float, default=0.0
        Probability in [0, 1) with which a hidden unit is zeroed in training.
    norm : {"batch", "layer"} or None, default=None
        Normalisation before each hidden activation. The statistics of "batch" count
        each row once, whatever its `sample_weight` and `class_weight`.
    init : {"torch", "auto"}, default="torch"
        "torch" is what ``nn.Linear`` does. "auto" scales initial weights to suit the
        activation (:func:`skact.activation_gain`): ten layers of sigmoids need it.
    optimizer : {"sgd", "adam", "adamw"} or torch.optim class, default="adam"
        A class gets `lr`, a non-zero `weight_decay`, and ``optimizer__*``.
    lr : float, default=0.002
        Learning rate; "sgd" wants ten times as much.
    lr_schedule : {"cosine", "one_cycle", "linear", "exponential"} or None, default=None
        The rate of each step, as torch's schedulers compute it. It falls to 0
        ("cosine", "linear") or ``lr / 100``; "one_cycle" rises from ``lr / 25`` first,
        and leaves the momentum. It spans `max_epochs`, early stopping or not;
        `partial_fit` goes on in it, and after `max_epochs` it begins anew.
    warmup : float or None, default=None
        Share of the steps, in [0, 1), in which the rate first rises from ``lr / 25`` to
        `lr`; for "one_cycle" its ``pct_start``. None is 0, for "one_cycle" torch's 0.3.
    momentum : float, default=0.9
        In [0, 1); used by "sgd" only.
    nesterov : bool, default=False
        Nesterov's momentum; used by "sgd" only.
    weight_decay : float, default=0.0
        L2 penalty ("sgd", "adam") or decoupled decay ("adamw"), as in torch.
    batch_size : int, default=128
        Rows in a batch; -1 takes all rows in one batch.
    shuffle : bool, default=True
        Whether the rows come in a new order in each epoch.
    max_epochs : int, default=50
        Epochs to train, in `fit` and in each `partial_fit`.
    early_stopping : bool, default=False
        Hold out `validation_fraction` of the rows, or those of `train_split`; stop when
        their loss has not improved for `patience` epochs, and keep the best weights.
    validation_fraction : float, default=0.1
        In (0, 1); stratified by class. Used by `early_stopping` only.
    patience : int, default=10
        Epochs without improvement before stopping. Used by `early_stopping` only.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in scikit-learn; 1 for those that a dict lacks.
    dtype : {"auto", "float32", "float64"}, default="auto"
        "auto" follows X on a CPU, as scikit-learn's MLP does; it is float32 elsewhere.
        Most tables come as float64: "float32" scores the same, up to twice as fast.
    random_state : int, RandomState or None, default=None
        Decides initial weights, batch order, dropout and the held-out rows. An int
        gives the same network every time; None a new one. No global generator is used.
    device : str, torch.device or None, default="cpu"
        Where to compute, such as "cuda".
    callbacks : list of skorch callbacks, "disable" or None, default=None
        As in skorch. For scikit-learn's callbacks see ``set_callbacks``.
    train_split : callable or None, default=None
        As in skorch, such as ``skorch.dataset.ValidSplit(5)``; None trains on all rows.
    warm_start : bool, default=False
        Whether `fit` trains on with the present weights.
    verbose : int, default=0
        1 prints a line each epoch, as in skorch.
    criterion : torch loss class, default=torch.nn.CrossEntropyLoss
        As in skorch; built with ``reduction="none"``.
    predict_nonlinearity : callable, "auto" or None, default="auto"
        As in skorch: turns outputs into probabilities.
    iterator_train, iterator_valid : class, default=torch.utils.data.DataLoader
        As in skorch.
    dataset : class, default=skorch.dataset.Dataset
        As in skorch.
    compile : bool, default=False
        As in skorch: whether to use ``torch.compile``.
    use_caching : bool or "auto", default="auto"
        As in skorch: whether scoring callbacks reuse the predictions of the epoch.
    torch_load_kwargs : dict or None, default=None
        As in skorch.
    **kwargs : dict
        skorch's ``optimizer__*``, ``criterion__*``, ``iterator_train__*``,
        ``iterator_valid__*``, ``dataset__*``, ``callbacks__*`` and ``compile__*``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_features_in_ : int
        Columns seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X had names that are strings.
    n_outputs_ : int
        Outputs of the network.
    module_ : MLP
        The network.
    history_ : skorch.history.History
        One row an epoch: losses, scores, seconds.
    dtype_ : str
        The dtype of the computation.
    seeds_ : Seeds
        What was derived from `random_state`.

    See Also
    --------
    ActMLPBinary : Two classes by one output.
    ActMLPRegressor : The same network for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skact import ActMLP
    >>> X, y = load_iris(return_X_y=True)
    >>> grid = {"activation": ["relu", "tanh"], "width": [8, 32]}
    >>> net = ActMLP(max_epochs=5, random_state=0)
    >>> search = GridSearchCV(net, grid, cv=2).fit(X, y)
    >>> sorted(search.best_params_)
    ['activation', 'width']
    """

    _engine_criterion = nn.CrossEntropyLoss

    def __init__(
        self,
        activation: Any = "relu",
        width: int = 100,
        *,
        depth: int = 1,
        hidden: Any = None,
        output_activation: Any = None,
        dropout: float = 0.0,
        norm: str | None = None,
        init: str = "torch",
        optimizer: Any = "adam",
        lr: float = 0.002,
        lr_schedule: str | None = None,
        warmup: float | None = None,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        batch_size: int = 128,
        shuffle: bool = True,
        max_epochs: int = 50,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        class_weight: Any = None,
        dtype: str = "auto",
        random_state: Any = None,
        device: Any = "cpu",
        callbacks: Any = None,
        train_split: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        criterion: Any = nn.CrossEntropyLoss,
        predict_nonlinearity: Any = "auto",
        iterator_train: Any = DataLoader,
        iterator_valid: Any = DataLoader,
        dataset: Any = Dataset,
        compile: bool = False,
        use_caching: Any = "auto",
        torch_load_kwargs: Any = None,
        **kwargs: Any,
    ) -> None:
        self._store_parameters(locals())

    # skorch's own parameter of this name; partial_fit(classes=) takes its place
    classes = None

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return super().predict_proba(X)


class ActMLPBinary(LabelNet, NeuralNetBinaryClassifier):
    """Multilayer perceptron for two classes: one output, sigmoid, binary cross-entropy.

    A :class:`skorch.NeuralNetBinaryClassifier` that is a clean scikit-learn estimator.
    To move the threshold of 0.5 use scikit-learn's ``FixedThresholdClassifier`` or
    ``TunedThresholdClassifierCV``.

    Parameters
    ----------
    criterion : torch loss class, default=torch.nn.BCEWithLogitsLoss
        As in skorch; built with ``reduction="none"``.

    See Also
    --------
    ActMLP : All other parameters and attributes; any number of classes.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skact import ActMLPBinary
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> net = ActMLPBinary("tanh", max_epochs=10, random_state=0)
    >>> make_pipeline(StandardScaler(), net).fit(X, y).score(X, y) > 0.97
    True
    """

    _engine_criterion = nn.BCEWithLogitsLoss

    def __init__(
        self,
        activation: Any = "relu",
        width: int = 100,
        *,
        depth: int = 1,
        hidden: Any = None,
        output_activation: Any = None,
        dropout: float = 0.0,
        norm: str | None = None,
        init: str = "torch",
        optimizer: Any = "adam",
        lr: float = 0.002,
        lr_schedule: str | None = None,
        warmup: float | None = None,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        batch_size: int = 128,
        shuffle: bool = True,
        max_epochs: int = 50,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        class_weight: Any = None,
        dtype: str = "auto",
        random_state: Any = None,
        device: Any = "cpu",
        callbacks: Any = None,
        train_split: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        criterion: Any = nn.BCEWithLogitsLoss,
        predict_nonlinearity: Any = "auto",
        iterator_train: Any = DataLoader,
        iterator_valid: Any = DataLoader,
        dataset: Any = Dataset,
        compile: bool = False,
        use_caching: Any = "auto",
        torch_load_kwargs: Any = None,
        **kwargs: Any,
    ) -> None:
        self._store_parameters(locals())

    def _encode_targets(self, y: Any, *, reset: bool, classes: Any) -> tuple:
        y, codes = super()._encode_targets(y, reset=reset, classes=classes)
        return y, codes.astype(self.dtype_)

    def _check_labels(self, labels: np.ndarray) -> None:
        if len(labels) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is "
                f"{type_of_target(labels)}: y has {len(labels)} classes. Use ActMLP."
            )

    def _n_output_units(self) -> int:
        return 1

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; one column of ones if y had one class.
        """
        check_is_fitted(self)
        proba = super().predict_proba(X)
        return np.ones_like(proba[:, :1]) if len(self.classes_) == 1 else proba

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class ActMLPRegressor(BaseNet, NeuralNetRegressor):
    """Multilayer perceptron for numbers, one or several outputs: squared error.

    A :class:`skorch.NeuralNetRegressor` that is a clean scikit-learn estimator. It has
    no `class_weight`. Scale y as well as X if its numbers are large, for example with
    ``sklearn.compose.TransformedTargetRegressor``.

    Parameters
    ----------
    criterion : torch loss class, default=torch.nn.MSELoss
        As in skorch; built with ``reduction="none"``.

    See Also
    --------
    ActMLP : All other parameters and attributes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skact import ActMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = ActMLPRegressor("silu", width=32, random_state=0).fit(scale(X), scale(y))
    >>> net.score(scale(X), scale(y)) > 0.5
    True
    """

    _engine_criterion = nn.MSELoss
    _is_y_1d: bool

    def __init__(
        self,
        activation: Any = "relu",
        width: int = 100,
        *,
        depth: int = 1,
        hidden: Any = None,
        output_activation: Any = None,
        dropout: float = 0.0,
        norm: str | None = None,
        init: str = "torch",
        optimizer: Any = "adam",
        lr: float = 0.002,
        lr_schedule: str | None = None,
        warmup: float | None = None,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        batch_size: int = 128,
        shuffle: bool = True,
        max_epochs: int = 50,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        dtype: str = "auto",
        random_state: Any = None,
        device: Any = "cpu",
        callbacks: Any = None,
        train_split: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        criterion: Any = nn.MSELoss,
        predict_nonlinearity: Any = "auto",
        iterator_train: Any = DataLoader,
        iterator_valid: Any = DataLoader,
        dataset: Any = Dataset,
        compile: bool = False,
        use_caching: Any = "auto",
        torch_load_kwargs: Any = None,
        **kwargs: Any,
    ) -> None:
        self._store_parameters(locals())

    def _encode_targets(self, y: np.ndarray, *, reset: bool, classes: Any) -> tuple:
        check_numbers(y)
        outputs = 1 if y.ndim == 1 else y.shape[1]
        if reset:
            self.n_outputs_, self._is_y_1d = outputs, y.ndim == 1
        elif outputs != self.n_outputs_:
            raise ValueError(
                f"y has {outputs} columns, but in fit it had {self.n_outputs_}."
            )
        with np.errstate(over="ignore"):
            targets = y.reshape(len(y), outputs).astype(self.dtype_)
        check_finite(targets, name=f"y (as {self.dtype_})")
        return y, targets

    def _decode_targets(self, targets: Tensor) -> np.ndarray:
        return self._shape_like_y(targets.cpu().numpy())

    def _shape_like_y(self, columns: np.ndarray) -> np.ndarray:
        columns = check_columns(self, columns, self.n_outputs_)
        return columns[:, 0] if self._is_y_1d else columns

    def predict(self, X: Any) -> np.ndarray:
        """Predict numbers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Input.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            As y was in `fit`.
        """
        check_is_fitted(self)
        return self._shape_like_y(super().predict_proba(X))

    @property
    def predict_proba(self) -> Any:
        """A regressor has none: skorch's would return the predictions."""
        raise AttributeError(f"{type(self).__name__} has no predict_proba")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
