"""The catalogue has all activations of torch, and takes those that users register."""

import copy
import inspect
import math
import pickle
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from skact.activations.build import activation_gain, make_activation
from skact.activations.catalogue import (
    get_activation,
    list_activations,
    register_activation,
    unregister_activation,
)
from skact.activations.entry import Activation, Range
from skact.activations.modules import RReLU, SwishBeta

ENTRIES = [get_activation(name) for name in list_activations()]


def by_entry(entries: list[Activation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


class Sine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, frequency: float = 1.0) -> Tensor:
        ctx.save_for_backward(x)
        ctx.frequency = frequency
        return torch.sin(frequency * x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (x,) = ctx.saved_tensors
        cosine = torch.cos(ctx.frequency * x)
        return gradients[0] * ctx.frequency * cosine, None


class Affine(nn.Module):
    """A module with parameters, a buffer and random initial values."""

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1))
        self.register_buffer("bias", torch.full((1,), bias))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x + self.get_buffer("bias")


@by_entry(ENTRIES)
def test_entries_are_copied_and_pickled_as_themselves(entry: Activation) -> None:
    assert copy.deepcopy(entry) is entry
    assert pickle.loads(pickle.dumps(entry)) is entry


# The catalogue against torch -------------------------------------------------------

NOT_ELEMENTWISE = {"GLU", "MultiheadAttention", "Softmin", "Softmax2d"}


def torch_activation_classes() -> list[type[nn.Module]]:
    module = torch.nn.modules.activation
    classes = inspect.getmembers(module, inspect.isclass)
    return [
        cls
        for name, cls in classes
        if cls.__module__ == module.__name__
        and issubclass(cls, nn.Module)
        and name not in NOT_ELEMENTWISE
    ]


def test_every_elementwise_activation_of_torch_is_in_the_catalogue() -> None:
    made = {type(make_activation(name)) for name in list_activations()}
    made = {nn.RReLU if cls is RReLU else cls for cls in made}
    found = torch_activation_classes()
    assert len(found) >= 25
    assert set(found) - made == set()
    assert made - set(found) == {nn.Identity, SwishBeta}


@pytest.mark.parametrize("cls", torch_activation_classes())
def test_torch_class_names_are_names_of_the_catalogue(cls: type[nn.Module]) -> None:
    entry = get_activation(cls.__name__)
    assert isinstance(entry.factory(**entry.parameters), cls)


# Registering ---------------------------------------------------------------------


@pytest.mark.usefixtures("registry")
def test_registered_module_class_takes_its_parameters() -> None:
    entry = register_activation(
        "affine", Affine, aliases=["Affine_2"], parameters={"bias": 0.5}
    )
    assert get_activation("affine2") is entry
    assert "affine" in list_activations()
    assert make_activation("affine").get_buffer("bias").item() == 0.5
    assert make_activation("affine(2)").get_buffer("bias").item() == 2.0


@pytest.mark.usefixtures("registry")
def test_registered_function_takes_its_parameters_by_keyword() -> None:
    register_activation("clip", torch.clamp, parameters={"max": 1.0, "min": -1})
    module = make_activation("clip(0.5)")
    assert module(torch.tensor([-3.0, 3.0])).tolist() == [-1.0, 0.5]
    assert repr(module) == "FunctionActivation(clamp, max=0.5, min=-1)"
    with pytest.raises(ValueError, match=re.escape("needs min to be an integer")):
        make_activation("clip(min=0.5)")


@pytest.mark.usefixtures("registry")
def test_registered_autograd_function_takes_its_parameters_in_order() -> None:
    register_activation("sine", Sine, parameters={"frequency": 2.0})
    x = torch.linspace(-1, 1, 5)
    torch.testing.assert_close(make_activation("sine(3)")(x), (3 * x).sin())
    torch.testing.assert_close(make_activation("sine")(x), (2 * x).sin())


@pytest.mark.usefixtures("registry")
def test_registered_torch_rrelu_becomes_ours() -> None:
    register_activation("noisy", nn.RReLU, stochastic=True)
    assert type(make_activation("noisy")) is RReLU


@pytest.mark.usefixtures("registry")
def test_registered_entry_says_what_it_was_told_and_works_out_the_rest() -> None:
    entry = register_activation(
        "sine",
        torch.sin,
        parameters={},
        formula="sin(x)",
        range=Range(-1.0, 1.0, True, True),
        kinks=(),
        derivative=torch.cos,
    )
    assert entry.bounded
    assert entry.smooth
    assert entry.zero_centred
    assert entry.monotonic is False
    assert entry.gain == 1.52087
    assert entry.derivative is not None
    assert entry.derivative(torch.zeros(1)).item() == 1.0


