"""Groups of the displays: which column makes them, and what they are called."""

from collections.abc import Iterable, Sequence

import pandas as pd

from skact.results.schema import MODEL

# the first of these columns that varies makes the groups, unless the user names one
PREFERRED_GROUPS = ("activation", MODEL, "hidden", "width", "depth", "lr")


def as_list(names: str | Iterable[str]) -> list[str]:
    """Return one or several names as a list."""
    return [names] if isinstance(names, str) else list(names)


def check_column_names(name: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError if an option names a column that does not exist."""
    for column in wanted:
        if column not in known:
            hint = "; fold_* are there with log.scorer() in the search"
            raise ValueError(
                f"{name} must name some of {list(known)!r}; got {column!r}"
                f"{hint * str(column).startswith('fold_')}."
            )


def describe_row(row: pd.Series, names: Sequence[str]) -> str:
    """Describe the values of a row; activations and models need no column name."""
    parts = []
    for name in names:
        value = row[name]
        if pd.isna(value):  # the candidate's grid does not have it
            continue
        if isinstance(value, float):
            value = f"{value:.3g}"
        is_name = isinstance(value, str) and name in ("activation", MODEL)
        parts.append(value if is_name else f"{name}={value}")
    return ", ".join(parts)
