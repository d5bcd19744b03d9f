import re
import sys

import onnx
import pytest
from sklearn.model_selection import GridSearchCV

from skact import ActMLP, to_onnx
from skact.deploying.onnx_export import OPSET


@pytest.fixture(scope="module")
def net(iris):
    return ActMLP(width=4, max_epochs=1, random_state=0).fit(*iris)


def test_the_file_holds_what_is_returned(net, tmp_path):
    for path in (tmp_path / "a.onnx", str(tmp_path / "b.onnx")):
        model = to_onnx(net, path)
        assert onnx.load(path) == model


def test_the_model_is_valid_and_of_the_opset(net):
    model = to_onnx(net)
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert re.search(rf"opset\s+{OPSET}\b", to_onnx.__doc__)


def test_the_outputs_are_called_as_skl2onnx_calls_them(net):
    outputs = to_onnx(net).graph.output
    assert [one.name for one in outputs] == ["label", "probabilities"]


def test_the_model_does_not_depend_on_the_day(net):
    assert to_onnx(net) == to_onnx(net)


def test_a_search_gives_its_best_estimator(net, iris, assert_same):
    grid = {"activation": ["relu", "tanh"]}
    search = GridSearchCV(ActMLP(width=4, max_epochs=1), grid, cv=2).fit(*iris)
    assert_same(to_onnx(search), search, iris[0])


@pytest.mark.parametrize("wrong", [ActMLP, "net", None, ActMLP().get_params()])
def test_what_is_no_estimator_is_refused(wrong):
    with pytest.raises(TypeError, match="estimator must be a fitted net or pipeline"):
        to_onnx(wrong)


def test_another_dtype_is_refused(net):
    why = r"dtype must be one of \('float32', 'float64'\), got 'float16'\."
    with pytest.raises(ValueError, match=why):
        to_onnx(net, dtype="float16")


@pytest.mark.parametrize("missing", ["onnx", "skl2onnx"])
def test_a_missing_package_is_named_and_how_to_install_it(net, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed
    why = rf'and {missing} is not installed: pip install "skact\[onnx\]"'
    with pytest.raises(ImportError, match=why):
        to_onnx(net)
