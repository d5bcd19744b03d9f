"""Every kind of spec gives a new module; anything else is refused, unevaluated."""

import copy
import functools
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn

from skact.activations import build
from skact.activations.build import activation_gain, is_custom, make_activation
from skact.activations.catalogue import (
    list_activations,
    register_activation,
    unregister_activation,
)
from skact.activations.modules import RReLU, activation_name


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


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("relu", "ReLU()"),
        ("  relu ", "ReLU()"),
        ("relu()", "ReLU()"),
        ("ReLU", "ReLU()"),
        ("swish", "SiLU()"),
        ("Logistic", "Sigmoid()"),
        ("linear", "Identity()"),
        ("Leaky ReLU", "LeakyReLU(negative_slope=0.01)"),
        ("leaky-relu(.2)", "LeakyReLU(negative_slope=0.2)"),
        ("LeakyReLU ( negative_slope = 2e-1, )", "LeakyReLU(negative_slope=0.2)"),
        ("leaky_relu(-1)", "LeakyReLU(negative_slope=-1.0)"),
        ("elu(alpha=0.5)", "ELU(alpha=0.5)"),
        ("gelu(approximate='tanh')", "GELU(approximate='tanh')"),
        ('gelu("tanh")', "GELU(approximate='tanh')"),
        ("threshold(0.1, 20)", "Threshold(threshold=0.1, value=20.0)"),
        ("threshold(0.1, value=-1e-3)", "Threshold(threshold=0.1, value=-0.001)"),
        ("hardtanh(-2, 2)", "Hardtanh(min_val=-2.0, max_val=2.0)"),
        ("softplus(2)", "Softplus(beta=2.0, threshold=20.0)"),
        ("rrelu(0.1, 0.3)", "RReLU(lower=0.1, upper=0.3)"),
        ("prelu(0.1)", "PReLU(num_parameters=1)"),
        ("swish_beta(2)", "SwishBeta(init=2.0)"),
        ("softmax", "Softmax(dim=-1)"),
        (np.str_("relu"), "ReLU()"),
        (nn.ReLU, "ReLU()"),
        (nn.LeakyReLU(0.3), "LeakyReLU(negative_slope=0.3)"),
        (torch.tanh, "FunctionActivation(tanh)"),
        (Sine, "FunctionActivation(Sine)"),
        (lambda x: x, "FunctionActivation(lambda)"),
        (
            functools.partial(nn.functional.elu, alpha=2),
            "FunctionActivation(elu(alpha=2))",
        ),
    ],
    ids=activation_name,
)
def test_every_kind_of_spec_gives_its_module(spec: Any, text: str) -> None:
    module = make_activation(spec)
    assert repr(module) == text
    assert module(torch.linspace(-1, 1, 4)).shape == (4,)


def test_spec_parameters_reach_the_function() -> None:
    x = torch.tensor([-2.0, 3.0])
    assert make_activation("prelu(0.1)")(x).tolist() == pytest.approx([-0.2, 3.0])
    assert make_activation("threshold(1, 20)")(x).tolist() == [20.0, 3.0]
    halved = make_activation("swish_beta(0)")(x)
    assert halved.tolist() == [-1.0, 1.5]


@pytest.mark.parametrize(
    "spec",
    [
        "prelu",
        "swish_beta",
        "rrelu",
        nn.PReLU,
        nn.PReLU(),
        Affine(),
        Affine,
        nn.RReLU(),
    ],
    ids=activation_name,
)
def test_modules_are_never_shared(spec: Any) -> None:
    first, second = make_activation(spec), make_activation(spec)
    assert first is not second
    assert first is not spec
    made = [first, second, *([spec] if isinstance(spec, nn.Module) else [])]
    tensors = [
        tensor.data_ptr()
        for module in made
        for tensor in (*module.parameters(), *module.buffers())
    ]
    assert len(set(tensors)) == len(tensors)


def test_training_the_copy_leaves_the_instance_as_it_was() -> None:
    instance = nn.PReLU(init=0.3)
    copied = make_activation(instance)
    optimizer = torch.optim.SGD(copied.parameters(), lr=1.0)
    copied(torch.tensor([-1.0])).sum().backward()
    optimizer.step()
    assert copied.get_parameter("weight").item() != pytest.approx(0.3)
    assert instance.weight.item() == pytest.approx(0.3)
    assert instance.weight.grad is None


