"""Hints for names that no parameter has: what skact calls it, or the nearest name."""

import difflib
from collections.abc import Iterable

# names in scikit-learn's MLPs, Keras and others -> names in skact
_OUR_NAMES = {
    "alpha": "weight_decay",
    "batch_norm": "norm",
    "betas": "optimizer__betas",
    "dropout_rate": "dropout",
    "epochs": "max_epochs",
    "eps": "optimizer__eps",
    "epsilon": "optimizer__eps",
    "hidden_layer_sizes": "hidden",
    "hidden_sizes": "hidden",
    "hidden_units": "hidden",
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "loss": "criterion",
    "loss_function": "criterion",
    "max_iter": "max_epochs",
    "n_epochs": "max_epochs",
    "n_iter_no_change": "patience",
    "n_layers": "depth",
    "nesterovs_momentum": "nesterov",
    "num_epochs": "max_epochs",
    "num_layers": "depth",
    "seed": "random_state",
    "solver": "optimizer",
    "units": "width",
}
# names of what is done in another way
_OTHER_WAYS = {
    "beta_1": "; did you mean optimizer__betas=(beta_1, beta_2)?",
    "beta_2": "; did you mean optimizer__betas=(beta_1, beta_2)?",
    "history": ": assign net.history.",
    "tol": ": every epoch is trained, unless early_stopping=True stops after "
    "'patience' epochs without a better loss.",
}

# skorch's prefixes that have an effect; module__ has none, skact builds the module
PREFIXES = (
    "callbacks",
    "compile",
    "criterion",
    "dataset",
    "iterator_train",
    "iterator_valid",
    "optimizer",
)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'width'?" for a name near to a known name, else ""."""
    found = difflib.get_close_matches(name, list(known), n=1)
    if not found:
        found = [one for one in known if one.lower() == name.lower()]
    return f"; did you mean {found[0]!r}?" if found else ""


def suggest_parameter(key: str, names: Iterable[str]) -> str:
    """Return "; did you mean 'lr'?" for an unknown parameter, or "" without an idea."""
    if key in _OUR_NAMES:
        return f"; did you mean {_OUR_NAMES[key]!r}?"
    if key in _OTHER_WAYS:
        return _OTHER_WAYS[key]
    if key.endswith("__") and key.removesuffix("__") in PREFIXES:
        return f": the name of a parameter of {key.removesuffix('__')} must follow."
    return nearest(key, [*names, *(f"{prefix}__" for prefix in PREFIXES)])
