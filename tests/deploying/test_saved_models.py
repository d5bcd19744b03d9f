"""Models in a file: what is loaded is what was saved, and no file runs code."""

import builtins
import importlib
import pickle
import random
import re
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import ProgressBar
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)
from skorch.callbacks import EpochScoring
from torch import nn

import skact
from skact import (
    ActMLP,
    ActMLPBinary,
    ActMLPRegressor,
    SavedVersionWarning,
    load_model,
    save_model,
)
from skact._sklearn import callbacks_of
from skact.deploying import model_files, saved_models

pytest.importorskip("skops")
IRIS = load_iris(return_X_y=True)
FAST = {"max_epochs": 3, "width": 8, "random_state": 0}


class Shorten(TransformerMixin, BaseEstimator):
    """A transformer of a user."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X[:, :2]


def shorten(X):
    return X[:, :2]


def saved_and_loaded(estimator, folder, **options):
    save_model(estimator, folder / "model.skact")
    return load_model(folder / "model.skact", **options)


def check_same(estimator, loaded, X, y):
    """All that predicts gives the same bits."""
    for method in ("predict", "predict_proba", "predict_log_proba"):
        if hasattr(estimator, method):
            one, other = getattr(estimator, method)(X), getattr(loaded, method)(X)
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert estimator.score(X, y) == loaded.score(X, y)
    assert shown(estimator) == shown(loaded)


def shown(estimator):
    return re.sub(" at 0x[0-9A-Fa-f]+", "", repr(estimator))


def data_of(kind):
    if kind is ActMLPRegressor:
        X, y = load_diabetes(return_X_y=True)
        return StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
    X, y = load_breast_cancer(return_X_y=True) if kind is ActMLPBinary else IRIS
    return StandardScaler().fit_transform(X), y


# ------------------------------------------------------------------ nets


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
@pytest.mark.parametrize(
    "params",
    [
        {"activation": "tanh", "norm": "batch", "dtype": "float32"},
        {"activation": "prelu(0.1)", "norm": "layer", "depth": 2, "dropout": 0.2},
        {"activation": ("swish_beta", "rrelu"), "depth": 2, "init": "auto"},
        {"activation": "leaky_relu(0.2)", "hidden": (5, 3), "dtype": np.float32},
        {"activation": nn.Mish, "output_activation": nn.Hardtanh(-9.0, 9.0)},
        {"activation": nn.PReLU(8, init=0.3), "optimizer": torch.optim.AdamW},
        {"depth": 0, "optimizer": "sgd", "lr": np.float32(0.1), "momentum": 0.5},
        {"early_stopping": True, "patience": 2, "lr_schedule": "cosine"},
        {"optimizer__betas": (0.8, 0.9), "optimizer": "adamw", "warmup": 0.2},
        {"batch_size": 32, "dtype": torch.float64, "width": np.int64(4)},
        {"random_state": None, "device": torch.device("cpu")},
        {"optimizer": torch.optim.RMSprop, "optimizer__centered": True},
        {"optimizer__param_groups": [("output*", {"lr": 0.5})]},
    ],
    ids=str,
)
def test_a_net_goes_on_where_the_saved_one_stood(kind, params, tmp_path):
    X, y = data_of(kind)
    net = kind(**FAST | params).fit(X, y)
    loaded = saved_and_loaded(net, tmp_path)
    check_same(net, loaded, X, y)
    assert net.loss_curve_ == loaded.loss_curve_
    assert net.trained_by_ == loaded.trained_by_
    assert net.module_.state_dict().keys() == loaded.module_.state_dict().keys()
    check_same(net.partial_fit(X, y), loaded.partial_fit(X, y), X, y)
    if params.get("random_state", 0) == 0:
        check_same(clone(net).fit(X, y), loaded.fit(X, y), X, y)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "bb", "c"]),
        np.array(["a", "bb", "c"], dtype=object),
        np.array([-1, 5, 2**40]),
        np.array([1, 2, 200], dtype=np.uint8),
        np.array([0.0, 1.0, 2.0], dtype=np.float32),
        pd.Series(["a", "bb", "c"], dtype="category"),
        pd.Series(["a", "bb", "c"], dtype="string"),
        pd.Series([1, 2, 3], dtype="Int64"),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_any_kind_come_back(labels, tmp_path):
    X, codes = IRIS
    y = labels.iloc[codes] if isinstance(labels, pd.Series) else labels[codes]
    net = ActMLP(**FAST, class_weight={labels[0]: 2.0, labels[1]: 1}).fit(X, y)
    loaded = saved_and_loaded(net, tmp_path)
    check_same(net, loaded, X, y)
    assert net.classes_.dtype == loaded.classes_.dtype
    assert net.class_weight == loaded.class_weight
    check_same(net.partial_fit(X, y), loaded.partial_fit(X, y), X, y)


def test_boolean_labels_and_one_class_come_back(tmp_path):
    X, y = data_of(ActMLPBinary)
    for labels in (y == 1, np.ones(len(y), dtype=int)):
        net = ActMLPBinary(**FAST).fit(X, labels)
        check_same(net, saved_and_loaded(net, tmp_path), X, labels)


def test_a_regressor_of_several_columns_comes_back(tmp_path):
    X, y = data_of(ActMLPRegressor)
    y = np.column_stack([y, -y])
    net = ActMLPRegressor(**FAST).fit(X, y)
    loaded = saved_and_loaded(net, tmp_path)
    check_same(net, loaded, X, y)
    check_same(net.partial_fit(X, y), loaded.partial_fit(X, y), X, y)


def test_a_random_state_stands_where_it_stood(tmp_path):
    X, y = IRIS
    net = ActMLP(**FAST | {"random_state": np.random.RandomState(3)}).fit(X, y)
    loaded = saved_and_loaded(net, tmp_path)
    check_same(net.fit(X, y), loaded.fit(X, y), X, y)


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_a_trimmed_net_predicts_and_does_not_train(kind, tmp_path):
    X, y = data_of(kind)
    net = kind(**FAST).fit(X, y)
    save_model(net, tmp_path / "whole.skact")
    net.trim_for_prediction()
    loaded = saved_and_loaded(net, tmp_path)
    np.testing.assert_array_equal(net.predict(X), loaded.predict(X))
    sizes = [(tmp_path / f"{name}.skact").stat().st_size for name in ("whole", "model")]
    assert sizes[1] < sizes[0]
    with pytest.raises(Exception, match="trimmed for prediction"):
        loaded.fit(X, y)


def test_callbacks_are_left_out(tmp_path):
    X, y = IRIS
    score = EpochScoring("accuracy", on_train=True)
    net = ActMLP(**FAST, callbacks=[("score", score)], callbacks__score__name="s")
    net.set_callbacks(skact.TrainingLog()).fit(X, y)
    loaded = saved_and_loaded(net, tmp_path)
    assert loaded.callbacks is None
    np.testing.assert_array_equal(net.predict_proba(X), loaded.predict_proba(X))
    net = ActMLP(**FAST, callbacks="disable").fit(X, y)
    assert saved_and_loaded(net, tmp_path).callbacks == "disable"
    net = ActMLP(**FAST, callbacks__print_log=None).fit(X, y)
    names = [name for name, _ in saved_and_loaded(net, tmp_path).callbacks_]
    assert "epoch_timer" in names
    assert "print_log" not in names


def test_frozen_weights_and_requests_come_back(tmp_path):
    X, y = IRIS
    net = ActMLP(**FAST).fit(X, y)
    net.module_.output.weight.requires_grad_(False)
    with sklearn.config_context(enable_metadata_routing=True):
        net.set_fit_request(sample_weight="weights")
    loaded = saved_and_loaded(net, tmp_path)
    assert not loaded.module_.output.weight.requires_grad
    assert loaded.module_.output.bias.requires_grad
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), loaded)
        pipeline.fit(X, y, weights=np.ones(len(y)))  # raises if nobody asks for it


# ------------------------------------------------------------------ estimators


def mixed_frame():
    frame = load_wine(as_frame=True).data.iloc[:, :4].copy()
    frame.iloc[::7, 0] = np.nan
    frame["word"] = np.where(np.arange(len(frame)) % 3, "red", "white")
    frame["kind"] = pd.Categorical(np.where(np.arange(len(frame)) % 5, "a", None))
    return frame, load_wine().target_names[load_wine().target]


def test_a_pipeline_of_mixed_columns_comes_back(tmp_path):
    X, y = mixed_frame()
    columns = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
                make_column_selector(dtype_include=float),
            ),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["word", "kind"]),
        ]
    )
    pipeline = make_pipeline(columns, ActMLP(**FAST, norm="batch")).fit(X, y)
    loaded = saved_and_loaded(pipeline, tmp_path)
    check_same(pipeline, loaded, X, y)
    assert [*loaded.feature_names_in_] == [*X.columns]
    check_same(clone(loaded).fit(X, y), loaded.fit(X, y), X, y)


NET = ActMLP(**FAST)
LINE = LogisticRegression(max_iter=500)


@pytest.mark.parametrize(
    "estimator",
    [
        VotingClassifier([("net", NET), ("line", LINE)], voting="soft"),
        StackingClassifier([("net", NET)], LINE, cv=2),
        BaggingClassifier(NET, n_estimators=2, random_state=0),
        make_pipeline(
            FeatureUnion([("a", StandardScaler()), ("b", FunctionTransformer(np.exp))]),
            QuantileTransformer(n_quantiles=10),
            NET,
        ),
        GridSearchCV(make_pipeline(StandardScaler(), NET), {"actmlp__lr": [0.1, 0.01]}),
    ],
    ids=lambda one: type(one).__name__,
)
def test_nets_come_back_wherever_they_are(estimator, tmp_path):
    X, y = IRIS
    estimator.fit(X, y)
    loaded = saved_and_loaded(estimator, tmp_path)
    check_same(estimator, loaded, X, y)
    if isinstance(estimator, VotingClassifier):
        assert loaded.named_estimators_.net is loaded.estimators_[0]
        assert not loaded.estimators[0][1].__sklearn_is_fitted__()
    check_same(clone(estimator).fit(X, y), loaded.fit(X, y), X, y)


def test_a_target_and_its_net_come_back(tmp_path):
    X, y = load_diabetes(return_X_y=True)
    net = make_pipeline(StandardScaler(), ActMLPRegressor(**FAST))
    for options in (
        {"transformer": StandardScaler()},
        {"func": np.log1p, "inverse_func": np.expm1},
    ):
        estimator = TransformedTargetRegressor(net, **options).fit(X, y)
        check_same(estimator, saved_and_loaded(estimator, tmp_path), X, y)


def test_an_estimator_without_a_net_comes_back(tmp_path):
    estimator = LogisticRegression(max_iter=500).fit(*IRIS)
    check_same(estimator, saved_and_loaded(estimator, tmp_path), *IRIS)


@pytest.mark.parametrize("average", [1, 3])
@pytest.mark.parametrize("task", ["words", "numbers"])
def test_the_winner_of_a_search_comes_back(task, average, tmp_path):
    X, y = mixed_frame()
    X["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(X)), "D")
    X["text"] = [f"some words {i * 7 % 13} and {i * 11 % 29} more" for i in range(178)]
    if task == "numbers":
        y = load_wine().data[:, 5]
    found = skact.search(
        X,
        y,
        n_candidates=4,
        n_lr=1,
        average=average,
        cv=2,
        max_epochs=4,
        progress=False,
        width=8,
    )
    best = found.best_estimator_
    loaded = saved_and_loaded(best, tmp_path)
    check_same(best, loaded, X, y)
    np.testing.assert_array_equal(best.predict(X[:1]), loaded.predict(X[:1]))
    check_same(clone(best).fit(X, y), loaded.fit(X, y), X, y)
    with pytest.raises(TypeError, match="Save its best_estimator_"):
        save_model(found, tmp_path / "model.skact")


def test_another_process_loads_a_model(tmp_path):
    X, y = mixed_frame()
    columns = ColumnTransformer([("words", OneHotEncoder(), ["word"])])
    pipeline = make_pipeline(columns, ActMLP(**FAST)).fit(X, y)
    save_model(pipeline, tmp_path / "model.skact")
    X.to_json(tmp_path / "X.json")
    np.save(tmp_path / "proba.npy", pipeline.predict_proba(X))
    script = (
        "import numpy as np, pandas as pd, skact\n"
        "model = skact.load_model('model.skact')\n"
        "proba = model.predict_proba(pd.read_json('X.json'))\n"
        "assert (proba == np.load('proba.npy')).all()\n"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=True, cwd=tmp_path
    )


def test_callbacks_of_scikit_learn_are_left_out_everywhere(tmp_path):
    X, y = IRIS
    bar = ProgressBar()
    pipeline = make_pipeline(StandardScaler(), ActMLP(**FAST)).set_callbacks(bar)
    loaded = saved_and_loaded(pipeline.fit(X, y), tmp_path)
    check_same(pipeline, loaded, X, y)
    assert callbacks_of(pipeline) == [bar]
    assert callbacks_of(loaded) == []


def test_loading_draws_nothing_and_leaves_no_mode(tmp_path):
    X, y = IRIS
    net = ActMLP(nn.PReLU(), **FAST).fit(X, y)
    save_model(net, tmp_path / "model.skact")

    def state():
        numbers = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
        return (*numbers, random.getstate())

    before = state()
    with torch.inference_mode():
        loaded = load_model(tmp_path / "model.skact")
    assert state() == before
    check_same(net.partial_fit(X, y), loaded.partial_fit(X, y), X, y)


# ------------------------------------------------------------------ the user's own code


def test_classes_of_the_user_are_loaded_by_their_names(tmp_path):
    name = f"{Shorten.__module__}.Shorten"
    sys.modules.setdefault(Shorten.__module__, sys.modules[__name__])
    pipeline = make_pipeline(Shorten(), ActMLP(**FAST)).fit(*IRIS)
    with pytest.raises(ValueError, match=r"types that are not trusted: .*Shorten\. If"):
        saved_and_loaded(pipeline, tmp_path)
    for trusted in ([name], (Shorten,), {name}):
        loaded = load_model(tmp_path / "model.skact", trusted=trusted)
        check_same(pipeline, loaded, *IRIS)


def test_trees_are_loaded_by_their_name(tmp_path):
    trees = RandomForestClassifier(3, max_depth=2, random_state=0)
    voting = VotingClassifier([("net", NET), ("trees", trees)]).fit(*IRIS)
    with pytest.raises(ValueError, match=r"trusted=\['sklearn.tree._tree.Tree'\]"):
        saved_and_loaded(voting, tmp_path)
    trusted = ["sklearn.tree._tree.Tree"]
    check_same(voting, saved_and_loaded(voting, tmp_path, trusted=trusted), *IRIS)


@pytest.mark.parametrize("trusted", [True, "a.b", {"a.b": 1}, [1], None])
def test_trusted_is_a_list_of_names(trusted, tmp_path):
    with pytest.raises(TypeError, match="trusted must be a list of types or of their"):
        load_model(tmp_path / "model.skact", trusted=trusted)


def test_what_cannot_be_saved_is_named_before_a_file_is_there(tmp_path):
    X, y = IRIS
    path = tmp_path / "folder" / "model.skact"

    def refuse(estimator, message):
        with pytest.raises(ValueError, match=message):
            save_model(estimator, path)
        assert not path.parent.exists()

    own = make_pipeline(StandardScaler(), ActMLP(torch.sin, **FAST)).fit(X, y)
    refuse(
        own,
        r"cannot save estimator\.steps\[1\]\[1\] \(ActMLP\): its 'activation' holds "
        r"<built-in method sin .*>: a file cannot hold it\. Give the name of an",
    )
    scaler = FunctionTransformer(lambda X: X * 2)
    local = make_pipeline(scaler, ActMLP(**FAST)).fit(X, y)
    refuse(local, r"save estimator\.steps\[0\]\[1\]\.func: .*<lambda> has no name")
    net = ActMLP(**FAST).fit(X, y)
    refuse(net.set_params(width=9), "its network was built with another hidden than")
    refuse(
        Pipeline([("wrong", Wrong()), ("net", ActMLP(**FAST))]).fit(X, y),
        r"save estimator\.steps\[0\]\[1\]\.known_: skops would read another value",
    )
    refuse(
        Pipeline([("wrong", Wrong(True)), ("net", ActMLP(**FAST))]).fit(X, y),
        "save_model cannot save the estimator: cannot pickle",
    )


class Wrong(Shorten):
    """A transformer with what skops does not keep: booleans as keys."""

    def __init__(self, locks=False):
        self.locks = locks

    def fit(self, X, y=None):
        self.known_ = {True: 1, False: 2}
        if self.locks:
            self.lock_ = threading.Lock()
        return super().fit(X)


@pytest.mark.parametrize("estimator", [1, ActMLP, None, {"a": 1}])
def test_only_estimators_are_saved(estimator, tmp_path):
    with pytest.raises(TypeError, match="save_model takes a fitted estimator, got"):
        save_model(estimator, tmp_path / "model.skact")


def test_only_fitted_estimators_are_saved(tmp_path):
    for estimator in (ActMLP(), make_pipeline(StandardScaler(), ActMLP())):
        with pytest.raises(NotFittedError):
            save_model(estimator, tmp_path / "model.skact")


# ------------------------------------------------------------------ the file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.skact"
    save_model(make_pipeline(StandardScaler(), ActMLP(**FAST)).fit(*IRIS), path)
    return path


def rewrite(path, changes):
    """Write a file again with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = {k: v for k, v in {**members, **changes}.items() if v is not None}
    path.write_bytes(model_files.pack(members))