@pytest.mark.parametrize("spec", [nn.RReLU, nn.RReLU(0.2, 0.4), "rrelu(0.2, 0.4)"])
def test_torch_rrelu_becomes_ours_with_the_same_bounds(spec: Any) -> None:
    module = make_activation(spec)
    expected = nn.RReLU() if spec is nn.RReLU else nn.RReLU(0.2, 0.4)
    assert type(module) is RReLU
    assert (module.lower, module.upper) == (expected.lower, expected.upper)
    x = torch.linspace(-2, 2, 9)
    assert torch.equal(module.eval()(x), expected.eval()(x))


def test_torch_rrelu_keeps_its_mode() -> None:
    assert not make_activation(nn.RReLU().eval()).training
    assert make_activation(nn.RReLU()).training


def dropped(x: Tensor) -> Tensor:
    return nn.functional.dropout(x, 0.5, training=True)


@pytest.mark.parametrize(
    "spec", [*list_activations(), nn.PReLU, dropped], ids=activation_name
)
def test_building_and_measuring_leave_the_global_generator_alone(
    spec: Any, global_state: Callable[[], bool]
) -> None:
    build._gain_of_entry.cache_clear()
    make_activation(spec)
    activation_gain(spec)
    assert global_state()


def test_only_custom_activations_are_measured_with_the_generator_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def note(*args: Any, enabled: bool = True, **kwargs: Any) -> Any:
        saved.append(enabled)
        return fork_rng(*args, enabled=enabled, **kwargs)

    saved: list[bool] = []
    fork_rng = torch.random.fork_rng
    monkeypatch.setattr(torch.random, "fork_rng", note)
    build._gain_of_entry.cache_clear()
    for spec in ("gelu", "rrelu", torch.tanh, Affine):
        activation_gain(spec)
    assert saved == [False, False, True, True]


def test_measuring_a_module_that_is_random_from_birth_leaves_the_generator_alone(
    global_state: Callable[[], bool],
) -> None:
    activation_gain(Affine)
    assert global_state()


@pytest.mark.parametrize(
    "spec",
    [*list_activations(), Affine, Affine(1.0), torch.tanh, Sine, nn.Hardtanh(-2, 2)],
    ids=activation_name,
)
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))]
)
def test_made_modules_survive_copying_and_pickling(
    spec: Any, duplicate: Callable[[nn.Module], nn.Module]
) -> None:
    module = make_activation(spec).eval()
    x = torch.linspace(-2, 2, 9)
    twin = duplicate(module)
    assert repr(twin) == repr(module)
    assert torch.equal(twin(x), module(x))


# Refusals ------------------------------------------------------------------------

