"""Save the results of a search in a folder: tables as CSV, types as JSON. Load them."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skact.results.cv_results import (
    RESULT_NAME,
    Results,
    is_search_or_results,
    results_of,
    search_inside,
)
from skact.results.epochs import epochs_of_search, has_epochs

_RESULTS_FILE, _EPOCHS_FILE, _TYPES_FILE = "results.csv", "epochs.csv", "results.json"
_FORMAT = 1
# a string of Python may hold half of a surrogate pair, which plain UTF-8 refuses
_FILE_OPTIONS: Any = {"encoding": "utf-8", "errors": "surrogatepass", "newline": ""}
_TYPES = {"bool": bool, "int": int, "float": float, "str": str}


@dataclass(frozen=True)
class SavedResults:
    """Results from :func:`load_results`; functions of skact take them as a search.

    Attributes
    ----------
    cv_results_ : dict of str to array
        Results of the search; objects of the grid are replaced by their short names.
    refit : bool or str
        Parameter of the search; a string names the metric that ranks.
    search : str
        The class of the search, such as ``"GridSearchCV"``.
    estimator : str
        The class of the searched estimator, such as ``"ActMLP"``.
    epochs_ : dict of str to list, or None
        Columns of the training log; None if the search had no log.
    """

    cv_results_: dict[str, Any] = field(repr=False)
    refit: bool | str
    search: str
    estimator: str
    epochs_: dict[str, list[Any]] | None = field(default=None, repr=False)


def save_results(search: Any, folder: str | os.PathLike[str]) -> None:
    """Write the results of a search into a folder.

    The folder gets ``results.csv`` with a row for each candidate, ``results.json`` with
    the types, and ``epochs.csv`` with a row for each epoch of each fit if the net had a
    :class:`~skact.TrainingLog`. There is no pickle: to load results runs no code.

    Parameters
    ----------
    search : fitted search or dict
        Any search of scikit-learn, its ``cv_results_`` dict, or loaded results.
    folder : str or path
        Created if it does not exist. Results in it are replaced.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If `search` is not a fitted search; then nothing is written.

    See Also
    --------
    load_results : Read the results.

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
        isinstance(search, Mapping) and any(map(is_search_or_results, search.values()))
    ):
        raise TypeError(
            "save_results takes one search: save each into a folder of its own; "
            "to_frame and to_hiplot take a list or dict of what load_results gives."
        )
    search = search_inside(search)
    results = results_of([search])
    columns = {
        key: _scalars_of_column(results, key)
        for key in results.columns
        if key != "params"
    }
    epochs = epochs_of_search(search, results) if has_epochs(search, results) else None
    about = {
        "format": _FORMAT,
        "search": _class_name_of(search, "search"),
        "estimator": _class_name_of(search, "estimator"),
        "refit": _refit_of(search),
        "columns": {key: _type_name_of(cells) for key, cells in columns.items()},
        "epochs": None
        if epochs is None
        else {k: _type_name_of(v) for k, v in epochs.items()},
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        _RESULTS_FILE: _csv_text_of(columns),
        _TYPES_FILE: json.dumps(about, indent=1) + "\n",
    }
    if epochs is not None:
        written[_EPOCHS_FILE] = _csv_text_of(epochs)
    for name, text in written.items():
        with (folder / (name + ".part")).open("w", **_FILE_OPTIONS) as file:
            file.write(text)
    for name in written:  # all new files are complete before the first old file goes
        (folder / (name + ".part")).replace(folder / name)
    if epochs is None:  # epochs of the results before
        (folder / _EPOCHS_FILE).unlink(missing_ok=True)


def _csv_text_of(columns: Mapping[str, Sequence[Any]]) -> str:
    cells = [
        _texts_of_cells(column, _type_name_of(column)) for column in columns.values()
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def load_results(folder: str | os.PathLike[str]) -> SavedResults:
    """Read results that :func:`save_results` wrote.

    Parameters
    ----------
    folder : str or path

    Returns
    -------
    SavedResults
        :func:`~skact.to_frame` and :func:`~skact.to_hiplot` return the same for these
        results as for the search.

    Raises
    ------
    FileNotFoundError
        If the folder holds no results.
    ValueError
        If the files are not as `save_results` writes them.

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
    missing = [
        name for name in (_RESULTS_FILE, _TYPES_FILE) if not (folder / name).is_file()
    ]
    if missing:
        raise FileNotFoundError(
            f"{folder} holds no saved results: there is no {' and no '.join(missing)}. "
            f"save_results(search, folder) writes them."
        )
    try:
        about = json.loads((folder / _TYPES_FILE).read_text(encoding="utf-8"))
        if about["format"] != _FORMAT:
            raise ValueError(f"format {about['format']!r} is not {_FORMAT}")
        columns = {
            key: _make_array(
                cells, about["columns"][key], gaps_are_nan=_is_score_or_time(key)
            )
            for key, cells in _read_csv(
                folder / _RESULTS_FILE, about["columns"]
            ).items()
        }
        columns["params"] = _params_of(columns)
        epochs = about["epochs"] and _read_csv(folder / _EPOCHS_FILE, about["epochs"])
        names = about["refit"], about["search"], about["estimator"]
        return SavedResults(columns, *names, epochs_=epochs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder} does not hold results as save_results writes them: {error}."
        ) from error


def _scalars_of_column(results: Results, key: str) -> list[Any]:
    """Return a column as scalars of Python; None where a value is missing."""
    if key.startswith("param_") or key in results.other_keys:
        return results.values_of(key)
    return results.numbers_of(key)


def _type_name_of(cells: Sequence[Any]) -> str:
    """Return the type that all cells have; "json" if the types differ."""
    kinds = {type(cell) for cell in cells if cell is not None}
    for name, kind in _TYPES.items():
        # an empty cell of the CSV means a missing value, not an empty string
        if kinds == {kind} and "" not in cells:
            return name
    return "json" if kinds else "float"


def _texts_of_cells(cells: Sequence[Any], kind: str) -> list[str]:
    write = {"json": json.dumps, "float": repr}.get(kind, str)
    return ["" if cell is None else write(cell) for cell in cells]


def _is_score_or_time(key: str) -> bool:
    return RESULT_NAME.fullmatch(key) is not None


def _read_csv(path: Path, kinds: Mapping[str, str]) -> dict[str, list[Any]]:
    """Read columns of given types; None where a value is missing."""
    with path.open(**_FILE_OPTIONS) as file:
        header, *rows = csv.reader(file)
    if header != list(kinds):
        raise ValueError(f"{path.name} and {_TYPES_FILE} name different columns")
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return {
        key: [None if text == "" else _parse_cell(text, kinds[key]) for text in texts]
        for key, texts in zip(header, columns, strict=True)
    }


def _parse_cell(text: str, kind: str) -> Any:
    if kind == "bool":
        return {"True": True, "False": False}[text]
    return json.loads(text) if kind == "json" else _TYPES[kind](text)


def _make_array(cells: Sequence[Any], kind: str, *, gaps_are_nan: bool) -> Any:
    """Build the array that scikit-learn builds for such cells."""
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


def _class_name_of(search: Any, which: str) -> str:
    kept = getattr(search, which, None)
    if isinstance(kept, str):  # these are loaded results, saved again
        return kept
    found = search if which == "search" else kept
    if found is None or isinstance(search, Mapping):
        return "results"
    steps = getattr(found, "steps", None)
    return type(steps[-1][1] if isinstance(steps, list) and steps else found).__name__


def _refit_of(search: Any) -> bool | str:
    refit = getattr(search, "refit", False)
    return refit if isinstance(refit, str) else bool(refit)
