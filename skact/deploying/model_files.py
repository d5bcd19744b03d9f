"""The file of a model: a zip of a few members, none of them compressed.

A member that is not compressed is no larger than the file, so no file is a bomb. Names
are compared with those that are expected, and nothing is ever unpacked to the disk.
"""

import io
import json
import stat
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

FORMAT = 1
HEAD = "skact-model.json"
_KIND = "a model of skact"
# the first date that a zip can hold: a file does not tell when it was written
_DATE = (1980, 1, 1, 0, 0, 0)
_MOST_UNPACKED = 2**31  # bytes of a sparse matrix, which scipy compresses


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return a zip of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, one in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), one)
    return content.getvalue()


def unpack(content: bytes, expected: Collection[str] | None = None) -> dict[str, bytes]:
    """Return the members of a zip by name.

    Parameters
    ----------
    content : bytes
    expected : collection of str or None, default=None
        The names of all members; None takes any plain name.

    Raises
    ------
    ValueError
        If it is no such zip.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_members(archive.infolist(), len(content))
            names = archive.namelist()
            if expected is not None:
                for name in sorted({*names} ^ {*expected}):
                    what = "an unknown member" if name in names else "no member"
                    raise ValueError(f"it has {what} {name!r:.200}")
            return {name: archive.read(name) for name in names}
    # RuntimeError: a member is encrypted
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"it is no whole zip file ({error})") from error


def check_members(members: Collection[zipfile.ZipInfo], n_bytes: int) -> None:
    """Raise if members have names, kinds or sizes that `pack` does not make."""
    names: set[str] = set()
    for one in members:
        name, shown = one.filename, f"{one.filename!r:.200}"
        if not all(part.strip(".") for part in name.split("/")) or "\\" in name:
            raise ValueError(f"it has a member with the path {shown}")
        if name in names:
            raise ValueError(f"it has two members {shown}")
        if one.compress_type != zipfile.ZIP_STORED or one.file_size > n_bytes:
            raise ValueError(f"its member {shown} is compressed")
        if stat.S_ISLNK(one.external_attr >> 16):
            raise ValueError(f"its member {shown} is a link")
        names.add(name)
    if sum(one.file_size for one in members) > n_bytes:
        raise ValueError("its members are larger than the file")


def check_matrices(members: Mapping[str, bytes]) -> None:
    """Raise if the sparse matrices among members are too large, once unpacked."""
    sizes = [
        one.file_size
        for name, content in members.items()
        if name.endswith(".npz")
        for one in zipfile.ZipFile(io.BytesIO(content)).infolist()
    ]
    if sum(sizes) > _MOST_UNPACKED:
        raise ValueError(f"its sparse matrices are of {sum(sizes):,} bytes")


# ------------------------------------------------------------------ head and records


def head_of(facts: Mapping[str, Any]) -> bytes:
    """Return the first member, which says what the file is."""
    return to_bytes({"kind": _KIND, "format": FORMAT, **facts})


def read_head(file: bytes | Path) -> dict[str, Any]:
    """Return what a file says of itself.

    Parameters
    ----------
    file : bytes or Path
        The content of the file, or its path: then nothing else of it is read.

    Raises
    ------
    ValueError
        If it is no model, or of a format that this version of skact does not know.
    """
    try:
        source = io.BytesIO(file) if isinstance(file, bytes) else file
        with zipfile.ZipFile(source) as archive:
            info = archive.getinfo(HEAD)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > 10**6:
                raise ValueError(f"its {HEAD} is too large")
            head = from_bytes(archive.read(HEAD))
    except KeyError:
        raise ValueError(f"it has no {HEAD}") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"it is no zip file ({error})") from error
    if not isinstance(head, dict) or head.get("kind") != _KIND:
        raise ValueError(f"its {HEAD} is of another kind")
    return head


def is_model(path: Path) -> bool:
    """Whether a file is a model, of any format."""
    try:
        read_head(path)
    except (ValueError, OSError):
        return False
    return True


def to_bytes(value: Any) -> bytes:
    """Return JSON."""
    return json.dumps(value, allow_nan=False).encode()


def from_bytes(content: bytes) -> Any:
    """Return what JSON holds; NaN, which JSON has not, is an error."""

    def refuse(text: str) -> None:
        raise ValueError(f"JSON has no {text}")

    return json.loads(content, parse_constant=refuse)


def names_of_nets(n_nets: int) -> Iterator[tuple[str, str]]:
    """Yield the names of the two members of each net: record and tensors."""
    for i in range(n_nets):
        yield f"nets/{i}.json", f"nets/{i}.safetensors"