FORM = (
    " must be a name with literal parameters, such as 'relu', 'leaky_relu(0.2)' or "
    "\"gelu(approximate='tanh')\""
)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "rellu",
            "activation='rellu' is unknown; did you mean 'relu', 'rrelu', 'relu6'? "
            "list_activations() names all",
        ),
        (
            "rellu(0.2)",
            "activation='rellu(0.2)' is unknown; did you mean 'relu', 'rrelu', "
            "'relu6'? list_activations() names all",
        ),
        ("swich", "did you mean 'swish'? list_activations() names all"),
        ("qqq", "activation='qqq' is unknown; list_activations() names all"),
        (
            "leaky_relu(slope=1)",
            "activation='leaky_relu(slope=1)': leaky_relu has no parameter 'slope'; "
            "it takes negative_slope (default 0.01)",
        ),
        (
            "relu(1)",
            "activation='relu(1)': relu was given 1 parameters; it takes no parameters",
        ),
        (
            "softplus(1, 2, 3)",
            "activation='softplus(1, 2, 3)': softplus was given 3 parameters; it takes "
            "beta (default 1.0), threshold (default 20.0)",
        ),
        (
            "elu(1, alpha=2)",
            "activation='elu(1, alpha=2)': elu was given 'alpha' twice; it takes alpha "
            "(default 1.0)",
        ),
        (
            "elu(alpha=1, alpha=2)",
            "activation='elu(alpha=1, alpha=2)': elu was given 'alpha' twice",
        ),
        (
            "swish('a')",
            "activation=\"swish('a')\": silu was given 1 parameters",
        ),
        (
            "elu('a')",
            "activation=\"elu('a')\": elu needs alpha to be a finite number, got 'a'",
        ),
        ("elu(True)", "elu needs alpha to be a finite number, got True"),
        ("elu(1e999)", "elu needs alpha to be a finite number, got inf"),
        ("elu(-1e999)", "elu needs alpha to be a finite number, got -inf"),
        (f"elu({'9' * 400})", "elu needs alpha to be a finite number, got 999"),
        ("gelu(1)", "gelu needs approximate to be a string, got 1"),
        (
            "gelu('erf')",
            "activation=\"gelu('erf')\": gelu needs approximate 'none' or 'tanh', "
            "got approximate='erf'",
        ),
        (
            "softplus(0)",
            "activation='softplus(0)': softplus needs beta > 0, got beta=0.0, "
            "threshold=20.0",
        ),
        ("rrelu(0.5)", "rrelu needs lower <= upper, got lower=0.5, upper=0.333"),
        ("celu(0)", "celu needs alpha > 0, got alpha=0.0"),
        ("celu(-1)", "celu needs alpha > 0, got alpha=-1.0"),
        ("hardtanh(1, 1)", "hardtanh needs min_val < max_val, got min_val=1.0, max"),
        ("hardshrink(-0.5)", "hardshrink needs lambd >= 0, got lambd=-0.5"),
        ("softshrink(-0.5)", "softshrink needs lambd >= 0, got lambd=-0.5"),
    ],
)
def test_refused_strings_say_what_is_wrong_and_what_is_allowed(
    spec: str, message: str
) -> None:
    for use in (make_activation, activation_gain):
        with pytest.raises(ValueError, match=re.escape(message)):
            use(spec)


HOSTILE = [
    "",
    " ",
    "_",
    "()",
    "(relu)",
    "relu(",
    "relu)",
    "relu(1",
    "relu()()",
    "relu().__class__",
    "relu.__class__",
    "relu() or relu()",
    "relu(), relu()",
    "relu(1) + relu(1)",
    "relu;tanh",
    "lambda: relu",
    "[relu]",
    "6",
    "'relu'",
    "relu\x00",
    "relu(\x00)",
    "relu(\ud800)",
    "elu(nan)",
    "elu(inf)",
    "elu(alpha)",
    "elu(1+1)",
    "elu(--1)",
    "elu(-True)",
    "elu(-'a')",
    "elu(1j)",
    "elu(b'1')",
    "elu(None)",
    "elu(...)",
    "elu([1])",
    "elu((1,))",
    "elu({[1]: 2})",
    "elu(*[1])",
    "elu(**{'alpha': 1})",
    "elu(alpha := 1)",
    "elu(x for x in [1])",
    "elu(lambda: 1)",
    "elu(f'{1}')",
    "elu(elu(1))",
    "elu(set())",
    "elu(alpha=print('hi'))",
    "elu(__import__('os'))",
    "elu(setattr(__import__('builtins'), 'skact_was_here', 1))",
    "elu(" + "(" * 900,
    "elu(" + "-" * 900 + "1)",
    "elu(" + "[" * 90 + "]" * 90 + ")",
    "elu(" + "9" * 5000 + ")",
    "relu" + "(" * 1_000_000,
    "elu(0." + "1" * 1_000_000 + ")",
]


@pytest.mark.parametrize("spec", HOSTILE, ids=lambda spec: ascii(spec[:30]))
def test_anything_but_a_call_with_literals_is_refused_unevaluated(spec: str) -> None:
    import builtins

    shown = repr(spec if len(spec) <= 80 else spec[:77] + "...")
    kind = "must be a name with literal|needs alpha to be a finite number"
    with pytest.raises(ValueError, match=kind) as caught:
        make_activation(spec)
    assert str(caught.value).startswith(f"activation={shown}")
    assert len(str(caught.value)) < 400
    assert not hasattr(builtins, "skact_was_here")


