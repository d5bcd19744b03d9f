"""A label for each value of the compared columns, and how a sentence names values."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def labels_of_values(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the label of each row of a frame, by its values of some columns.

    A label is a string itself, and ``C=0.1`` for any other value. It names the column
    of strings, too, where these alone do not tell which columns they are of.
    """
    columns = [list(map(_plain, frame[name].tolist())) for name in names]
    rows = list(zip(*columns, strict=True))
    keys = [tuple((type(x), repr(x)) for x in row) for row in rows]
    tried = dict(zip(keys, rows, strict=True))
    named = len(names) > 1 and not _are_strings_of_their_own(columns)
    labels = {key: _label_of(row, names, named) for key, row in tried.items()}
    if len(set(labels.values())) < len(labels) and len(names) > 1:
        labels = {key: _label_of(row, names, True) for key, row in tried.items()}
    counts = Counter(labels.values())
    numbers = {label: itertools.count(1) for label, n in counts.items() if n > 1}
    for key, label in labels.items():
        if label in numbers:
            tries = (f"{label} #{n}" for n in numbers[label])
            labels[key] = next(one for one in tries if one not in counts)
    return [labels[key] for key in keys]


def quote_name(label: Any) -> str:
    """Quote a label that a sentence would take apart, such as "poly, degree=2"."""
    text = str(label)
    is_whole = text and not any(mark in text for mark in (",", ";", ":", " and "))
    return text if is_whole else f'"{text}"'


def join_with_and(parts: Sequence[str]) -> str:
    """Join parts of a sentence with commas and "and"."""
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _plain(value: Any) -> Any:
    """Return a number as Python's own, and None for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value


def _are_strings_of_their_own(columns: Sequence[Sequence[Any]]) -> bool:
    """Whether strings tell their columns: no row lacks one, or no two have a string.

    None, which may be a value of any column, tells none.
    """
    if not any(x is None for column in columns for x in column):
        return True
    strings = [{x for x in column if isinstance(x, str)} for column in columns]
    strings.append({"None"})
    return sum(map(len, strings)) == len(set().union(*strings))


def _label_of(row: Sequence[Any], names: Sequence[str], named: bool) -> str:
    """Return the label of one row, with the names of all its columns or of some."""
    present = [(n, x) for n, x in zip(names, row, strict=True) if x is not None]
    return ", ".join(
        x if isinstance(x, str) and not named else f"{n}={x}" for n, x in present
    )
