"""A saved model predicts as before, and a file runs no code and is clear if broken."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_transformer,
)
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from skact import (
    ActMLP,
    ActMLPBinary,
    ActMLPRegressor,
    SavedVersionWarning,
    TrainingLog,
    list_activations,
    load_model,
    register_activation,
    save_model,
    search,
    to_frame,
    unregister_activation,
)
from skact.deploying import saved_models

ROOT = Path(__file__).parents[2]
X, Y = load_iris(return_X_y=True)
FEW = {"max_epochs": 2, "random_state": 0, "width": 6}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skact"


def again(estimator, path, **options):
    return load_model(save_model(estimator, path, **options), **options)


def check_equal(one, other, rows=X):
    for method in ("predict", "predict_proba"):
        if hasattr(one, method):
            np.testing.assert_array_equal(
                getattr(one, method)(rows), getattr(other, method)(rows)
            )


@pytest.mark.parametrize("name", list_activations())
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_each_activation_and_norm_predicts_as_before(name, norm, path):
    net = ActMLP(name, norm=norm, depth=2, dropout=0.1, **FEW).fit(X, Y)
    check_equal(net, again(net, path))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kind", "y"),
    [
        (ActMLP, Y),
        (ActMLP, np.array(["a", "bb", "ccc"])[Y]),
        (ActMLP, np.array(["a", "bb", "ccc"], dtype=object)[Y]),
        (ActMLP, Y.astype(np.int8) - 100),
        (ActMLP, Y.astype(float)),
        (ActMLPBinary, Y > 0),
        (ActMLPBinary, np.array(["no", "yes"])[(Y > 0).astype(int)]),
        (ActMLPRegressor, Y * 1.5),
        (ActMLPRegressor, np.column_stack([Y, -Y]) * 1.5),
    ],
)
def test_each_estimator_has_its_labels_and_shapes_back(kind, y, dtype, path):
    net = kind(dtype=dtype, **FEW).fit(X, y)
    loaded = again(net, path)
    check_equal(net, loaded)
    assert loaded.predict(X).dtype == net.predict(X).dtype
    assert repr(loaded) == repr(net)
    assert loaded.score(X, y) == net.score(X, y)
    assert to_frame(loaded).equals(to_frame(net))
    if hasattr(net, "classes_"):
        assert loaded.classes_.dtype == net.classes_.dtype


def table():
    frame, y = load_wine(return_X_y=True, as_frame=True)
    frame["color"] = np.where(frame["color_intensity"] > 5, "deep", "pale")
    frame.loc[::9, "ash"] = np.nan
    return frame, y


def pipelines():
    frame, y = table()
    numbers = frame.columns[:-1].tolist()
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("words", OneHotEncoder(), ["color"]),
        ]
    )
    net = ActMLP(**FEW)
    nets = [(f"net{seed}", clone(net).set_params(random_state=seed)) for seed in (0, 1)]
    return {
        "mixed columns": (make_pipeline(columns, net), frame, y),
        "voting": (
            make_pipeline(columns, VotingClassifier(nets, voting="soft")),
            frame,
            y,
        ),
        "bagging": (BaggingClassifier(net, 3, random_state=0), X, Y),
        "target": (
            TransformedTargetRegressor(
                make_pipeline(StandardScaler(), ActMLPRegressor(**FEW)),
                transformer=StandardScaler(),
            ),
            *load_diabetes(return_X_y=True),
        ),
    }


@pytest.mark.parametrize("name", pipelines())
def test_nets_anywhere_in_an_estimator_come_back(name, path):
    model, rows, y = pipelines()[name]
    model.fit(rows, y)
    loaded = again(model, path)
    check_equal(model, loaded, rows)
    assert repr(loaded) == repr(model)
    check_equal(clone(model).fit(rows, y), loaded.fit(rows, y), rows)


@pytest.mark.parametrize("average", [1, 3])
def test_the_winner_of_a_search_comes_back(average, path):
    frame, y = table()
    frame["when"] = pd.Timestamp("2024-05-01") + pd.to_timedelta(range(len(frame)), "D")
    options = {"n_candidates": 4, "max_epochs": 8, "progress": False}
    found = search(frame, y, average=average, **options)
    model = found.best_estimator_
    if average > 1:
        from skact.quick_search.averages import average_of

        model = average_of(found.search_.best_estimator_, found.members_)
        model.fit(frame, y)
    check_equal(model, again(model, path), frame)


def test_the_winner_of_a_regression_comes_back(path):
    rows, y = load_diabetes(return_X_y=True, as_frame=True)
    found = search(rows, y, n_candidates=3, max_epochs=4, progress=False)
    check_equal(found.best_estimator_, again(found.best_estimator_, path), rows)


def test_parameters_of_skorch_and_torch_come_back(path):
    net = ActMLP(
        (nn.LeakyReLU(0.3), nn.Tanh),
        hidden=(5, 4),
        optimizer=torch.optim.RMSprop,
        optimizer__alpha=0.9,
        class_weight={0: 1.0, 2: 3.0},
        **{"max_epochs": 2, "random_state": 0},
    ).fit(X, Y)
    loaded = again(net, path)
    check_equal(net, loaded)
    assert repr(loaded) == repr(net)
    check_equal(clone(net).fit(X, Y), loaded.fit(X, Y))


def test_a_net_that_is_not_fitted_keeps_its_parameters(path):
    loaded = again(make_pipeline(StandardScaler(), ActMLP("silu")), path)
    assert loaded[-1].activation == "silu"
    assert not loaded[-1].initialized_


def test_callbacks_and_held_out_rows_are_left_out(path):
    log = TrainingLog()
    net = ActMLP(callbacks=[print_nothing], early_stopping=True, **FEW)
    net.set_callbacks(log).fit(X, Y)
    loaded = again(net, path)
    assert loaded.callbacks is None
    check_equal(net, loaded)


class print_nothing:
    def initialize(self):
        return self

    def __getattr__(self, name):
        if name.startswith("on_"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)


def test_a_loaded_net_trains_anew_and_does_not_train_on(path):
    net = ActMLP(**FEW).fit(X, Y)
    loaded = again(net, path)
    with pytest.raises(ValueError, match="cannot train on: load_model has loaded it"):
        loaded.partial_fit(X, Y)
    check_equal(net, loaded)  # the refusal lost nothing
    with pytest.raises(ValueError, match="Fit anew, with warm_start=False"):
        loaded.set_params(warm_start=True).fit(X, Y)
    loaded.set_params(warm_start=False).fit(X, Y)
    check_equal(net, loaded)
    loaded.partial_fit(X, Y)
    check_equal(net.partial_fit(X, Y), loaded)
    check_equal(pickle.loads(pickle.dumps(again(net, path))), net)


LOAD = """
import sys
import numpy as np
import pickle, _pickle
def refuse(*args, **kwargs): raise AssertionError("pickle was used")
from skact import load_model
import skops.io, safetensors.torch, skact.nets.estimators, skact.quick_search.tables
pickle.load = pickle.loads = pickle.Unpickler = refuse
import torch
torch.load = refuse
model = load_model(sys.argv[1])
np.save(sys.argv[2], model.predict_proba(np.load(sys.argv[3])))
"""


def test_another_process_loads_it_and_never_unpickles(path, tmp_path):
    model = make_pipeline(StandardScaler(), ActMLP("prelu", norm="batch", **FEW))
    save_model(model.fit(X, Y), path)
    np.save(tmp_path / "rows.npy", X)
    files = [path, tmp_path / "proba.npy", tmp_path / "rows.npy"]
    command = [sys.executable, "-W", "error", "-c", LOAD, *map(str, files)]
    subprocess.run(command, check=True, cwd=ROOT)
    np.testing.assert_array_equal(np.load(files[1]), model.predict_proba(X))


# ---------------------------------------------------------------------- what is refused


def twice(x):
    return 2 * x


def test_code_of_ones_own_is_named_before_a_file_is_written(path):
    net = ActMLP(twice, **FEW).fit(X, Y)
    said = "cannot write activation=.*twice.*of ActMLP: it is code.*register_activation"
    with pytest.raises(ValueError, match=said):
        save_model(net, path)
    assert not path.exists()


def test_a_name_that_is_registered_is_known_again(path):
    register_activation("twice", twice)
    try:
        net = ActMLP("twice", **FEW).fit(X, Y)
        check_equal(net, again(net, path))
    finally:
        unregister_activation("twice")
    with pytest.raises(ValueError, match=r"twice.* is unknown"):
        load_model(path)


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return 2 * X


def test_a_class_of_ones_own_must_be_trusted_on_both_sides(path):
    model = make_pipeline(Doubled(), ActMLP(**FEW)).fit(X, Y)
    name = f"{Doubled.__module__}.Doubled"
    with pytest.raises(ValueError, match=f"cannot write {name}: load_model trusts"):
        save_model(model, path)
    assert not path.exists()
    save_model(model, path, trusted=[name])
    with pytest.raises(ValueError, match=f"holds {name}, which load_model does not tr"):
        load_model(path)


class Mine(ActMLP):
    pass


def test_a_net_of_ones_own_class_and_what_is_no_estimator_are_named(path):
    with pytest.raises(ValueError, match=r"save_model knows ActMLP, .*Mine is a class"):
        save_model(Mine(**FEW).fit(X, Y), path)
    with pytest.raises(ValueError, match="must be an estimator of scikit-learn, got d"):
        save_model({}, path)
    found = search(X, Y, n_candidates=2, max_epochs=2, progress=False)
    with pytest.raises(ValueError, match=r"got SearchResult. Pass its best_estimator_"):
        save_model(found, path)


def test_a_search_is_asked_for_its_winner(path):
    grid = GridSearchCV(ActMLP(**FEW), {"width": [3, 4]}, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"got GridSearchCV. Pass its best_estimator_"):
        save_model(grid, path)


def test_a_file_that_is_not_ours_is_not_replaced(path):
    net = ActMLP(**FEW).fit(X, Y)
    path.write_text("my notes")
    with pytest.raises(FileExistsError, match="exists, and is no model of save_model"):
        save_model(net, path)
    assert path.read_text() == "my notes"
    path.unlink()
    save_model(net, path)
    save_model(net, path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# ---------------------------------------------------------------------- broken files


def change(path, **members):
    """Write a model, and replace or drop members of its file."""
    save_model(ActMLP(**FEW).fit(X, Y), path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for name, new in members.items():
        name = {"head": "skact.json", "estimator": "estimator.skops"}.get(name, name)
        name = name.replace("weights", "net0.safetensors")
        old = content.pop(name, b"")
        made = new(old) if callable(new) else new
        if made is not None:
            content[name] = made
    with zipfile.ZipFile(path, "w") as archive:
        for name, one in content.items():
            archive.writestr(name, one)
    return path


def head_with(**changes):
    def edit(content):
        head = json.loads(content)
        net = head["nets"][0]
        for name, value in changes.items():
            part, _, key = name.partition("__")
            {
                "head": head,
                "params": net["params"],
                "fitted": net["fitted"],
                "net": net,
            }[part][key] = value
        return json.dumps(head).encode()

    return edit


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def weights(**tensors):
    from safetensors.torch import load, save

    def edit(content):
        return save({**load(content), **tensors})

    return edit


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no json": ({"head": b"{"}, "JSONDecodeError"),
    "no head": ({"head": None}, "it holds"),
    "no estimator": ({"estimator": None}, "it holds"),
    "another member": ({"../../evil": b"1"}, r"it holds \['\.\./\.\./evil'\]"),
    "no weights": ({"weights": None}, "the weights of a fitted net are missing"),
    "garbage": ({"weights": b"\x80\x04garbage"}, "SafetensorError"),
    "no skops": ({"estimator": pickle.dumps(1)}, "BadZipFile"),
    "no class": ({"head": head_with(net__class="Popen")}, "KeyError"),
    "no parameter": ({"head": head_with(params__nonsense=1)}, "nonsense"),
    "an attribute": ({"head": head_with(fitted__predict=1)}, "'predict' is no attrib"),
    "a width": ({"head": head_with(params__width=10**12)}, "must have the shape"),
    "an output": ({"head": head_with(fitted__n_outputs_=7)}, "output.weight must have"),
    "a dtype": ({"head": head_with(fitted__dtype_="float32")}, "must be torch.float32"),
    "a function": (
        {"head": head_with(params__activation={"class": "os.system"})},
        "the class 'os.system' is not among those that are trusted",
    ),
    "a module": (
        {"head": head_with(params__criterion={"module": "os.system", "arguments": {}})},
        "the class 'os.system' is not among",
    ),
    "a kind": ({"head": head_with(params__lr={"eval": "1"})}, "'eval' is no kind of"),
    "an object": (
        {"head": head_with(fitted__classes_inferred_={"array": [1], "dtype": "V8"})},
        "dtype 'V8' of labels is not known",
    ),
    "one more tensor": (
        {"weights": weights(more=torch.ones(2))},
        "Error.s. in loading",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_or_hostile_file_is_a_clear_error(case, path):
    members, said = BROKEN[case]
    with pytest.raises(ValueError, match=f"model.skact is damaged, or.*{said}"):
        load_model(change(path, **members))


HOSTILE = {
    "__class__": "system",
    "__module__": "os",
    "__loader__": "FunctionNode",
    "__id__": 1,
    "content": {"module_path": "os", "function": "system"},
    "protocol": 2,
    "_skops_version": "0.16",
}


def test_a_type_that_is_not_trusted_is_named(path):
    evil = zipped(**{"schema.json": json.dumps(HOSTILE)})
    with pytest.raises(ValueError, match=r"system"):
        load_model(change(path, estimator=evil))


def test_a_file_that_would_grow_is_refused(path):
    save_model(ActMLP(**FEW).fit(X, Y), path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net1.safetensors", bytes(10**7))
    with pytest.raises(ValueError, match="it would be larger than the file itself"):
        load_model(path)


def test_half_a_file_no_file_and_a_folder_are_named(path, tmp_path):
    save_model(ActMLP(**FEW).fit(X, Y), path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(
        ValueError, match=r"model.skact is damaged, or no model of save"
    ):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        load_model(tmp_path)


def test_versions_are_written_down_and_another_one_is_said(path):
    def older(content):
        head = json.loads(content)
        assert set(head["versions"]) >= {"skact", "scikit-learn", "torch", "skops"}
        head["versions"]["scikit-learn"] = "1.2.0"
        return json.dumps(head).encode()

    change(path, head=older)
    with pytest.warns(
        SavedVersionWarning, match=r"was written with scikit-learn 1.2.0"
    ):
        load_model(path)
    newer = head_with(head__format=saved_models.FORMAT + 1)
    with pytest.raises(ValueError, match=r"has format 2; this skact knows 1.*update"):
        load_model(change(path, head=newer))


@pytest.mark.parametrize("name", ["skops", "safetensors"])
def test_a_package_that_is_missing_is_named(name, path, monkeypatch):
    monkeypatch.setitem(
        sys.modules, f"{name}.{'io' if name == 'skops' else 'torch'}", None
    )
    with pytest.raises(ImportError, match=rf"{name}.*pip install .skact\[deploy\]"):
        save_model(ActMLP(**FEW).fit(X, Y), path)


def test_columns_and_names_come_back(path):
    frame, y = load_wine(return_X_y=True, as_frame=True)
    columns = make_column_transformer((StandardScaler(), frame.columns))
    columns.set_output(transform="pandas")
    model = make_pipeline(columns, ActMLP(**FEW)).fit(frame, y)
    loaded = again(model, path)
    assert loaded[-1].feature_names_in_.tolist() == model[-1].feature_names_in_.tolist()
    check_equal(model, loaded, frame)
