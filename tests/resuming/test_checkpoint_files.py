"""A file is whole or not there, and what is no file of a fit is not read."""

import pytest

from skact.resuming import checkpoint_files
from skact.resuming.checkpoint_files import (
    files_in,
    files_of,
    path_of,
    read_head,
    remnants_in,
    replace_file,
    set_aside,
)

NAME, OTHER = "ab" * 20, "ab" + "c" * 38


def test_files_are_found_by_the_name_of_their_fit(tmp_path):
    for name, n_epochs, is_part in [
        (NAME, 3, False),
        (NAME, 5, True),
        (OTHER, 1, False),
    ]:
        replace_file(path_of(tmp_path, name, n_epochs, is_part=is_part), b"x")
    found = files_of(tmp_path, NAME)
    assert [(f.n_epochs, f.is_part) for f in found] == [(3, False), (5, True)]
    assert len(list(files_in(tmp_path))) == 3
    assert files_of(tmp_path, "f" * 40) == []


def test_other_files_are_not_taken_for_fits(tmp_path):
    folder = tmp_path / NAME[:2]
    folder.mkdir()
    for name in ("notes.txt", f"{NAME}.safetensors", f"{NAME}-x.safetensors"):
        (folder / name).write_text("mine")
    (tmp_path / "readme").write_text("mine")
    assert list(files_in(tmp_path)) == []
    assert list(files_in(tmp_path / "nosuch")) == []


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path, monkeypatch, error):
    path = path_of(tmp_path, NAME, 3, is_part=False)
    replace_file(path, b"old")

    def fail(self, content):
        with self.open("wb") as file:
            file.write(content[:1])
        raise error

    monkeypatch.setattr(type(path), "write_bytes", fail)
    with pytest.raises(error):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_what_was_set_aside_is_a_remnant_and_no_fit(tmp_path):
    path = path_of(tmp_path, NAME, 3, is_part=False)
    replace_file(path, b"x")
    set_aside(path)
    set_aside(path)  # another process was faster
    half = path.parent / f".{path.name}.1234abcd"
    half.write_bytes(b"x")
    assert files_of(tmp_path, NAME) == []
    assert remnants_in(tmp_path) == sorted(
        [half, path.with_name(path.name + ".damaged")]
    )


def test_a_head_of_another_format_is_refused(tmp_path, monkeypatch):
    from skact.resuming import state_bytes
    from skact.resuming.fit_state import FitState

    monkeypatch.setattr(state_bytes, "FORMAT", 99)
    path = tmp_path / "one"
    empty = FitState(([], [], [], []), (), None, (), None, False)
    path.write_bytes(state_bytes.write_state(empty, {}))
    with pytest.raises(ValueError, match="not of format 1"):
        read_head(path)
    assert checkpoint_files.FORMAT == 1
