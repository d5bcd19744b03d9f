"""Save the results of a search in a folder, as one JSON file, and load them.

``results.json`` is the one file that is read, and it is replaced at once, so no death
and no second writer can mix two results. The CSV files are copies for other programs.
"""

import csv
import hashlib
import io
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skact.naming import short_name
from skact.results.cv_results import (
    Results,
    is_search_or_results,
    results_of,
    search_inside,
)
from skact.results.cv_results_frames import refuse_dict_of_dicts
from skact.results.epochs import epochs_of_search, has_epochs
from skact.results.result_names import RESULT_NAME
from skact.results.splitter_facts import facts_of, splitter_of_facts

_TABLE_FILE, _EPOCHS_FILE, RESULTS_FILE = "results.csv", "epochs.csv", "results.json"
_FORMAT = 2
_OLD_FORMAT = 1  # the CSV files held the cells, and results.json only their types
# a string of Python may hold half of a surrogate pair, which plain UTF-8 refuses
_FILE_OPTIONS: Any = {"encoding": "utf-8", "errors": "surrogatepass", "newline": ""}
# what broken or hostile files raise when they are read
_READING_ERRORS = (
    *(ValueError, KeyError, TypeError, AttributeError, ArithmeticError),
    *(RecursionError, OSError, csv.Error),
)
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
    splitter_ : dict or None
        The settings of a splitter of scikit-learn, which :func:`~skact.compare` reads.
    """

    cv_results_: dict[str, Any] = field(repr=False)
    refit: bool | str
    search: str
    estimator: str
    epochs_: dict[str, list[Any]] | None = field(default=None, repr=False)
    splitter_: dict[str, Any] | None = field(default=None, repr=False)


def save_results(search: Any, folder: str | os.PathLike[str]) -> None:
    """Write the results of a search into a folder.

    The folder gets ``results.json``, which `load_results` reads, and copies of its
    tables for other programs: ``results.csv`` with a row for each candidate, and
    ``epochs.csv`` with a row for each epoch of each fit if the net had a
    :class:`~skact.TrainingLog`. There is no pickle: to load results runs no code.

    ``results.json`` is replaced at once: if the process dies, if the disk is full, or
    if several processes save and load, it holds the results of one call, whole.

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
    OSError
        If the folder cannot be written.

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
    refuse_dict_of_dicts(search)
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
    content = {
        "search": _class_name_of(search, "search"),
        "estimator": _class_name_of(search, "estimator"),
        "refit": _refit_of(search),
        "columns": columns,
        "epochs": epochs,
        "splitter": facts_of(search),
    }
    saved = {"format": _FORMAT, "sha256": _checksum_of(content), "content": content}
    text = json.dumps(saved) + "\n"
    folder = _path_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _check_copies_are_ours(folder)
    _replace_files(folder, {RESULTS_FILE: text, **_copies_of(content)})
    # if another process saved meanwhile, the copies have to be those of its results
    while (latest := _read_text(folder / RESULTS_FILE)) != text:
        text = latest
        saved = json.loads(text)
        if saved.get("format") != _FORMAT:
            return
        _replace_files(folder, _copies_of(saved["content"]))


def _path_of(folder: Any) -> Path:
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path, got {short_name(folder)}.")
    text = os.fspath(folder)
    if not isinstance(text, str) or not text or "\0" in text:  # "" would be "."
        raise ValueError(f"folder must be the name of a folder, got {folder!r}.")
    path = Path(text)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # no file can have such a name
        is_file = False
    if is_file and path.name != RESULTS_FILE:
        raise NotADirectoryError(f"folder must be a folder, and {path} is a file.")
    # the file stands for its folder, also before it is there
    names_file = path.name == RESULTS_FILE and not path.is_dir()
    return path.parent if names_file else path


def _check_copies_are_ours(folder: Path) -> None:
    """Refuse to write over a file of the user's, or to remove it."""
    names = RESULTS_FILE, _TABLE_FILE, _EPOCHS_FILE
    # looked for first: another process may write its results.json, then the copies
    present = [name for name in names if (folder / name).is_file()]
    saved: Any = None
    with suppress(OSError, ValueError, RecursionError):  # a damaged file may be ours
        saved = json.loads(_read_text(folder / RESULTS_FILE))
    is_known = isinstance(saved, dict) and "format" in saved
    ours = set(names)
    if not (folder / RESULTS_FILE).exists() or not (saved is None or is_known):
        ours = set()
    elif is_known and saved["format"] == _FORMAT:
        content = saved.get("content")
        if isinstance(content, dict) and content.get("epochs") is None:
            ours.discard(_EPOCHS_FILE)
    for name in present:
        if name not in ours:
            raise FileExistsError(
                f"{folder / name} is there, and save_results did not write it: it "
                f"would be lost. Choose another folder."
            )


