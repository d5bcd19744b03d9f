"""The data of the benchmarks: bundled with scikit-learn, or found in SKACT_DATA."""

import gzip
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
)

HOW_TO_GET_MNIST = (
    "SKACT_DATA must name a folder that holds mnist/train-images-idx3-ubyte.gz, "
    "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
    "t10k-labels-idx1-ubyte.gz, as published by MNIST's authors: "
    "torchvision.datasets.MNIST(folder, download=True) fetches them into MNIST/raw."
)
HOW_TO_GET_TABLES = (
    "SKACT_DATA must name a folder with tabular/datasets.json, which tells of each "
    'table: {"adult": {"file": "adult.csv.gz", "task": "binary" (or "multiclass", '
    '"regression"), "target": "income", "categorical": ["workclass", ...]}, ...}; the '
    "CSV files lie beside it, with a header line. UCI (archive.ics.uci.edu) and OpenML "
    "(fetch_openml) have them."
)


class MissingData(Exception):
    """The data are not there; the message says how to get them."""


def data_folder(part: str, how: str) -> Path:
    folder = os.environ.get("SKACT_DATA")
    if folder is None or not (Path(folder) / part).is_dir():
        raise MissingData(how)
    return Path(folder) / part


def digits(dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """1,797 x 64, raw pixels from 0 to 16."""
    X, y = load_digits(return_X_y=True)
    return X.astype(dtype), y.astype(np.int64)


def mnist(part: str = "train", dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """60,000 (train) or 10,000 (t10k) x 784, standardised over all training pixels."""
    folder = data_folder("mnist", HOW_TO_GET_MNIST)
    arrays = []
    for name, header in ((f"{part}-images-idx3", 16), (f"{part}-labels-idx1", 8)):
        path = folder / f"{name}-ubyte.gz"
        if not path.is_file():
            raise MissingData(HOW_TO_GET_MNIST)
        raw = gzip.decompress(path.read_bytes())
        arrays.append(np.frombuffer(raw, np.uint8, offset=header))
    pixels, labels = arrays
    # mean and deviation of the training pixels, which the notebook takes
    X = pixels.reshape(len(labels), -1).astype(dtype)
    return (X - 33.318421) / 78.567492, labels.astype(np.int64)


class Table(NamedTuple):
    """One table: numbers throughout, categories as codes."""

    X: np.ndarray
    y: np.ndarray
    categorical: list[int]  # which columns hold codes
    task: str  # "classes" or "numbers"


def bundled_tables() -> dict[str, Table]:
    """Small tables for a quick run."""
    loads = {
        "breast_cancer": (load_breast_cancer, "classes"),
        "digits": (load_digits, "classes"),
        "diabetes": (load_diabetes, "numbers"),
    }
    return {
        name: Table(*load(return_X_y=True), [], task)
        for name, (load, task) in loads.items()
    }


class Frame(NamedTuple):
    """One table as people have it: words as words, gaps as gaps."""

    X: pd.DataFrame
    y: np.ndarray
    categorical: list[str]
    task: str  # "classes" or "numbers"


def frame(name: str) -> Frame:
    """One table of SKACT_DATA, as it is in its file."""
    about, data = _read_table(name)
    task = "numbers" if about["task"] == "regression" else "classes"
    X = data.drop(columns=about["target"])
    for column in about["categorical"]:
        X[column] = X[column].astype(object)
    return Frame(X, data[about["target"]].to_numpy(), about["categorical"], task)


def bundled_frames() -> dict[str, Frame]:
    """Small frames for a quick run."""
    loads = {"wine": (load_wine, "classes"), "diabetes": (load_diabetes, "numbers")}
    found = {}
    for name, (load, task) in loads.items():
        X, y = load(return_X_y=True, as_frame=True)
        found[name] = Frame(X, y.to_numpy(), [], task)
    return found


def table(name: str) -> Table:
    """One table of SKACT_DATA."""
    about, data = _read_table(name)
    return as_numbers(
        data.drop(columns=about["target"]),
        data[about["target"]],
        about["categorical"],
        "numbers" if about["task"] == "regression" else "classes",
    )


def _read_table(name: str) -> tuple[dict, pd.DataFrame]:
    folder = data_folder("tabular", HOW_TO_GET_TABLES)
    about = json.loads((folder / "datasets.json").read_text()).get(name)
    if about is None or not (folder / about["file"]).is_file():
        raise MissingData(f"no table {name!r} in SKACT_DATA. {HOW_TO_GET_TABLES}")
    return about, pd.read_csv(folder / about["file"])


def as_numbers(
    frame: pd.DataFrame, target: pd.Series, categorical: list[str], task: str
) -> Table:
    """Give categories and classes codes once, where each fit would handle strings.

    A missing category becomes a category of its own (-1), a missing number stays NaN.
    """
    columns = [
        pd.Categorical(frame[name]).codes if name in categorical else frame[name]
        for name in frame
    ]
    X = np.column_stack([np.asarray(column, np.float64) for column in columns])
    where = [i for i, name in enumerate(frame) if name in categorical]
    y = pd.Categorical(target).codes if task == "classes" else target
    kind = np.int64 if task == "classes" else np.float64
    return Table(X, np.asarray(y, kind), where, task)
