"""Parameters as in scikit-learn: the constructor stores them, fit checks them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sklearn import get_config
from sklearn.base import BaseEstimator
from skorch import NeuralNet

from skact._skorch import CONSTRUCTOR_ATTRIBUTES, callback_names
from skact.parameters.blame import blaming
from skact.parameters.callback_checks import initialize_callback
from skact.parameters.callback_errors import name_callbacks_that_are_none
from skact.parameters.checks import check_parameters
from skact.parameters.hints import PREFIXES, nearest, suggest_parameter
from skact.parameters.optimizer_checks import is_refused_option, options_to_store
from skact.parameters.signatures import defaults_of

_GROUPS = "optimizer__param_groups"
# they wait for the next fit; skorch would build the module anew, or raise
_WAITING = (
    "module__",
    "iterator_train__",
    "iterator_valid__",
    "dataset__",
    "compile__",
)


class FlatParameters(NeuralNet):
    """A skorch net whose parameters behave as scikit-learn's."""

    # the parameters of all estimators; the docstring of ActMLP describes them
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
    lr_schedule: str | None
    warmup: float | None
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

    built_with_: dict[str, Any]
    callbacks_: list[tuple[str, Any]]

    # skorch's constructor sets these; scikit-learn allows only parameters there
    initialized_: bool = CONSTRUCTOR_ATTRIBUTES["initialized_"]
    history_: Any = CONSTRUCTOR_ATTRIBUTES["history_"]
    _misnamed: Mapping[str, Any] = MappingProxyType({})
    virtual_params_: Any = CONSTRUCTOR_ATTRIBUTES["virtual_params_"]

    def _store_parameters(self, arguments: dict[str, Any]) -> None:
        """Store the arguments of the constructor unchecked; `fit` checks them."""
        keywords = arguments.pop("kwargs")
        params = {k: v for k, v in arguments.items() if k not in ("self", "__class__")}
        # they would stand for state of the net; `fit` refuses them
        self._misnamed = {k: keywords.pop(k) for k in [*keywords] if k.endswith("_")}
        self.__dict__.update(params, **keywords)
        self._params_to_validate = set(keywords)

    def _get_param_names(self) -> list[str]:
        # skorch takes every attribute; but a user may keep a note on a net
        names = defaults_of(type(self)).keys() | self._params_to_validate
        return [k for k in vars(self) if k in names or _is_prefixed(k)]

    def _check_parameters(self) -> None:
        """Raise ValueError if a parameter is not valid."""
        params = {name: vars(self)[name] for name in self._get_param_names()}
        params |= self._misnamed
        check_parameters(
            type(self).__name__, params, frozenset(defaults_of(type(self)))
        )
        self._check_callback_names(params)

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
        params.update(self._misnamed)
        return {k: v for k, v in params.items() if not k.startswith("_")}

    def set_params(self, **params: Any) -> "FlatParameters":
        """Set parameters of this estimator.

        Plain parameters are stored and take effect at the next ``fit``; on a fitted net
        ``lr`` and ``optimizer__*`` also change the live optimizer, as in skorch
        (``optimizer__param_groups`` does not).

        Parameters
        ----------
        **params : dict
            Parameter names and values.

        Returns
        -------
        self : estimator
            This estimator.
        """
        for_skorch = {}
        for name in [
            k for k in params if "__" in k or (k == "lr" and self.initialized_)
        ]:
            waits = name == _GROUPS or name.startswith(_WAITING)
            if waits or is_refused_option(name):
                self._store_keywords({name: params.pop(name)})
            else:
                for_skorch[name] = params.pop(name)
        self._check_names(params)
        BaseEstimator.set_params(self, **params)
        if "callbacks" in params and self.initialized_:  # as in skorch
            self.initialize_callbacks()
            self.built_with_["callbacks"] = self.callbacks
        if for_skorch:
            self._check_callback_names(for_skorch)
            self._set_live(for_skorch)
        return self

    def _set_live(self, params: dict[str, Any]) -> None:
        """Set what skorch sets at once; also keep what it hands to the optimizer."""
        live = {k: v for k, v in params.items() if k.startswith("optimizer__")}
        stored = options_to_store(live, vars(self).get(_GROUPS, ()))
        if self.initialized_:
            with name_callbacks_that_are_none(self, params):
                super().set_params(**params)
            if _GROUPS in stored:
                self.built_with_[_GROUPS] = stored[_GROUPS]
            # skorch keeps a callback that is set to None, and would call it
            self.callbacks_ = [one for one in self.callbacks_ if one[1] is not None]
            for name, callback in self.callbacks_:  # nor does it initialize a new one
                if params.get(f"callbacks__{name}") is callback:
                    initialize_callback(callback)
        elif rest := {k: v for k, v in params.items() if k not in live}:
            with name_callbacks_that_are_none(self, rest):
                super().set_params(**rest)
        self._store_keywords(stored)

    def _store_keywords(self, params: Mapping[str, Any]) -> None:
        self.__dict__.update(params)
        self._params_to_validate.update(params)

    def _check_names(self, params: Mapping[str, Any]) -> None:
        """Raise at an unknown parameter, with scikit-learn's error and a near name."""
        known = self.get_params(deep=False)
        for name in params:
            if name.partition("__")[0] not in known:
                hint = suggest_parameter(name, known)
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}{hint or '.'} "
                    f"Valid parameters are: {list(known)!r}."
                )

    def _check_callback_names(self, params: Iterable[str]) -> None:
        """Raise at a ``callbacks__name`` of no callback, which skorch would ignore."""
        given = [name for name in params if name.startswith("callbacks__")]
        known = callback_names(self) if given else []
        for key in given:
            name = key.removeprefix("callbacks__")
            if not any(name == one or name.startswith(f"{one}__") for one in known):
                name = name.partition("__")[0]
                raise ValueError(
                    f"Trying to set a parameter for callback {name} which does not "
                    f"exist: {key!r}{nearest(name, known) or '.'} The callbacks of "
                    f"{type(self).__name__} are {', '.join(map(repr, known))}."
                )

    @blaming("compile")
    def torch_compile(self, module: Any, name: str) -> Any:
        """Compile a module, if `compile` says so."""
        return super().torch_compile(module, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        # skorch raises at a module set elsewhere, such as activation=nn.ReLU()
        if name in defaults_of(type(self)):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        # scikit-learn's form, but the defaults of a subclass that hands **kwargs on, or
        # of a mixin, stand in several signatures
        params = self.get_params(deep=False)
        if get_config()["print_changed_only"]:
            usual = defaults_of(type(self))
            params = {
                name: value
                for name, value in params.items()
                if name not in usual or repr(value) != repr(usual[name])
            }
        shown = type(type(self).__name__, (_Shown,), {"shown": params})
        return BaseEstimator.__repr__(shown(), N_CHAR_MAX=N_CHAR_MAX)


class _Shown(BaseEstimator):
    """Stands for an estimator in its repr, which shows these parameters."""

    shown: Mapping[str, Any]

    def __init__(self) -> None:
        pass

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return dict(self.shown)


def _is_prefixed(name: str) -> bool:
    """Whether a name is that of a parameter of a part, such as ``optimizer__eps``."""
    prefix, separator, rest = name.partition("__")
    return bool(separator and rest) and prefix in PREFIXES