def _checksum_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _copies_of(content: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the CSV files of results; None: there is no such file."""
    epochs = content["epochs"]
    return {
        _TABLE_FILE: _csv_text_of(content["columns"]),
        _EPOCHS_FILE: None if epochs is None else _csv_text_of(epochs),
    }


def _replace_files(folder: Path, texts: Mapping[str, str | None]) -> None:
    """Replace each file at once, after all texts are on the disk."""
    parts: dict[str, Path] = {}
    try:
        for name, text in texts.items():
            if (folder / name).is_dir():
                raise IsADirectoryError(f"{folder / name} is a folder.")
            if text is None:
                continue
            part = folder / f".{name}.{secrets.token_hex(8)}.part"
            # "x" opens a new file, and no link that somebody put there
            with part.open("x", **_FILE_OPTIONS) as file:
                parts[name] = part
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for name in texts:
            if name in parts:
                parts[name].replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


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
    FileNotFoundError, NotADirectoryError
        If the folder holds no results, or is a file.
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
    folder = _path_of(folder)
    try:
        is_there = (folder / RESULTS_FILE).is_file()
    except (OSError, ValueError):  # no file can have such a name
        is_there = False
    if not is_there:
        raise FileNotFoundError(
            f"{_shorten(folder)} holds no saved results: there is no {RESULTS_FILE}. "
            f"save_results(search, folder) writes it."
        )
    try:
        saved = json.loads(_read_text(folder / RESULTS_FILE))
        if not (isinstance(saved, dict) and "format" in saved):
            raise ValueError("it is JSON of another kind")
        content = _read_content(folder, saved)
        columns = {
            key: _make_array(cells, gaps_are_nan=_is_score_or_time(key))
            for key, cells in content["columns"].items()
        }
        columns["params"] = _params_of(columns)
        names = content["refit"], content["search"], content["estimator"]
        found = SavedResults(
            columns, *names, content["epochs"], content.get("splitter")
        )
        _check_numbers(results_of([found]))
        return found
    except _READING_ERRORS as error:
        raise ValueError(
            f"{_shorten(folder)} does not hold results as save_results writes them: "
            f"{_shorten(error)}."
        ) from error


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


def _read_content(folder: Path, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was saved, after a check of its sum and its form."""
    if saved["format"] == _OLD_FORMAT:
        content = dict(saved)
        content["columns"] = _read_csv(folder / _TABLE_FILE, saved["columns"])
        if saved["epochs"] is not None:
            content["epochs"] = _read_csv(folder / _EPOCHS_FILE, saved["epochs"])
    elif saved["format"] == _FORMAT:
        content = saved["content"]
        if saved["sha256"] != _checksum_of(content):
            raise ValueError(f"{RESULTS_FILE} was changed: its checksum is another")
    else:
        raise ValueError(
            f"format {saved['format']!r} is neither {_OLD_FORMAT} nor {_FORMAT}"
        )
    _check_columns(content["columns"])
    if content["epochs"] is not None:
        _check_columns(content["epochs"])
        if not {"candidate", "fold", "epoch"} <= content["epochs"].keys():
            raise ValueError("epochs have no columns 'candidate', 'fold', 'epoch'")
    if not all(isinstance(content[key], str) for key in ("search", "estimator")):
        raise ValueError("'search' and 'estimator' are no strings")
    if not isinstance(content["refit"], bool | str):
        raise ValueError("'refit' is neither a boolean nor a string")
    splitter_of_facts(content.get("splitter"))  # raises an error; old files have none
    return content


def _check_columns(columns: Mapping[str, Any]) -> None:
    """Raise ValueError if columns are not lists of scalars of one length."""
    kinds = {*_TYPES.values(), type(None)}
    for key, cells in columns.items():
        if not isinstance(cells, list) or not set(map(type, cells)) <= kinds:
            raise ValueError(f"column {key!r} is no list of scalars")
    if len(set(map(len, columns.values()))) != 1:
        raise ValueError("there are no columns, or they have different lengths")


def _check_numbers(results: Results) -> None:
    """Raise an error if scores, times or rounds are no numbers."""
    for key, cells in results.columns.items():
        if _is_score_or_time(key) or key == results.rounds_key:
            if {str, bool} & set(map(type, cells)):
                raise ValueError(f"column {key!r} must hold numbers")
            results.numbers_of(key)


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
        raise ValueError(f"{path.name} and {RESULTS_FILE} name different columns")
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return {
        key: [None if text == "" else _parse_cell(text, kinds[key]) for text in texts]
        for key, texts in zip(header, columns, strict=True)
    }


def _parse_cell(text: str, kind: str) -> Any:
    if kind == "bool":
        return {"True": True, "False": False}[text]
    return json.loads(text) if kind == "json" else _TYPES[kind](text)


def _make_array(cells: Sequence[Any], *, gaps_are_nan: bool) -> Any:
    """Build the array that scikit-learn builds for such cells."""
    kind = _type_name_of(cells)
    mask = np.array([cell is None for cell in cells], dtype=bool)
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    if gaps_are_nan and kind in ("float", "int") and mask.any():
        return np.array([np.nan if v is None else v for v in values], dtype=float)
    if mask.any():
        return np.ma.MaskedArray(values, mask=mask)
    fits = kind != "int" or max(map(abs, values), default=0) < 2**63
    return values.astype(kind) if kind in ("float", "int", "bool") and fits else values


def _params_of(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    results = {key: cells for key, cells in columns.items() if key.startswith("param_")}
    masks = {key: np.ma.getmaskarray(cells) for key, cells in results.items()}
    return [
        {
            key.removeprefix("param_"): np.ma.getdata(cells)[i]
            for key, cells in results.items()
            if not masks[key][i]
        }
        for i in range(len(next(iter(columns.values()))))
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
