"""A net that is not fitted says so to users of scikit-learn and of skorch."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted as sklearn_check
from skorch.exceptions import NotInitializedError

from skact import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.nets.not_fitted import check_is_fitted

X, y = np.ones((6, 2)), np.arange(6) % 2


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "forward", "score"])
@pytest.mark.parametrize("error", [NotFittedError, NotInitializedError])
def test_an_unfitted_net_raises_what_both_libraries_raise(kind, method, error):
    if (kind, method) == (ActMLPRegressor, "predict_proba"):
        pytest.skip("a regressor has none")
    arguments = (X, y) if method == "score" else (X,)
    with pytest.raises(error, match=f"This {kind.__name__} instance is not fitted yet"):
        getattr(kind(), method)(*arguments)


def test_every_check_agrees():
    net = ActMLP(max_epochs=1)
    for check in (check_is_fitted, sklearn_check, lambda net: net.check_is_fitted()):
        with pytest.raises(NotFittedError):
            check(net)
    net.fit(X, y)
    for check in (check_is_fitted, sklearn_check, lambda net: net.check_is_fitted()):
        check(net)