@pytest.mark.usefixtures("registry")
def test_registered_entry_does_not_claim_what_nobody_knows() -> None:
    entry = register_activation("glu", nn.GLU)
    assert entry.range is None
    assert entry.kinks is None
    assert entry.derivative is None
    assert entry.bounded is None
    assert entry.smooth is None
    assert entry.monotonic is None
    assert entry.zero_centred is None
    assert entry.gain == 1.0


@pytest.mark.usefixtures("registry")
def test_registering_anew_renews_the_cached_gain() -> None:
    register_activation("twice", lambda x: 2 * x)
    assert activation_gain("twice") == 0.5
    register_activation("twice", lambda x: 4 * x, overwrite=True)
    assert activation_gain("twice") == 0.25
    unregister_activation("twice")
    with pytest.raises(ValueError, match="unknown"):
        activation_gain("twice")


@pytest.mark.usefixtures("registry")
def test_overwriting_removes_the_old_aliases_too() -> None:
    register_activation("sine", torch.sin, aliases=("wave",))
    with pytest.raises(
        ValueError,
        match=re.escape(
            "'wave' is already registered (as sine); give overwrite=True to replace it"
        ),
    ):
        register_activation("wave", torch.cos)
    assert make_activation("wave")(torch.zeros(1)).item() == 0.0
    register_activation("wave", torch.cos, overwrite=True)
    assert make_activation("wave")(torch.zeros(1)).item() == 1.0
    assert "sine" not in list_activations()


@pytest.mark.parametrize("name", ["relu", "Re_LU", "swish"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_built_in_names_always_mean_what_they_mean(name: str, overwrite: bool) -> None:
    built_in = get_activation(name)
    message = f"{name!r} is the built-in {built_in.name}: choose another"
    with pytest.raises(ValueError, match=re.escape(message)):
        register_activation(name, torch.sin, overwrite=overwrite)
    with pytest.raises(ValueError, match=re.escape(message)):
        register_activation(
            "sine", torch.sin, aliases=("wave", name), overwrite=overwrite
        )
    message = f"{name!r} is the built-in {built_in.name}: it cannot be removed"
    with pytest.raises(ValueError, match=re.escape(message)):
        unregister_activation(name)
    assert get_activation(name) is built_in
    assert "sine" not in list_activations()


def test_unregistering_removes_every_name() -> None:
    before = list_activations()
    register_activation("sine", torch.sin, aliases=("wave",))
    unregister_activation("wave")
    assert list_activations() == before
    for name in ("sine", "wave"):
        with pytest.raises(ValueError, match=f"activation='{name}' is unknown"):
            get_activation(name)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("my act", torch.sin), ValueError, "name='my act' must be an identifier"),
        (("_", torch.sin), ValueError, "name='_' must be an identifier"),
        ((3, torch.sin), ValueError, "name=3 must be an identifier, such as 'my_relu'"),
        (("a1", nn.ReLU()), TypeError, "factory=ReLU() must be an nn.Module class, a "),
        (("a1", int), TypeError, "factory=<class 'int'> must be"),
        (("a1", "relu"), TypeError, "factory='relu' must be"),
    ],
)
def test_what_cannot_be_registered_is_refused(
    arguments: Any, error: type[Exception], message: str
) -> None:
    before = list_activations()
    with pytest.raises(error, match=re.escape(message)):
        register_activation(*arguments)
    assert list_activations() == before


def test_registering_refuses_unusable_aliases_and_defaults() -> None:
    with pytest.raises(
        TypeError, match=re.escape("aliases='wave' must be a tuple of names")
    ):
        register_activation("sine", torch.sin, aliases="wave")
    for default in (None, math.nan, math.inf, [1]):
        message = (
            "sine: the default of 'a' must be a finite number, a string or a bool, "
            f"got {default!r}"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            register_activation("sine", torch.sin, parameters={"a": default})  # type: ignore[dict-item]
    assert "sine" not in list_activations()


@pytest.mark.usefixtures("registry")
def test_a_factory_that_fails_is_told_in_terms_of_the_spec() -> None:
    register_activation("affine", Affine, parameters={"size": 1.0})
    message = "activation='affine(2)': affine could not be built: "
    with pytest.raises(ValueError, match=re.escape(message)):
        make_activation("affine(2)")


def test_looking_up_needs_a_string() -> None:
    with pytest.raises(TypeError, match=re.escape("name=3 must be a string")):
        get_activation(3)  # type: ignore[arg-type]