def head_with(**facts):
    versions = {"scikit-learn": sklearn.__version__}
    return model_files.head_of({"versions": versions, "n_nets": 1, **facts})


def test_a_model_is_replaced_and_other_files_are_not(path, tmp_path):
    net = ActMLP(**FAST).fit(*IRIS)
    check_same(net, saved_and_loaded(net, tmp_path), *IRIS)
    for content in (b"", b"mine", path.read_bytes()[:-30]):
        path.write_bytes(content)
        with pytest.raises(FileExistsError, match="save_model did not write it"):
            save_model(net, path)
        assert path.read_bytes() == content
    with pytest.raises(IsADirectoryError, match=r"must be a file, and .* is a folder"):
        save_model(net, tmp_path)


def test_a_file_is_whole_or_as_it_was(path, monkeypatch):
    before = path.read_bytes()
    net = ActMLP(**FAST).fit(*IRIS)

    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        save_model(net, path)
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


def test_a_path_must_be_one(tmp_path):
    net = ActMLP(**FAST).fit(*IRIS)
    for wrong in (1, None, b"model"):
        with pytest.raises(TypeError, match="path must be a path, got"):
            save_model(net, wrong)
    for wrong in ("", "a\0b"):
        with pytest.raises(ValueError, match="path must be the name of a file"):
            load_model(wrong)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none")
    with pytest.raises(IsADirectoryError, match="must be a file, and"):
        load_model(tmp_path)


