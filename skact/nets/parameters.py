"""Parameters the scikit-learn way: the constructor stores, fit checks."""

import inspect
from typing import Any

from sklearn.base import BaseEstimator
from skorch import NeuralNet

from skact.nets._skorch import CONSTRUCTED
from skact.nets.parameter_checks import check_parameters


class FlatParameters(NeuralNet):
    """What a skorch net must override to have plain scikit-learn parameters."""

    # what all estimators take; the constructors say what each of them means
    activation: Any
    width: int
    depth: int
    hidden: Any
    output_activation: Any
    dropout: float
    norm: str | None
    init: str
    optimizer: Any
    lr: float
    momentum: float
    nesterov: bool
    weight_decay: float
    batch_size: int
    shuffle: bool
    max_epochs: int
    early_stopping: bool
    validation_fraction: float
    patience: int
    dtype: str
    random_state: Any
    device: Any
    callbacks: Any
    train_split: Any
    warm_start: bool
    verbose: int
    criterion: Any
    predict_nonlinearity: Any
    iterator_train: Any
    iterator_valid: Any
    dataset: Any
    compile: bool
    use_caching: Any
    torch_load_kwargs: Any

    # skorch sets these in its constructor, where scikit-learn wants parameters only
    initialized_: bool = CONSTRUCTED["initialized_"]
    history_: Any = CONSTRUCTED["history_"]
    virtual_params_: Any = CONSTRUCTED["virtual_params_"]

    def _store(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments as they are: `fit` checks them."""
        keywords = arguments.pop("kwargs")
        params = {k: v for k, v in arguments.items() if k not in ("self", "__class__")}
        self.__dict__.update(params, **keywords)
        self._params_to_validate = set(keywords)

    @classmethod
    def _own_params(cls) -> frozenset[str]:
        """Return the names in the constructor's signature."""
        if "_own_params_cache" not in vars(cls):
            # a subclass may take *args and **kwargs and hand them on; skorch's own
            # constructor is not called, and its module not among the parameters
            kinds = [kind for kind in cls.__mro__ if issubclass(kind, FlatParameters)]
            kinds = [kind for kind in kinds if "__init__" in vars(kind)]
            signatures = [inspect.signature(kind.__init__) for kind in kinds]
            cls._own_params_cache = frozenset(
                name
                for signature in signatures
                for name, parameter in signature.parameters.items()
                if name != "self"
                and parameter.kind
                not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            )
        return cls._own_params_cache

    def _get_param_names(self) -> list[str]:
        # skorch takes every attribute without a trailing underscore, and so would hand
        # scikit-learn's _skl_callbacks to clone
        return [k for k in vars(self) if not k.startswith("_") and not k.endswith("_")]

    def _check_parameters(self) -> None:
        """Raise where a parameter is not as it must be."""
        params = {name: vars(self)[name] for name in self._get_param_names()}
        check_parameters(type(self).__name__, params, self._own_params())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add those of skorch's callbacks, as ``callbacks__name__param``.

        Returns
        -------
        dict
            Parameter names mapped to their values.
        """
        params = super().get_params(deep=deep)
        return {k: v for k, v in params.items() if not k.startswith("_")}

    def set_params(self, **params: Any) -> "FlatParameters":
        """Set parameters of this estimator.

        Plain parameters are stored and take effect at the next ``fit``; on a fitted net
        ``lr`` and ``optimizer__*`` also change the live optimizer, as in skorch.

        Parameters
        ----------
        **params : dict
            Parameter names and values.

        Returns
        -------
        self : estimator
            This estimator.
        """
        skorchs = {}
        for name in [
            k for k in params if "__" in k or (k == "lr" and self.initialized_)
        ]:
            if name.startswith("module__"):
                self.__dict__[name] = params.pop(name)  # fit will refuse it
            else:
                skorchs[name] = params.pop(name)
        BaseEstimator.set_params(self, **params)
        if skorchs:
            super().set_params(**skorchs)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        # skorch refuses modules outside initialize_*, such as activation=nn.ReLU()
        if name in self._own_params():
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return BaseEstimator.__repr__(self, N_CHAR_MAX=N_CHAR_MAX)
