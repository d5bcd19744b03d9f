"""Docstrings say what the signatures say: names, order and defaults."""

import inspect
import re

import pytest

import skact

PUBLIC = {name: getattr(skact, name) for name in skact.__all__}
ESTIMATORS = ["ActMLP", "ActMLPBinary", "ActMLPRegressor"]


def documented(obj, section="Parameters"):
    """Name -> type line of a numpydoc section."""
    doc = inspect.getdoc(obj) or ""
    match = re.search(rf"^{section}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", doc, re.M | re.S)
    if match is None:
        return {}
    entries = re.findall(r"^(\*{0,2}\w[\w, ]*?) : (.+)$", match[1], re.M)
    return {name.strip(): kind for names, kind in entries for name in names.split(",")}


def signature(obj):
    parameters = inspect.signature(obj).parameters.values()
    return {
        ("**" if p.kind is p.VAR_KEYWORD else "*" if p.kind is p.VAR_POSITIONAL else "")
        + p.name: p
        for p in parameters
    }


def written_default(kind):
    match = re.search(r"default=(.+)$", kind)
    return match[1].strip().strip('"') if match else None


def actual_default(value):
    if inspect.isclass(value):
        return value.__qualname__
    return str(value)


def same_default(written, value):
    actual = actual_default(value)
    return written == actual or written.split(".")[-1] == actual


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_has_a_summary_and_an_example(name):
    doc = inspect.getdoc(PUBLIC[name])
    assert doc
    assert doc.splitlines()[0].endswith(".")
    assert ">>> " in doc


@pytest.mark.parametrize(
    "name", [name for name in PUBLIC if name not in ESTIMATORS[1:]]
)
def test_documented_parameters_are_those_of_the_signature_in_order(name):
    told, real = documented(PUBLIC[name]), signature(PUBLIC[name])
    assert list(told) == list(real)


@pytest.mark.parametrize("name", PUBLIC)
def test_documented_defaults_are_the_real_ones(name):
    told, real = documented(PUBLIC[name]), signature(PUBLIC[name])
    if name in ESTIMATORS:  # the others say that the rest is as in ActMLP
        told = {**documented(skact.ActMLP), **told}
        told = {
            parameter: kind for parameter, kind in told.items() if parameter in real
        }
        assert list(told) == list(real)
    for parameter, kind in told.items():
        default = real[parameter].default
        if default is inspect.Parameter.empty:
            assert written_default(kind) is None, parameter
        else:
            assert same_default(written_default(kind) or "", default), parameter


@pytest.mark.parametrize("name", ESTIMATORS)
def test_methods_of_the_estimators_document_their_arguments(name):
    kind = PUBLIC[name]
    for method in (
        "fit",
        "partial_fit",
        "predict",
        "initialize",
        "set_params",
        "get_params",
    ):
        real = [p for p in signature(getattr(kind, method)) if p != "self"]
        assert list(documented(getattr(kind, method))) == real, method


def test_the_check_sees_a_wrong_default():
    def drifted(x=1):
        """Do.

        Parameters
        ----------
        x : int, default=2
            Drifted.
        """

    kind = documented(drifted)["x"]
    assert not same_default(written_default(kind), 1)