def test_packages_that_are_missing_are_named(path, monkeypatch):
    find = importlib.util.find_spec
    for missing in ("skops", "safetensors"):
        with monkeypatch.context() as patch:
            patch.setattr(
                importlib.util,
                "find_spec",
                lambda name, *args, gone=missing: None if name == gone else find(name),
            )
            message = rf'needs {missing}, which .*: pip install "skact\[deploy\]"'
            with pytest.raises(ImportError, match=message):
                load_model(path)
            with pytest.raises(ImportError, match=message):
                save_model(NET, path)


def test_versions_are_written_down_and_compared(path):
    with zipfile.ZipFile(path) as archive:
        head = model_files.read_head(path.read_bytes())
        assert archive.namelist()[0] == model_files.HEAD
    assert head["format"] == model_files.FORMAT
    assert head["versions"]["scikit-learn"] == sklearn.__version__
    assert head["versions"]["torch"].startswith(torch.__version__.partition("+")[0])
    wanted = {"skact", "numpy", "skops", "safetensors", "python"}
    assert wanted < head["versions"].keys()
    rewrite(path, {model_files.HEAD: head_with(versions={"scikit-learn": "1.2.3"})})
    with pytest.warns(SavedVersionWarning, match=r"with scikit-learn 1\.2\.3, and"):
        load_model(path)


