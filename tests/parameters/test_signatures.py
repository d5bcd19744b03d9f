"""The parameters of an estimator are those of all its own constructors."""

from skact import ActMLP, ActMLPRegressor
from skact.parameters.signatures import defaults_of


class Mixin:
    """Passes the rest on."""

    def __init__(self, *args, mine=3, **kwargs):
        super().__init__(*args, **kwargs)


class Own(Mixin, ActMLP):
    """A net with a parameter more."""


def test_a_subclass_has_the_parameters_of_all_signatures_with_their_defaults():
    defaults = defaults_of(Own)
    assert defaults.items() >= defaults_of(ActMLP).items()
    assert defaults.keys() - defaults_of(ActMLP).keys() == {"mine"}
    assert (defaults["mine"], defaults["width"]) == (3, 100)
    assert not {"self", "args", "kwargs", "module"} & {*defaults}


def test_each_class_has_its_own():
    assert "class_weight" not in defaults_of(ActMLPRegressor)
    assert defaults_of(ActMLP) is defaults_of(ActMLP)
