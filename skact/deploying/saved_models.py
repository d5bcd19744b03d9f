"""A fitted estimator as one file, without pickle: skops, JSON and safetensors.

The file is a zip archive, not compressed: ``skact.json`` (format, versions, a record of
each net), ``estimator.skops`` (the estimator, a :class:`SavedNet` in place of each net)
and ``net<i>.safetensors`` (the weights of each fitted net).
"""

import copy
import io
import json
import os
import platform
import secrets
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
import torch
from sklearn.base import BaseEstimator

from skact.deploying.net_records import (
    SavedNet,
    net_of_record,
    record_of,
    weights_of,
)
from skact.exceptions import SavedVersionWarning
from skact.nets.base import BaseNet

FORMAT = 1
_HEAD, _ESTIMATOR = "skact.json", "estimator.skops"
_QUICK_SEARCH = "skact.quick_search"
# classes that skops may build beside those it knows; building them runs nothing
_OURS = [
    "numpy.dtype",
    "sklearn.utils._bunch.Bunch",
    f"{SavedNet.__module__}.{SavedNet.__qualname__}",
    f"{_QUICK_SEARCH}.numbers.NumberEncoder",
    f"{_QUICK_SEARCH}.pipelines.SearchPipeline",
    f"{_QUICK_SEARCH}.pipelines.StandardisedPipeline",
    f"{_QUICK_SEARCH}.tables.TableEncoder",
]


def save_model(
    estimator: Any, path: str | os.PathLike, *, trusted: Sequence[str] = ()
) -> Path:
    """Write a fitted estimator into a file that can be loaded without pickle.

    scikit-learn's parts are written by skops, the nets as JSON and their weights by
    safetensors. The file holds all that predictions need, and the parameters with which
    `fit` trains anew. It does not hold callbacks, `train_split`, the batches of the
    history, and the state of the optimizer.

    Parameters
    ----------
    estimator : estimator
        A net of skact, or an estimator of scikit-learn with nets anywhere in it, such
        as a pipeline, or ``best_estimator_`` of a search.
    path : str or path
        The file. One that `save_model` has written is replaced, at once.
    trusted : sequence of str, default=()
        Full names of other classes in the estimator, such as
        ``"my_package.MyTransformer"``. :func:`load_model` needs them, too.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If a part cannot be written: an activation that is code of your own, or a class
        that is neither scikit-learn's nor trusted.
    FileExistsError
        If another file is there.
    ImportError
        If skops or safetensors is missing.

    See Also
    --------
    skact.to_onnx : For services without Python.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skact import ActMLP, load_model, save_model
    >>> X, y = load_iris(return_X_y=True)
    >>> pipe = make_pipeline(StandardScaler(), ActMLP(random_state=0)).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save_model(pipe, Path(folder, "iris.skact"))
    ...     again = load_model(file)
    >>> (again.predict_proba(X) == pipe.predict_proba(X)).all()
    np.True_
    """
    skops, save = _import_skops(), _import_safetensors().save
    is_search = hasattr(estimator, "best_estimator_")
    if is_search or not isinstance(estimator, BaseEstimator):
        raise ValueError(_explain_no_estimator(estimator))
    path = Path(path)
    _check_is_ours(path)
    nets = list(_parts_of(estimator, BaseNet))
    records = [record_of(net) for net in nets]
    stand_ins: dict[int, Any] = {id(net): SavedNet(i) for i, net in enumerate(nets)}
    # skops cannot write names of columns as pandas holds them
    stand_ins |= {id(one): one.tolist() for one in _parts_of(estimator, pd.Index)}
    try:
        content = skops.dumps(copy.deepcopy(estimator, stand_ins))
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"skops cannot write a part of the model: {why}") from error
    unknown = set(skops.get_untrusted_types(data=content)) - {*_OURS, *trusted}
    if unknown:
        raise ValueError(
            f"save_model cannot write {', '.join(sorted(unknown))}: load_model trusts "
            f"scikit-learn's classes and skact's. If it is a class of your own, pass "
            f"trusted={sorted(unknown)} to both."
        )
    head = {"format": FORMAT, "versions": _versions(), "nets": records}
    members = {_HEAD: json.dumps(head).encode(), _ESTIMATOR: content}
    for i, net in enumerate(nets):
        if "fitted" in records[i]:
            members[_name_of_weights(i)] = save(weights_of(net))
    _write(path, members)
    return path


