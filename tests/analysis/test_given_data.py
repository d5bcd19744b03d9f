"""X and y that are passed are seen as the net saw them."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, diagnose
from skact.analysis.given_data import facts_of_given
from skact.results.data_facts import facts_of_data

# raw wine is the point here: diagnose must say what fit itself warns of
pytestmark = pytest.mark.filterwarnings("ignore::skact.UnscaledInputWarning")

X, y = load_wine(return_X_y=True, as_frame=True)
NET = ActMLP(max_epochs=1, random_state=0)


def test_the_facts_are_those_that_a_monitor_would_record() -> None:
    expected = facts_of_data(X.to_numpy(), y.to_numpy(), "CrossEntropyLoss")
    net = NET.fit(X, y)
    found = facts_of_given(net, X, y)
    assert found.facts == expected
    assert found.largest == "'proline'"
    assert facts_of_given(net, csr_array(X.to_numpy()), y).facts == (
        pytest.approx(expected)
    )
    assert facts_of_given(net, X.to_numpy(), y).largest == "12"
    assert "loss_constant" not in facts_of_given(net, X, None).facts
    assert facts_of_given(net, None, None).facts == {}


def test_a_pipeline_and_a_search_prepare_x_first() -> None:
    pipeline = make_pipeline(StandardScaler(), NET)
    search = GridSearchCV(pipeline, {"actmlp__lr": [0.1, 0.01]}, cv=2)
    for fitted in (pipeline.fit(X, y), search.fit(X, y)):
        assert facts_of_given(fitted, X, y).facts["input_max"] == pytest.approx(1)


def test_the_finding_names_the_column() -> None:
    found = diagnose(NET.fit(X, y), X, y)
    assert "column 'proline' of X has values of about 810" in str(found)
    assert "The scale of X is not known" not in str(found)
    assert "The scale of X is not known" in str(diagnose(NET))


def test_what_it_cannot_use_is_named() -> None:
    with pytest.raises(ValueError, match="X must be given with y"):
        diagnose(NET.fit(X, y), y=y)
    frame = pd.DataFrame({"epoch": [1], "train_loss": [1.0]})
    with pytest.raises(ValueError, match="one net, pipeline or search; obj is a DataF"):
        diagnose(frame, X, y)
    with pytest.raises(ValueError, match="obj is a LinearRegression"):
        facts_of_given(LinearRegression(), np.ones((2, 2)), None)
