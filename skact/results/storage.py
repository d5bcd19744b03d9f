"""Results of a search in a folder: a CSV that anything reads, and JSON for types."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skact.results.cv_results import RESULT_NAME, Results, has_results, results_of
from skact.results.epochs import epochs_of_search, knows_epochs

_TABLE, _EPOCHS, _ABOUT = "results.csv", "epochs.csv", "results.json"
_FORMAT = 1
# strings of Python may hold halves of characters, which no encoding has
_TEXT: Any = {"encoding": "utf-8", "errors": "surrogatepass", "newline": ""}
_KINDS = {"bool": bool, "int": int, "float": float, "str": str}


@dataclass(frozen=True)
class SavedResults:
    """What :func:`load_results` gives; whatever takes a search takes it.

    Attributes
    ----------
    cv_results_ : dict of str to array
        As the search had it, but that objects in the grid are strings, their short
        names.
    refit : bool or str
        As the search had it: it names the metric that ranks.
    search : str
        The class of the search, such as ``"GridSearchCV"``.
    estimator : str
        The class of what was searched, such as ``"ActMLP"``.
    epochs_ : dict of str to list, or None
        The training log, a cell for each epoch of each fit; None if there was none.
    """

    cv_results_: dict[str, Any] = field(repr=False)
    refit: bool | str
    search: str
    estimator: str
    epochs_: dict[str, list[Any]] | None = field(default=None, repr=False)


def save_results(search: Any, folder: str | os.PathLike[str]) -> None:
    """Write the results of a search into a folder, to look at them later.

    The folder gets ``results.csv``, a row a candidate, ``epochs.csv`` if a
    :class:`~skact.TrainingLog` was set on the net, a row for each epoch of each fit,
    and ``results.json``, which keeps the types. No pickle: opening the results of
    others runs nothing.

    Parameters
    ----------
    search : fitted search or dict
        Any search of scikit-learn, its ``cv_results_`` dict, or loaded results.
    folder : str or path
        Made if it is not there. Results that it holds are replaced.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If that is not a fitted search; nothing is written then.

    See Also
    --------
    load_results : Read them.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.svm import SVC
    >>> search = GridSearchCV(SVC(), {"C": [0.1, 1.0]}).fit(*load_iris(return_X_y=True))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_results(search, folder)
    ...     load_results(folder).cv_results_["param_C"].tolist()
    [0.1, 1.0]
    """
    if isinstance(search, list | tuple) or (
        isinstance(search, Mapping) and any(map(has_results, search.values()))
    ):
        raise TypeError(
            "save_results takes one search: save each into a folder of its own; "
            "to_frame and to_hiplot take a list or dict of what load_results gives."
        )
    results = results_of([search])
    columns = {key: _plain(results, key) for key in results.columns if key != "params"}
    epochs = (
        epochs_of_search(search, results) if knows_epochs(search, results) else None
    )
    about = {
        "format": _FORMAT,
        "search": _class_of(search, "search"),
        "estimator": _class_of(search, "estimator"),
        "refit": _refit_of(search),
        "columns": {key: _kind(cells) for key, cells in columns.items()},
        "epochs": None if epochs is None else {k: _kind(v) for k, v in epochs.items()},
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {_TABLE: _csv(columns), _ABOUT: json.dumps(about, indent=1) + "\n"}
    if epochs is not None:
        written[_EPOCHS] = _csv(epochs)
    for name, text in written.items():
        with (folder / (name + ".part")).open("w", **_TEXT) as file:
            file.write(text)
    for name in written:  # all are whole before one replaces another
        (folder / (name + ".part")).replace(folder / name)
    if epochs is None:  # of what was saved here before
        (folder / _EPOCHS).unlink(missing_ok=True)


def _csv(columns: Mapping[str, Sequence[Any]]) -> str:
    cells = [_written(column, _kind(column)) for column in columns.values()]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def load_results(folder: str | os.PathLike[str]) -> SavedResults:
    """Read what :func:`save_results` wrote.

    Parameters
    ----------
    folder : str or path

    Returns
    -------
    SavedResults
        :func:`~skact.to_frame` and :func:`~skact.to_hiplot` take it as they take the
        search, and give the same.

    Raises
    ------
    FileNotFoundError
        If the folder holds no results.
    ValueError
        If its files are not as `save_results` writes them.

    Examples
    --------
    >>> import tempfile
    >>> results = {"mean_test_score": [0.9, 0.8], "rank_test_score": [1, 2]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_results(results, folder)
    ...     load_results(folder).cv_results_["mean_test_score"]
    array([0.9, 0.8])
    """
    folder = Path(folder)
    missing = [name for name in (_TABLE, _ABOUT) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} holds no saved results: there is no {' and no '.join(missing)}. "
            f"save_results(search, folder) writes them."
        )
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']!r} is not {_FORMAT}")
        columns = {
            key: _array(cells, about["columns"][key], gaps_are_nan=_is_score(key))
            for key, cells in _read(folder / _TABLE, about["columns"]).items()
        }
        columns["params"] = _params_of(columns)
        epochs = about["epochs"] and _read(folder / _EPOCHS, about["epochs"])
        names = about["refit"], about["search"], about["estimator"]
        return SavedResults(columns, *names, epochs_=epochs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder} does not hold results as save_results writes them: {error}."
        ) from error


def _plain(results: Results, key: str) -> list[Any]:
    """Turn a column into scalars of Python; None is what is missing."""
    if key.startswith("param_") or key in results.others:
        return results.values(key)
    return results.numbers(key)


def _kind(cells: Sequence[Any]) -> str:
    """Name the type that all cells have; "json" where they differ."""
    kinds = {type(cell) for cell in cells if cell is not None}
    for name, kind in _KINDS.items():
        # an empty string in a CSV is what is missing
        if kinds == {kind} and "" not in cells:
            return name
    return "json" if kinds else "float"


def _written(cells: Sequence[Any], kind: str) -> list[str]:
    write = {"json": json.dumps, "float": repr}.get(kind, str)
    return ["" if cell is None else write(cell) for cell in cells]


def _is_score(key: str) -> bool:
    return RESULT_NAME.fullmatch(key) is not None


def _read(path: Path, kinds: Mapping[str, str]) -> dict[str, list[Any]]:
    """Read columns of these kinds; None is what is missing."""
    with path.open(**_TEXT) as file:
        header, *rows = csv.reader(file)
    if header != list(kinds):
        raise ValueError(f"{path.name} and {_ABOUT} name different columns")
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return {
        key: [None if text == "" else _cell(text, kinds[key]) for text in texts]
        for key, texts in zip(header, columns, strict=True)
    }


def _cell(text: str, kind: str) -> Any:
    if kind == "bool":
        return {"True": True, "False": False}[text]
    return json.loads(text) if kind == "json" else _KINDS[kind](text)


def _array(cells: Sequence[Any], kind: str, *, gaps_are_nan: bool) -> Any:
    """Make the array that scikit-learn would have made."""
    mask = np.array([cell is None for cell in cells], dtype=bool)
    values = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):
        values[i] = cell
    if gaps_are_nan and kind in ("float", "int") and mask.any():
        return np.array([np.nan if v is None else v for v in values], dtype=float)
    if mask.any():
        return np.ma.MaskedArray(values, mask=mask)
    fits = kind != "int" or max(map(abs, values), default=0) < 2**63
    return values.astype(kind) if kind in ("float", "int", "bool") and fits else values


def _params_of(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    results = {key: cells for key, cells in columns.items() if key.startswith("param_")}
    n_rows = len(next(iter(columns.values())))
    masks = {key: np.ma.getmaskarray(cells) for key, cells in results.items()}
    return [
        {
            key.removeprefix("param_"): np.ma.getdata(cells)[i]
            for key, cells in results.items()
            if not masks[key][i]
        }
        for i in range(n_rows)
    ]


def _class_of(search: Any, which: str) -> str:
    kept = getattr(search, which, None)
    if isinstance(kept, str):  # loaded results are saved again
        return kept
    found = search if which == "search" else kept
    if found is None or isinstance(search, Mapping):
        return "results"
    steps = getattr(found, "steps", None)
    return type(steps[-1][1] if isinstance(steps, list) and steps else found).__name__


def _refit_of(search: Any) -> bool | str:
    refit = getattr(search, "refit", False)
    return refit if isinstance(refit, str) else bool(refit)