def load_model(path: str | os.PathLike, *, trusted: Sequence[str] = ()) -> Any:
    """Load an estimator that :func:`save_model` has written; run no code of the file.

    Its predictions are those of the estimator that was saved, to the last bit, with the
    same versions of the libraries. `fit` trains anew; `partial_fit` and `warm_start`
    cannot go on, because no state of the optimizer is saved.

    Parameters
    ----------
    path : str or path
        The file.
    trusted : sequence of str, default=()
        Full names of classes of your own that may be built. Loading imports them, so
        name only what you know.

    Returns
    -------
    estimator
        As it was saved, without callbacks and `train_split`.

    Warns
    -----
    SavedVersionWarning
        If scikit-learn has another version than the one that wrote the file.

    Raises
    ------
    ValueError
        If the file is damaged, not one of `save_model`, newer than this skact, or holds
        a class that is not trusted.
    ImportError
        If skops or safetensors is missing.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skact import ActMLP, load_model, save_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_model(save_model(ActMLP("silu"), Path(folder, "net.skact")))
    ActMLP(activation='silu')
    """
    skops = _import_skops()
    members = _read(Path(path))
    head = _head_of(members[_HEAD], path)
    content = members[_ESTIMATOR]
    allowed = [*_OURS, *trusted]
    with _saying(path):
        _check_archive(zipfile.ZipFile(io.BytesIO(content)), len(content))
        unknown = set(skops.get_untrusted_types(data=content)) - set(allowed)
    if unknown:
        raise ValueError(
            f"{path} holds {', '.join(sorted(unknown))}, which load_model does not "
            f"trust. If you know the class, pass trusted={sorted(unknown)}."
        )
    _warn_of_versions(head["versions"], path)
    with _saying(path):
        nets = [_load_net(members, i, one) for i, one in enumerate(head["nets"])]
        estimator = skops.loads(content, trusted=allowed)
        stand_ins = list(_parts_of(estimator, SavedNet))
        return copy.deepcopy(
            estimator, {id(one): nets[one.number] for one in stand_ins}
        )


def _load_net(members: dict[str, bytes], i: int, record: dict[str, Any]) -> BaseNet:
    content = members.get(_name_of_weights(i))
    load = _import_safetensors().load
    return net_of_record(record, None if content is None else load(content))


def _name_of_weights(i: int) -> str:
    return f"net{i}.safetensors"


def _parts_of(root: Any, kind: type) -> Iterator[Any]:
    """Yield each object of a class in an estimator once, however deep."""
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, kind):
            yield one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple | set):
            waiting += one
        elif isinstance(one, np.ndarray) and one.dtype == object:
            waiting += one.ravel().tolist()
        elif isinstance(one, BaseEstimator):
            waiting += vars(one).values()


# ------------------------------------------------------------------ files


def _write(path: Path, members: dict[str, bytes]) -> None:
    """Write beside the file, then replace it: nobody reads a half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _check_is_ours(path: Path) -> None:
    """Refuse to replace what `save_model` has not written."""
    if not path.exists():
        return
    with suppress(ValueError, OSError):
        _read(path)
        return
    raise FileExistsError(f"{path} exists, and is no model of save_model: move it.")


def _read(path: Path) -> dict[str, bytes]:
    """Return the members of a file, if it has those of a model and no others."""
    content = path.read_bytes()
    with _saying(path):
        archive = zipfile.ZipFile(io.BytesIO(content))
        _check_archive(archive, len(content))
        names = archive.namelist()
        known = {_HEAD, _ESTIMATOR, *map(_name_of_weights, range(len(names)))}
        if len(set(names)) != len(names) or not {_HEAD, _ESTIMATOR} <= set(names):
            raise ValueError(f"it holds {names[:5]}")
        if others := set(names) - known:
            raise ValueError(f"it holds {sorted(others)[:5]}")
        return {name: archive.read(name) for name in names}


def _check_archive(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Refuse what would be larger than the file: nothing is compressed."""
    infos = archive.infolist()
    is_stored = all(one.compress_type == zipfile.ZIP_STORED for one in infos)
    if not is_stored or sum(one.file_size for one in infos) > n_bytes:
        raise ValueError("it would be larger than the file itself")


def _head_of(content: bytes, path: Any) -> dict[str, Any]:
    with _saying(path):
        head = json.loads(content)
        newer = head["format"] > FORMAT
        is_whole = isinstance(head["nets"], list) and isinstance(head["versions"], dict)
        if not is_whole:
            raise ValueError("its head is not whole")
    if newer:
        raise ValueError(
            f"{path} has format {head['format']}; this skact knows {FORMAT}. It was "
            f"written by skact {head['versions'].get('skact')}: update skact."
        )
    return head


@contextmanager
def _saying(path: Any) -> Iterator[None]:
    """Turn errors of reading into one that names the file."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # of zipfile, json, skops, safetensors, torch
        why = f"{type(error).__name__}: {error}"
        said = f"{path} is damaged, or no model of save_model ({why})."
        raise ValueError(said) from error


# ------------------------------------------------------------------ versions


def _versions() -> dict[str, str]:
    import skops

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "skact": sys.modules["skact"].__version__,
        "skops": skops.__version__,
        "torch": torch.__version__,
    }


def _warn_of_versions(versions: dict[str, Any], path: Any) -> None:
    written = versions.get("scikit-learn")
    if _minor(written) != _minor(sklearn.__version__):
        warnings.warn(
            f"{path} was written with scikit-learn {written}, and this is "
            f"{sklearn.__version__}: its parts may behave otherwise.",
            SavedVersionWarning,
            stacklevel=3,
        )


def _minor(version: Any) -> list[str]:
    return str(version).split(".")[:2]


# ------------------------------------------------------------------ what may be missing


def _explain_no_estimator(estimator: Any) -> str:
    name = type(estimator).__name__
    if hasattr(estimator, "best_estimator_"):
        return f"save_model writes a model, got {name}. Pass its best_estimator_."
    return f"estimator must be an estimator of scikit-learn, got {name}."


def _import_skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise _missing("skops") from error
    return skops.io


def _import_safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise _missing("safetensors") from error
    return safetensors.torch


def _missing(name: str) -> ImportError:
    return ImportError(
        f"Models are saved with {name}, which is not installed: "
        f'pip install "skact[deploy]".'
    )
