import numpy as np
import pytest
from sklearn.datasets import load_wine

from skact import ActMLPRegressor, to_onnx
from skact.quick_search.numbers import NumberEncoder
from skact.quick_search.pipelines import make_pipeline

X = load_wine().data


def fitted(rows):
    """A search's pipeline whose net is a line, so that each error shows."""
    net = ActMLPRegressor(depth=0, max_epochs=1, dtype="float64", random_state=0)
    encoder = NumberEncoder("quantile")
    return make_pipeline(encoder, net, is_regression=True).fit(rows, rows[:, :3])


@pytest.fixture(scope="module")
def model():
    return fitted(X)


def between(X):
    """Rows between those of the fit, and some beyond them."""
    ordered = np.sort(X, axis=0)
    middle = (ordered[1:] + ordered[:-1]) / 2
    return np.vstack([middle, ordered[0] - 1, ordered[-1] + 1, ordered[-1] + 1e-9])


# a NumberEncoder returns float32
@pytest.mark.parametrize("rows", [X, between(X)], ids=["of the fit", "between"])
def test_float64_has_the_quantiles_of_scikit_learn(rows, model, assert_same):
    assert_same(to_onnx(model, dtype="float64"), model, rows, tolerance=1e-7)


def test_float32_is_refused(model):
    why = (
        r"the part 'columns' \(NumberEncoder\): numbers='quantile' compares all digits "
        r"of float64: pass dtype='float64'"
    )
    with pytest.raises(ValueError, match=why):
        to_onnx(model)


def test_few_rows_have_few_quantiles(assert_same):
    model = fitted(X[:16])
    assert_same(to_onnx(model, dtype="float64"), model, X[:16], tolerance=1e-7)
