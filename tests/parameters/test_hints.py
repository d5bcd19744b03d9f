"""A name that no parameter has is answered with what skact calls it."""

import re

import pytest

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.parameters.hints import PREFIXES, nearest, suggest_parameter

X, Y = [[0.0], [1.0]] * 5, [0, 1] * 5
OURS = {
    "hidden_layer_sizes": "hidden",
    "alpha": "weight_decay",
    "solver": "optimizer",
    "max_iter": "max_epochs",
    "learning_rate_init": "lr",
    "learning_rate": "lr",
    "n_iter_no_change": "patience",
    "nesterovs_momentum": "nesterov",
    "loss": "criterion",
    "dropout_rate": "dropout",
    "epochs": "max_epochs",
    "epsilon": "optimizer__eps",
    "seed": "random_state",
}
HINTS = {theirs: f"; did you mean {ours!r}?" for theirs, ours in OURS.items()}
HINTS["beta_1"] = HINTS["beta_2"] = "; did you mean optimizer__betas=(beta_1, beta_2)?"
HINTS["tol"] = ": every epoch is trained, unless early_stopping=True stops after"


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
@pytest.mark.parametrize("theirs", HINTS)
def test_names_of_other_libraries_are_answered_with_ours(theirs, kind):
    message = f"unexpected parameter {theirs!r}{HINTS[theirs]}"
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(**{theirs: 1}).fit(X, Y)
    with pytest.raises(ValueError, match=re.escape(HINTS[theirs])):
        kind().set_params(**{theirs: 1})


def test_each_hint_is_a_parameter_that_a_net_takes():
    names = ActMLP().get_params(deep=False)
    for theirs, ours in OURS.items():
        assert ours.partition("__")[0] in names
        assert theirs not in names


def test_the_nearest_name_is_offered_and_nothing_without_one():
    assert nearest("widht", ["width", "depth"]) == "; did you mean 'width'?"
    assert nearest("WIDTH", ["width"]) == "; did you mean 'width'?"
    assert nearest("xyz", ["width"]) == suggest_parameter("xyz", ["width"]) == ""
    assert all(prefix in ActMLP().get_params() for prefix in PREFIXES)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_alone_is_no_name(prefix):
    message = f"{prefix + '__'!r}: the name of a parameter of {prefix} must follow."
    with pytest.raises(ValueError, match=re.escape(message)):
        ActMLP(**{f"{prefix}__": 1}).fit(X, Y)