def test_the_form_is_shown() -> None:
    with pytest.raises(ValueError, match=re.escape("activation='relu()()'" + FORM)):
        make_activation("relu()()")


def test_importing_by_name_is_only_an_unknown_activation() -> None:
    message = "activation=\"__import__('os')\" is unknown; list_activations() names all"
    with pytest.raises(ValueError, match=f"^{re.escape(message)} that this process"):
        make_activation("__import__('os')")


NAMES = st.sampled_from([*list_activations(), "swish", "rellu", ""])
FRAGMENTS = st.sampled_from(
    [*"(),=.-+*[]{}:'\"\\#@~\n\x00 ", "1", "0.5", "1e9", "alpha", "beta", "'tanh'", "f"]
)


@given(
    st.one_of(
        st.text(),
        st.builds("{}({}".format, NAMES, st.text()),
        st.builds(
            lambda name, parts: f"{name}({''.join(parts)})", NAMES, st.lists(FRAGMENTS)
        ),
    )
)
@example("elu('\\d')")
@example("elu(1if 2else 3)")
def test_any_text_is_an_activation_or_a_value_error(text: str) -> None:
    try:
        made: nn.Module | str = make_activation(text)
    except ValueError as error:
        made = str(error)
    assert isinstance(made, nn.Module) or made.startswith("activation=")


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE)
def test_numbers_survive_the_round_trip_through_a_string(number: float) -> None:
    positional: Any = make_activation(f"leaky_relu({number!r})")
    by_name: Any = make_activation(f"leaky_relu(negative_slope={number!r})")
    assert positional.negative_slope == by_name.negative_slope == number


@given(st.integers(-(10**300), 10**300))
def test_integers_become_the_floats_they_stand_for(number: int) -> None:
    module: Any = make_activation(f"threshold({number}, 1)")
    assert module.threshold == float(number)
    assert type(module.threshold) is float


ALLOWED = (
    "must be a name such as 'relu' (list_activations() names all), an nn.Module class "
    "or instance, a torch.autograd.Function subclass or a function of a tensor"
)


@pytest.mark.parametrize("use", [make_activation, activation_gain])
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (None, f"activation=None {ALLOWED}"),
        (3, f"activation=3 {ALLOWED}"),
        (int, f"activation=<class 'int'> {ALLOWED}"),
        (b"relu", f"activation=b'relu' {ALLOWED}"),
        (torch.zeros(1), f"activation=tensor([0.]) {ALLOWED}"),
        (
            ("relu", "tanh"),
            "activation=('relu', 'tanh') must be a single activation here; one per "
            "hidden layer is for the estimator's parameter activation",
        ),
        (["relu"], "activation=['relu'] must be a single activation here"),
        (nn.Threshold, "activation=Threshold cannot be built without arguments ("),
        (nn.Threshold, "'threshold' and 'value'); give an instance, which is copied"),
    ],
)
def test_other_types_are_refused_by_name(
    use: Callable[[Any], Any], spec: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        use(spec)


# Custom parts --------------------------------------------------------------------


@pytest.mark.parametrize("name", list_activations())
def test_built_in_activations_are_not_custom(name: str) -> None:
    assert not is_custom(name)
    assert not is_custom(make_activation(name))


@pytest.mark.parametrize(
    "part", [None, nn.ReLU, nn.PReLU(), nn.MSELoss, nn.CrossEntropyLoss(), RReLU]
)
def test_activations_and_losses_of_torch_and_skact_are_not_custom(part: Any) -> None:
    assert not is_custom(part)


@pytest.mark.parametrize(
    "part", [torch.tanh, Sine, Affine, Affine(), nn.Sequential(nn.ReLU()), nn.Dropout()]
)
def test_functions_and_all_other_modules_are_custom(part: Any) -> None:
    assert is_custom(part)


def test_a_registered_name_is_custom() -> None:
    register_activation("mine_alone", torch.tanh)
    try:
        assert is_custom("mine_alone")
    finally:
        unregister_activation("mine_alone")
