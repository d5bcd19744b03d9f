"""Save a fitted estimator in one file without pickle, and load it."""

import importlib.util
import os
import platform
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skact.deploying.model_files import (
    FORMAT,
    HEAD,
    from_bytes,
    head_of,
    is_model,
    names_of_nets,
    pack,
    read_head,
    to_bytes,
    unpack,
)
from skact.deploying.net_places import (
    NetPlace,
    first_difference,
    replace_inside,
    walk,
)
from skact.deploying.net_records import CannotSaveError, net_of, record_of
from skact.deploying.sklearn_parts import (
    NotTrustedError,
    missing_types,
    read_parts,
    types_to_trust,
    write_parts,
)
from skact.exceptions import SavedVersionWarning
from skact.naming import short_name
from skact.nets.base import BaseNet
from skact.resuming.checkpoint_files import replace_file

_PARTS = "estimator.skops"
_PACKAGES = ("skact", "scikit-learn", "torch", "numpy", "skops", "safetensors")
# what damaged or hostile files raise when they are read
_READING_ERRORS = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError),
    *(RecursionError, MemoryError, RuntimeError, ImportError, AssertionError),
)


def save_model(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator into one file, without pickle.

    The file holds all that predictions need, and all that ``fit`` and ``partial_fit``
    need to go on: parameters, weights in their dtype, what `fit` has learned, and the
    numbers of the optimizer. scikit-learn's parts are written by skops, weights by
    safetensors, the rest as JSON. What is written is read back before the file is
    there, so a file that `save_model` wrote can be loaded.

    Left out are callbacks (skorch's and scikit-learn's) and what ``history_`` says of
    single batches. Call ``net.trim_for_prediction()`` before, and the file has a third
    of the size: such a net predicts, and does not train.

    Parameters
    ----------
    estimator : fitted estimator
        A net, or an estimator of scikit-learn that may hold nets anywhere: a pipeline,
        an ensemble, ``best_estimator_`` of a search. Other classes are saved, too; to
        load them, name them in `trusted`.
    path : str or path
        The file, such as ``"model.skact"``. Its folder is created if it does not
        exist. A saved model that is there is replaced at once, so that it is whole
        whenever somebody reads it.

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    TypeError
        If it is no estimator.
    ValueError
        If a part cannot be saved, such as an activation that is your own code. The
        message names the part; nothing is written.
    FileExistsError
        If there is a file that is no saved model.
    ImportError
        If safetensors or skops are missing: ``pip install "skact[deploy]"``.

    See Also
    --------
    load_model : Read the file.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skact import ActMLP
    >>> X, y = load_iris(return_X_y=True)
    >>> net = ActMLP("tanh", max_epochs=20, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(pipeline, f"{folder}/iris.skact")
    ...     loaded = load_model(f"{folder}/iris.skact")
    >>> bool((loaded.predict_proba(X) == pipeline.predict_proba(X)).all())
    True
    """
    _check_packages("save_model")
    path = _path_of(path)
    if isinstance(estimator, type) or not isinstance(estimator, BaseEstimator):
        best = " Save its best_estimator_." * hasattr(estimator, "best_estimator_")
        raise TypeError(
            f"save_model takes a fitted estimator, got {short_name(estimator)}.{best}"
        )
    check_is_fitted(estimator)
    if path.exists() and not is_model(path):
        if path.is_dir():
            raise IsADirectoryError(f"path must be a file, and {path} is a folder.")
        raise FileExistsError(
            f"{path} is there, and save_model did not write it: it would be lost. "
            f"Choose another name."
        )
    replace_file(path, _content_of(estimator))


def load_model(
    path: str | os.PathLike[str], *, trusted: Sequence[str | type] = ()
) -> Any:
    """Read an estimator that :func:`save_model` wrote. No code of the file is run.

    Classes are looked up in lists of names; a file that holds another name, or is
    damaged, raises an error. The estimator predicts, is cloned and fitted as the one
    that was saved, and ``partial_fit`` goes on where that one stood, bit for bit on the
    same machine and versions; but it has no callbacks. A net that was on a device that
    is not here comes to the CPU.

    Parameters
    ----------
    path : str or path
    trusted : sequence of str or type, default=()
        Classes and functions of your own that the estimator holds, or their names as
        in ``"my_package.transformers.Shorten"``. They are imported, and may run code:
        name only what you know. ``"sklearn.tree._tree.Tree"`` is needed for trees: a
        hostile one can crash the process.

    Returns
    -------
    estimator
        Fitted, as it was saved.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is no saved model, is damaged, is of a newer format, or holds types
        that are not trusted, which the message names.
    ImportError
        If safetensors or skops are missing: ``pip install "skact[deploy]"``.

    Warns
    -----
    SavedVersionWarning
        If the model was saved with another version of scikit-learn.

    See Also
    --------
    save_model : Write the file.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from skact import ActMLP
    >>> X, y = load_iris(return_X_y=True)
    >>> net = ActMLP(max_epochs=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(net, f"{folder}/iris.skact")
    ...     load_model(f"{folder}/iris.skact").n_iter_
    5
    """
    _check_packages("load_model")
    path = _path_of(path)
    names = _names_of(trusted)
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, and {path} is a folder.")
    try:
        return _estimator_in(path.read_bytes(), names)
    except NotTrustedError as error:
        raise ValueError(
            f"{path} holds types that are not trusted: {error}. If you know them, and "
            f"who made the file, pass load_model(path, trusted={error.types})."
        ) from error
    except _READING_ERRORS as error:
        text = f"{error}"[:500] or type(error).__name__
        raise ValueError(
            f"{path} is not a model as save_model writes it: {text}."
        ) from error


# ------------------------------------------------------------------ arguments


def _check_packages(function: str) -> None:
    for name in ("safetensors", "skops"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                f"{function} needs {name}, which is not installed: "
                f'pip install "skact[deploy]".'
            )


def _path_of(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path, got {short_name(path)}.")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:  # "" would be "."
        raise ValueError(f"path must be the name of a file, got {path!r}.")
    return Path(text)


def _names_of(trusted: Any) -> list[str]:
    is_list = isinstance(trusted, Iterable) and not isinstance(trusted, str | Mapping)
    if not is_list or not all(isinstance(one, str | type) for one in trusted):
        raise TypeError(
            f"trusted must be a list of types or of their names, got {trusted!r}."
        )
    return [
        one if isinstance(one, str) else f"{one.__module__}.{one.__qualname__}"
        for one in trusted
    ]


# ------------------------------------------------------------------ writing


def _content_of(estimator: Any) -> bytes:
    """Return the content of the file of an estimator, after it was read back."""
    nets = {
        id(one): (where, one)
        for where, one in walk(estimator, stop=(BaseNet,))
        if isinstance(one, BaseNet)
    }
    members: dict[str, bytes] = {}
    for (where, net), names in zip(
        nets.values(), names_of_nets(len(nets)), strict=True
    ):
        members |= zip(names, _written_net(where, net), strict=True)
    places = {one: NetPlace(i) for i, one in enumerate(nets)}
    parts = _written_parts(estimator, places)
    versions = {name: version(name) for name in _PACKAGES}
    versions["python"] = platform.python_version()
    head = head_of({"versions": versions, "n_nets": len(nets)})
    return pack({HEAD: head, _PARTS: parts, **members})


def _written_net(where: str, net: BaseNet) -> tuple[bytes, bytes]:
    """Return a net as record and tensors, from which the same net comes again."""
    name = f"{where} ({type(net).__name__})"
    try:
        written = _bytes_of_net(net)
        if _bytes_of_net(_net_in(*written)) != written:
            raise CannotSaveError("a part of it was changed after it was built.")
    except ValueError as error:
        raise ValueError(f"save_model cannot save {name}: {error}") from error
    return written


def _bytes_of_net(net: BaseNet) -> tuple[bytes, bytes]:
    from safetensors.numpy import save

    record, tensors = record_of(net)
    # safetensors keeps an order of its own
    return to_bytes(record), save({name: one.numpy() for name, one in tensors.items()})


def _written_parts(estimator: Any, places: dict[int, NetPlace]) -> bytes:
    """Return an estimator without its nets, from which the same comes again."""
    try:
        without_nets = replace_inside(estimator, places, (BaseNet,))
        content = write_parts(without_nets)
        types = types_to_trust(content)
    except Exception as error:  # of the user's classes
        raise ValueError(f"save_model cannot save the estimator: {error}") from error
    for one in missing_types(types):
        raise ValueError(
            f"save_model cannot save {_where_is(one, estimator)}: {one} has no name by "
            f"which it can be found again. Define it in a module."
        )
    different = first_difference(without_nets, read_parts(content, types))
    if different is not None:
        raise ValueError(
            f"save_model cannot save {different}: skops would read another value back."
        )
    return content


def _where_is(full_name: str, estimator: Any) -> str:
    """Return the way to the first object of this type, or to this function."""
    for where, found in walk(estimator, stop=(BaseNet,)):
        one = found if hasattr(found, "__name__") else type(found)
        if f"{one.__module__}.{one.__name__}" == full_name:
            return where
    return "the estimator"


# ------------------------------------------------------------------ reading


def _estimator_in(content: bytes, trusted: list[str]) -> Any:
    head = read_head(content)
    written, n_nets = head.get("format"), head.get("n_nets")
    if type(written) is int and written > FORMAT:
        raise ValueError(
            f"its format is {written}, and this version of skact knows {FORMAT}: "
            f"install a newer one"
        )
    if written != FORMAT or type(n_nets) is not int or not 0 <= n_nets <= len(content):
        raise ValueError(f"its {HEAD} gives the format {written!r:.100}")
    names = [*names_of_nets(n_nets)]
    expected = [HEAD, _PARTS, *(name for pair in names for name in pair)]
    members = unpack(content, expected)
    parts = read_parts(members[_PARTS], trusted)
    nets = [_net_in(members[record], members[tensors]) for record, tensors in names]
    _warn_of_version(head)
    places = {
        id(one): _net_at(one, nets)
        for _, one in walk(parts)
        if isinstance(one, NetPlace)
    }
    return replace_inside(parts, places)


def _net_in(record: bytes, tensors: bytes) -> BaseNet:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(tensors)
    except SafetensorError as error:
        raise ValueError(f"its tensors cannot be read ({error})") from error
    found = from_bytes(record)
    with torch.inference_mode(False):  # what is built in this mode cannot train
        return net_of(found, {k: torch.from_numpy(one) for k, one in arrays.items()})


def _net_at(place: NetPlace, nets: Sequence[BaseNet]) -> BaseNet:
    number = vars(place).get("number")
    if type(number) is not int or not 0 <= number < len(nets):
        raise ValueError(f"it has no net {number!r:.100}")
    return nets[number]


def _warn_of_version(head: Mapping[str, Any]) -> None:
    saved, here = head["versions"]["scikit-learn"], version("scikit-learn")
    if saved != here:
        warnings.warn(
            SavedVersionWarning(
                f"The model was saved with scikit-learn {saved!s:.50}, and {here} is "
                f"installed. It may fail, or predict other values: compare some "
                f"predictions with known ones, or fit it anew."
            ),
            stacklevel=4,
        )
