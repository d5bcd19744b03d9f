"""Files of checkpoints: their names, their head, and how they are replaced.

A file is of the format safetensors, whose head is JSON, and holds one fit after some
epochs. The head is read without torch. Nothing in a file is ever run.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
_ENDING = ".safetensors"
_DAMAGED = ".damaged"
# the name of the fit, its epochs, and whether they are all that it was to train
_PATTERN = re.compile(r"([0-9a-f]{40})-(\d+)(-part)?\.safetensors")
_MOST_BYTES_OF_HEAD = 100 * 2**20  # as safetensors itself allows


@dataclass(frozen=True)
class CheckpointFile:
    """A file of a fit.

    Parameters
    ----------
    path : Path
    name : str
        Of the fit.
    n_epochs : int
        Epochs that the fit had trained.
    is_part : bool
        Whether it was under way; then a later state replaces the file.
    """

    path: Path
    name: str
    n_epochs: int
    is_part: bool


def path_of(folder: Path, name: str, n_epochs: int, *, is_part: bool) -> Path:
    """Return where a fit after some epochs has its file."""
    return folder / name[:2] / f"{name}-{n_epochs}{'-part' * is_part}{_ENDING}"


def files_of(folder: Path, name: str) -> list[CheckpointFile]:
    """Return the files of one fit."""
    return [one for one in _files_in(folder / name[:2]) if one.name == name]


def files_in(folder: Path) -> Iterator[CheckpointFile]:
    """Yield all files of a folder of checkpoints."""
    with suppress(OSError):
        for inner in sorted(folder.iterdir()):
            yield from _files_in(inner)


def remnants_in(folder: Path) -> list[Path]:
    """Return damaged files, and what killed processes have left half written."""
    found = [*folder.glob(f"??/*{_DAMAGED}"), *folder.glob(f"??/.*{_ENDING}.*")]
    return sorted(found)


def _files_in(folder: Path) -> list[CheckpointFile]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:  # no such folder, or no folder
        return []
    found = ((name, _PATTERN.fullmatch(name)) for name in names)
    return [
        CheckpointFile(folder / name, match[1], int(match[2]), match[3] is not None)
        for name, match in found
        if match is not None
    ]


def replace_file(path: Path, content: bytes) -> None:
    """Write a file beside and rename it: whoever reads finds the old one or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException:  # Ctrl-C, too
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def note_use(path: Path) -> None:
    """Note that a file is of use: it is not among the first to be removed."""
    with suppress(OSError):
        os.utime(path)


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that nobody takes it for whole."""
    with suppress(OSError):
        path.replace(path.with_name(path.name + _DAMAGED))


def read_head(path: Path) -> dict[str, Any]:
    """Return what a file says of itself, without its tensors.

    Raises
    ------
    ValueError
        If the file is damaged.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return facts_of_head(parse_head(file.read(8), file.read))


def parse_head(first: bytes, read: Callable[[int], bytes]) -> dict[str, str]:
    """Return the texts in the head of a file, whose first eight bytes are its size."""
    size = int.from_bytes(first, "little")
    if len(first) < 8 or size > _MOST_BYTES_OF_HEAD:
        raise ValueError("it has no head")
    try:
        return dict(json.loads(read(size))["__metadata__"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("its head cannot be read") from error


def facts_of_head(head: dict[str, str]) -> dict[str, Any]:
    """Return what a head says of a fit."""
    try:
        facts = json.loads(head["skact"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("its head cannot be read") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    return facts


def digest_of(text: str, parts: Iterable[tuple[str, bytes]]) -> str:
    """Return the checksum of the text in a head, and of named parts."""
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name, content in parts:
        digest.update(f"{name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()
