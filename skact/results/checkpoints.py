"""What a folder of checkpoints holds, and emptying it."""

import time
from contextlib import suppress
from datetime import timedelta
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from skact.resuming.checkpoint_files import (
    CheckpointFile,
    files_in,
    read_head,
    remnants_in,
)

_COLUMNS = ("state", "network", "epochs", "max_epochs", "train_loss", "seconds", "used")
# a file beside another that is being written is no remnant yet
_SECONDS_OF_WRITING = 3600


def checkpoints(folder: str | PathLike) -> pd.DataFrame:
    """List the fits in a folder of ``fused(checkpoint=folder)``.

    Parameters
    ----------
    folder : str or path

    Returns
    -------
    DataFrame
        A row for each file, the latest first: ``state``, "ended", "under way" or
        "damaged"; ``network`` and how it trains, in words; ``epochs`` that are in the
        file, of ``max_epochs``; ``train_loss`` of the last epoch; ``seconds`` of
        training; ``used``, when the file was written or restored last (UTC); ``bytes``;
        ``fit``, the name that fits share which give the same numbers; ``file``.

    Raises
    ------
    ValueError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> import skact
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> folder = tempfile.mkdtemp()
    >>> net = skact.ActMLP(max_epochs=3, random_state=0)
    >>> with skact.fused(checkpoint=folder):
    ...     _ = cross_val_score(net, *load_iris(return_X_y=True), cv=5)
    >>> found = skact.checkpoints(folder)
    >>> found[["state", "epochs"]].drop_duplicates().to_numpy().tolist(), len(found)
    ([['ended', 3]], 5)
    """
    path = _checked(folder)
    rows = [_row_of(file) for file in files_in(path)]
    rows += [
        {"state": "damaged", **_facts_of_file(one)}
        for one in remnants_in(path)
        if one.suffix == ".damaged"
    ]
    frame = pd.DataFrame(
        [row for row in rows if row], columns=[*_COLUMNS, "bytes", "fit", "file"]
    )
    frame = frame.astype({"epochs": "Int64", "max_epochs": "Int64"})
    frame["used"] = pd.to_datetime(frame["used"], unit="s", utc=True)
    return frame.sort_values("used", ascending=False, ignore_index=True)


def reduce_checkpoints(
    folder: str | PathLike,
    *,
    bytes_limit: int | None = None,
    age_limit: timedelta | None = None,
) -> int:
    """Remove files from a folder of checkpoints, the longest unused first.

    As ``joblib.Memory.reduce_size``. Damaged files, and what killed processes have left
    half written, are removed always.

    Parameters
    ----------
    folder : str or path
    bytes_limit : int or None, default=None
        Most bytes of the files that stay; 0 removes all. None: any size.
    age_limit : datetime.timedelta or None, default=None
        Files that were written or restored longer ago are removed. None: any age.

    Returns
    -------
    int
        Number of files that were removed.

    Raises
    ------
    ValueError
        If there is no such folder, or a limit is not allowed.

    Examples
    --------
    >>> import tempfile
    >>> import skact
    >>> folder = tempfile.mkdtemp()
    >>> with skact.fused(checkpoint=folder):
    ...     _ = skact.ActMLP(max_epochs=1, random_state=0).fit([[0.0], [1.0]], [0, 1])
    >>> skact.reduce_checkpoints(folder, bytes_limit=10**9)
    0
    >>> skact.reduce_checkpoints(folder, bytes_limit=0)
    1
    """
    path = _checked(folder)
    if bytes_limit is not None and (
        not isinstance(bytes_limit, Integral)
        or isinstance(bytes_limit, bool)
        or bytes_limit < 0
    ):
        raise ValueError(
            f"bytes_limit must be None or an integer of at least 0, "
            f"got {bytes_limit!r}."
        )
    if age_limit is not None and (
        not isinstance(age_limit, timedelta) or age_limit < timedelta(0)
    ):
        raise ValueError(
            f"age_limit must be None or a datetime.timedelta of at least 0, "
            f"got {age_limit!r}."
        )
    now, size, removed = time.time(), 0, 0
    files = [_facts_of_file(file.path) for file in files_in(path)]
    for facts in sorted(filter(None, files), key=lambda one: -one["used"]):
        size += facts["bytes"]
        is_old = age_limit and now - facts["used"] > age_limit.total_seconds()
        if is_old or (bytes_limit is not None and size > bytes_limit):
            removed += _remove(Path(facts["file"]))
    for remnant in remnants_in(path):
        facts = _facts_of_file(remnant)
        is_new = facts and now - facts["used"] < _SECONDS_OF_WRITING
        if remnant.suffix == ".damaged" or not is_new:
            removed += _remove(remnant)
    return removed


def _checked(folder: Any) -> Path:
    if not isinstance(folder, str | PathLike) or not Path(folder).is_dir():
        raise ValueError(
            f"folder must be one of fused(checkpoint=folder), got {folder!r}, "
            f"which is none."
        )
    return Path(folder)


def _row_of(file: CheckpointFile) -> dict[str, Any]:
    facts = _facts_of_file(file.path)
    if not facts:
        return {}
    try:
        head = read_head(file.path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"fit": file.name, "state": "damaged", **facts}
    known = ("network", "max_epochs", "train_loss", "seconds")
    return {
        "fit": file.name,
        "state": "under way" if file.is_part else "ended",
        "epochs": file.n_epochs,
        **{name: head.get(name) for name in known},
        **facts,
    }


def _facts_of_file(path: Path) -> dict[str, Any]:
    """Return time, size and path of a file; nothing if it has gone meanwhile."""
    try:
        found = path.stat()
    except OSError:
        return {}
    return {"used": found.st_mtime, "bytes": found.st_size, "file": str(path)}


def _remove(path: Path) -> int:
    with suppress(OSError):
        path.unlink()
        return 1
    return 0