def test_the_warning_of_versions_is_given_once_and_to_the_caller(path, recwarn):
    with zipfile.ZipFile(path) as archive:
        parts = archive.read("estimator.skops")
    other = model_files.unpack(parts)
    version = sklearn.__version__.encode()
    other["schema.json"] = other["schema.json"].replace(version, b"1.2.3")
    head = head_with(versions={"scikit-learn": "1.2.3"})
    parts = model_files.pack(other)
    rewrite(path, {model_files.HEAD: head, "estimator.skops": parts})
    load_model(path)
    (warning,) = recwarn.list
    assert warning.category is SavedVersionWarning
    assert warning.filename == __file__


def test_a_newer_format_is_an_error(path):
    rewrite(path, {model_files.HEAD: head_with(format=2)})
    with pytest.raises(ValueError, match="its format is 2, and this version of skact"):
        load_model(path)


@pytest.mark.parametrize("facts", [{"format": "1"}, {"n_nets": -1}, {"n_nets": 1e9}])
def test_a_head_must_be_ours(path, facts):
    rewrite(path, {model_files.HEAD: head_with(**facts)})
    with pytest.raises(ValueError, match="is not a model as save_model writes it: its"):
        load_model(path)


# ------------------------------------------------------------------ hostile files


def test_loading_unpickles_and_evaluates_nothing(path, monkeypatch):
    expected = load_model(path).predict_proba(IRIS[0])  # all is imported

    def refuse(*args, **kwargs):
        raise AssertionError("code of a file would run")

    for module in (pickle, torch):
        for name in ("load", "loads", "Unpickler"):
            monkeypatch.setattr(module, name, refuse, raising=False)
    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, refuse)
    loaded = load_model(path)
    monkeypatch.undo()
    np.testing.assert_array_equal(loaded.predict_proba(IRIS[0]), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimator.skops": None}, "it has no member 'estimator.skops'"),
        ({"nets/0.json": None}, "it has no member 'nets/0.json'"),
        ({"data.pkl": b"x"}, "it has an unknown member 'data.pkl'"),
        ({"../../x": b"x"}, "it has a member with the path '../../x'"),
        ({"/etc/x": b"x"}, "it has a member with the path '/etc/x'"),
        ({"estimator.skops": b"x"}, "it is no whole zip file"),
        ({"nets/0.json": b"{"}, "Expecting property name"),
        ({"nets/0.json": b"[" * 100_000}, "recursion"),
        ({"nets/0.json": b"[NaN]"}, "JSON has no NaN"),
        ({"nets/0.json": b"[]"}, "list indices must be"),
        ({"nets/0.safetensors": b"x" * 100}, "its tensors cannot be read"),
        ({"nets/0.safetensors": pickle.dumps([1])}, "its tensors cannot be read"),
        ({model_files.HEAD: b"{}"}, "is of another kind"),
        ({model_files.HEAD: None}, r"it has no skact-model\.json"),
    ],
)
def test_a_file_of_other_members_is_refused(path, changes, message):
    rewrite(path, changes)
    with pytest.raises(ValueError, match=message) as error:
        load_model(path)
    assert "is not a model as save_model writes it: " in str(error.value)


