"""scikit-learn's own callbacks: one task an epoch, alone and in searches."""

import re

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, ActMLPBinary, ActMLPRegressor


class Recorder:
    """Writes down which hooks were called with what."""

    def __init__(self, stop_after=None):
        self.calls, self.stop_after = [], stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.calls.append(f"end {context.task_name} {context.task_id}")
        if context.task_name == "epoch":
            self.rows = len(X), len(y), len(fitted_estimator.history)
            return context.task_id + 1 == self.stop_after
        return False


def test_there_is_one_task_an_epoch_inside_the_task_of_the_fit(iris):
    recorder = Recorder()
    ActMLP(max_epochs=2).set_callbacks(recorder).fit(*iris)
    assert recorder.calls == [
        "setup",
        "begin fit 0",
        "begin epoch 0",
        "end epoch 0",
        "begin epoch 1",
        "end epoch 1",
        "end fit 0",
        "teardown",
    ]
    assert recorder.rows == (150, 150, 2)


def test_a_callback_that_returns_true_stops_the_fit(iris):
    net = (
        ActMLP(max_epochs=9)
        .set_callbacks(recorder := Recorder(stop_after=3))
        .fit(*iris)
    )
    assert len(net.history) == 3
    assert recorder.calls[-2:] == ["end fit 0", "teardown"]
    assert net.predict(iris[0]).shape == (150,)


def test_teardown_follows_a_failed_fit(diabetes):
    recorder = Recorder()
    net = ActMLPRegressor(optimizer="sgd", lr=1e9).set_callbacks(recorder)
    with pytest.raises(FloatingPointError):
        net.fit(*diabetes)
    assert recorder.calls[-1] == "teardown"


def test_partial_fit_has_tasks_too(iris):
    net = ActMLP(max_epochs=1).set_callbacks(recorder := Recorder())
    net.partial_fit(*iris).partial_fit(*iris)
    assert recorder.calls.count("end epoch 0") == 2


@pytest.mark.parametrize("net", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_the_scoring_monitor_logs_the_score_of_each_epoch(net, cancer):
    X, y = cancer
    scoring = "r2" if net is ActMLPRegressor else "accuracy"
    monitor = ScoringMonitor(scoring=scoring)
    fitted = net(max_epochs=4, random_state=0).set_callbacks(monitor).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 4
    assert rows[-1][scoring] == pytest.approx(fitted.score(X, y))
    shorter = net(max_epochs=2, random_state=0).fit(X, y)
    assert rows[1][scoring] == pytest.approx(shorter.score(X, y))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_the_scoring_monitor_logs_a_pipeline_and_a_search(n_jobs, iris):
    X, y = iris
    monitor = ScoringMonitor(scoring="accuracy")
    pipe = make_pipeline(
        StandardScaler(), ActMLP(max_epochs=3, random_state=0).set_callbacks(monitor)
    )
    pipe.fit(X, y)
    assert sum(row["task_name"] == "epoch" for row in monitor.get_logs().data) == 3

    grid = {"actmlp__activation": ["relu", "tanh"]}
    GridSearchCV(pipe, grid, cv=2, refit=False, n_jobs=n_jobs).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 2 * 2 * 3
    # path: search, its fits, candidate and fold, step of the pipeline, epoch
    assert {row["task_id_path"][2] for row in rows} == {0, 1, 2, 3}


def shown(text):
    """The words of a terminal picture, without its colours and movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_the_progress_bar_shows_a_net_alone(iris, capsys):
    ActMLP(max_epochs=3).set_callbacks(ProgressBar()).fit(*iris)
    out = shown(capsys.readouterr().out)
    assert "ActMLP - fit" in out
    assert "100%" in out


def test_the_progress_bar_shows_a_pipeline_and_a_search(iris, capsys):
    pipe = make_pipeline(StandardScaler(), ActMLP(max_epochs=3))
    pipe.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*iris)
    out = shown(capsys.readouterr().out)
    assert "Pipeline - fit" in out
    assert "ActMLP" in out

    pipe.set_callbacks()
    search = GridSearchCV(pipe, {"actmlp__width": [2, 3]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*iris)
    out = shown(capsys.readouterr().out)
    assert "GridSearchCV - fit" in out
    assert "ActMLP" in out
    assert "100%" in out


def test_callbacks_are_no_parameters_and_survive_a_clone(iris):
    from sklearn.base import clone

    net = ActMLP(max_epochs=1).set_callbacks(recorder := Recorder())
    assert "callbacks" in net.get_params()
    assert not any(name.startswith("_") for name in net.get_params())
    clone(net).fit(*iris)
    assert recorder.calls[-1] == "teardown"


def test_callbacks_change_nothing_in_the_network(iris):
    X, y = iris
    plain = ActMLP(max_epochs=3, dropout=0.2, random_state=0).fit(X, y)
    watched = ActMLP(max_epochs=3, dropout=0.2, random_state=0)
    watched.set_callbacks(ScoringMonitor(scoring="accuracy"), Recorder()).fit(X, y)
    np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))
