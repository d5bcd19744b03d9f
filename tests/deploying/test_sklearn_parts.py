"""scikit-learn's parts: types that are on a list are read, no others."""

import importlib
import io
import json
import zipfile
from types import FunctionType

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.multiclass import OutputCodeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PowerTransformer,
    StandardScaler,
)
from sklearn.svm import SVC

from skact.deploying import model_files
from skact.deploying.net_places import NetPlace
from skact.deploying.sklearn_parts import (
    TRUSTED,
    NotTrustedError,
    missing_types,
    read_parts,
    types_to_trust,
    write_parts,
)

pytest.importorskip("skops")
X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("name", TRUSTED)
def test_each_trusted_name_is_a_class_or_a_function_of_scikit_learn(name):
    module, _, kind = name.rpartition(".")
    found = getattr(importlib.import_module(module), kind)
    is_function = isinstance(found, FunctionType) and module.startswith("sklearn.")
    assert isinstance(found, type) or is_function


@pytest.mark.parametrize(
    "estimator",
    [
        CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2),
        CalibratedClassifierCV(LogisticRegression(), method="temperature", cv=2),
        TunedThresholdClassifierCV(LogisticRegression(), cv=2),
        make_pipeline(SelectKBest(k=1), PowerTransformer(), LogisticRegression()),
        make_pipeline(
            KBinsDiscretizer(2, encode="ordinal", quantile_method="linear"), SVC()
        ),
        OutputCodeClassifier(LogisticRegression(), random_state=0),
    ],
)
def test_what_stands_around_a_net_needs_no_trust(estimator):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.arange(40) % 2
    estimator.fit(rows, labels)
    loaded = read_parts(write_parts(estimator), [])
    np.testing.assert_array_equal(loaded.predict(rows), estimator.predict(rows))


def test_parts_come_back_with_the_places_of_nets():
    pipeline = make_pipeline(StandardScaler().fit(X), NetPlace(3))
    content = write_parts(pipeline)
    assert types_to_trust(content) == []
    loaded = read_parts(content, [])
    assert loaded[-1].number == 3
    np.testing.assert_array_equal(loaded[0].transform(X), pipeline[0].transform(X))


def test_sparse_rows_come_back():
    neighbours = KNeighborsClassifier(2).fit(sp.csr_array(X), Y)
    content = write_parts(neighbours)
    # not trusted by itself: as in a tree, wrong numbers in one can end the process
    (name,) = types_to_trust(content)
    assert name == "scipy.sparse._csr.csr_array"
    loaded = read_parts(content, [name])
    np.testing.assert_array_equal(loaded.predict(X), neighbours.predict(X))


def test_a_bomb_inside_is_refused(monkeypatch):
    content = write_parts(KNeighborsClassifier(2).fit(sp.csr_array(X), Y))
    monkeypatch.setattr(model_files, "_MOST_UNPACKED", 10)
    with pytest.raises(ValueError, match="its sparse matrices are of"):
        read_parts(content, ["scipy.sparse._csr.csr_array"])
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", " " * 10**6)
    with pytest.raises(ValueError, match=r"its member 'schema\.json' is compressed"):
        read_parts(bomb.getvalue(), [])


def test_types_that_are_not_trusted_are_named():
    content = write_parts(RandomForestClassifier(2).fit(X, Y))
    assert types_to_trust(content) == ["sklearn.tree._tree.Tree"]
    with pytest.raises(NotTrustedError, match=r"^sklearn\.tree\._tree\.Tree$") as error:
        read_parts(content, [])
    assert error.value.types == ["sklearn.tree._tree.Tree"]
    read_parts(content, ["sklearn.tree._tree.Tree"])


def test_functions_that_have_no_name_are_found():
    content = write_parts(FunctionTransformer(lambda x: x))
    (name,) = types_to_trust(content)
    assert missing_types([name, "builtins.print", "none.Such"]) == [name, "none.Such"]


@pytest.mark.parametrize(
    ("loader", "module", "kind"),
    [
        ("FunctionNode", "os", "system"),
        ("TypeNode", "subprocess", "Popen"),
        ("ObjectNode", "hostile", "Thing"),
        ("ConstructorFromReduceNode", "builtins", "open"),
        ("PartialNode", "functools", "partial"),
        ("OperatorFuncNode", "operator", "methodcaller"),
        ("MethodNode", "builtins", "list"),
    ],
)
def test_what_would_run_code_is_refused(loader, module, kind):
    members = model_files.unpack(write_parts(FunctionTransformer(np.exp)))
    schema = json.loads(members["schema.json"])
    node = schema["content"]["content"]["func"]
    empty = {
        "__class__": "list",
        "__module__": "builtins",
        "__loader__": "ListNode",
        "content": [],
    }
    names = {"__class__": kind, "__module__": module, "__loader__": loader}
    node |= {**names, "attrs": empty, "content": empty}
    if loader == "PartialNode":
        node["content"] = dict.fromkeys(("func", "args", "kwds", "namespace"), empty)
    if loader == "MethodNode":
        node["content"] = {"func": "append", "obj": empty}
    content = model_files.pack({"schema.json": json.dumps(schema).encode()})
    with pytest.raises(NotTrustedError, match=f"{module}.{kind}"):
        read_parts(content, [])


def test_an_array_that_claims_a_huge_shape_is_refused():
    members = model_files.unpack(write_parts(StandardScaler().fit(X)))
    before, after = b"(2,), }" + b" " * 14, b"(999999999999999,), }"
    changed = {k: v.replace(before, after) for k, v in members.items()}
    assert changed != members
    with pytest.raises((ValueError, MemoryError)):
        read_parts(model_files.pack(changed), [])


def test_an_array_of_pickles_is_refused(tmp_path):
    members = model_files.unpack(write_parts(StandardScaler().fit(X)))
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    pickled = (tmp_path / "x.npy").read_bytes()
    changed = {k: pickled if k.endswith(".npy") else v for k, v in members.items()}
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_parts(model_files.pack(changed), [])


@pytest.mark.parametrize("protocol", [-1, True, 10**6, None])
def test_a_schema_of_another_protocol_is_refused(protocol):
    members = model_files.unpack(write_parts(StandardScaler().fit(X)))
    schema = {**json.loads(members["schema.json"]), "protocol": protocol}
    members["schema.json"] = json.dumps(schema).encode()
    with pytest.raises((ValueError, TypeError), match="protocol"):
        read_parts(model_files.pack(members), [])