def test_a_file_that_is_no_zip_is_refused(path):
    content = path.read_bytes()
    for wrong in (b"", b"x", pickle.dumps(1), content[:-100], content[1000:]):
        path.write_bytes(wrong)
        with pytest.raises(
            ValueError, match="is not a model as save_model writes it: "
        ):
            load_model(path)


def test_a_byte_that_flipped_is_found(path):
    content = bytearray(path.read_bytes())
    place = content.index(b"nets/0.safetensors") + 2_000
    content[place] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="Bad CRC-32"):
        load_model(path)


def test_types_of_others_are_refused_and_not_imported(path, tmp_path, monkeypatch):
    (tmp_path / "hostile.py").write_text("raise SystemExit('it was imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with zipfile.ZipFile(path) as archive:
        parts = model_files.unpack(archive.read("estimator.skops"))
    schema = parts["schema.json"]
    for name in ("hostile.StandardScaler", "os.system", "builtins.eval"):
        module, _, kind = name.rpartition(".")
        found = schema.replace(b"sklearn.preprocessing._data", module.encode())
        found = found.replace(b'"StandardScaler"', f'"{kind}"'.encode())
        content = model_files.pack({**parts, "schema.json": found})
        rewrite(path, {"estimator.skops": content})
        with pytest.raises(ValueError, match=f"types that are not trusted: {name}"):
            load_model(path)


@pytest.mark.parametrize("number", [-1, 1, 1.5, True, "0", None])
def test_a_net_that_is_not_there_is_named(path, number):
    place = saved_models.NetPlace(0)
    place.number = number
    parts = saved_models.write_parts(make_pipeline(StandardScaler(), place))
    rewrite(path, {"estimator.skops": parts})
    with pytest.raises(ValueError, match="it has no net "):
        load_model(path)
