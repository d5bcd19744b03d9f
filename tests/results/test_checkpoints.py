"""A folder of checkpoints can be listed, and emptied by age and size."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

from skact import ActMLP, checkpoints, fused, reduce_checkpoints


@pytest.fixture
def folder(tmp_path, iris):
    net = ActMLP(width=4, max_epochs=3, random_state=0)
    with fused(checkpoint=tmp_path / "runs"):
        cross_val_score(net, *iris, cv=4)
    return tmp_path / "runs"


def test_the_list_says_what_each_file_holds(folder):
    frame = checkpoints(folder)
    assert len(frame) == 4
    row = frame.iloc[0]
    assert (row.state, row.epochs, row.max_epochs) == ("ended", 3, 3)
    assert row.network.startswith("4-4-3, cross_entropy, adam")
    assert row.train_loss > 0
    assert row.seconds > 0
    assert Path(row.file).stat().st_size == row.bytes
    assert len(row.fit) == 40
    assert abs(pd.Timestamp.now("UTC") - row.used) < pd.Timedelta("1h")


def test_the_list_names_what_is_under_way_and_what_is_damaged(folder):
    paths = [Path(file) for file in checkpoints(folder).file]
    paths[0].rename(paths[0].with_name(paths[0].name.replace("-3", "-3-part")))
    paths[1].write_bytes(b"x")
    paths[2].rename(paths[2].with_name(paths[2].name + ".damaged"))
    frame = checkpoints(str(folder))
    assert sorted(frame.state) == ["damaged", "damaged", "ended", "under way"]
    assert frame.epochs.isna().sum() == 2
    assert checkpoints(folder.parent).empty


def test_the_longest_unused_are_removed_first(folder, iris):
    frame = checkpoints(folder)
    for i, file in enumerate(frame.file):
        os.utime(file, (time.time() - 1000 * i, time.time() - 1000 * i))
    size = int(frame.bytes[:2].sum())
    assert reduce_checkpoints(folder) == 0
    assert reduce_checkpoints(folder, bytes_limit=size) == 2
    assert set(checkpoints(folder).file) == set(frame.file[:2])
    assert reduce_checkpoints(folder, age_limit=timedelta(seconds=500)) == 1
    assert list(checkpoints(folder).file) == [frame.file[0]]
    assert reduce_checkpoints(folder, bytes_limit=0) == 1
    assert checkpoints(folder).empty


def test_what_is_restored_counts_as_used(folder, iris):
    for file in checkpoints(folder).file:
        os.utime(file, (1e9, 1e9))
    net = ActMLP(width=4, max_epochs=3, random_state=0)
    with fused(checkpoint=folder):
        cross_val_score(net, *iris, cv=4)
    assert reduce_checkpoints(folder, age_limit=timedelta(days=1)) == 0


def test_remnants_are_removed_but_no_file_that_is_being_written(folder):
    path = Path(checkpoints(folder).file[0])
    damaged = path.with_name(path.name + ".damaged")
    old, new = (path.with_name(f".{path.name}.{x}") for x in ("0000000a", "0000000b"))
    for one in (damaged, old, new):
        one.write_bytes(b"x")
    os.utime(old, (1e9, 1e9))
    assert reduce_checkpoints(folder) == 2
    assert [one.exists() for one in (damaged, old, new)] == [False, False, True]
    assert len(checkpoints(folder)) == 4


@pytest.mark.parametrize("folder", ["nosuch", 3, None])
def test_what_is_no_folder_is_named(folder):
    for call in (checkpoints, reduce_checkpoints):
        with pytest.raises(ValueError, match=f"folder must be.*got {folder!r}"):
            call(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bytes_limit", -1),
        ("bytes_limit", 1.5),
        ("bytes_limit", True),
        ("age_limit", 3600),
        ("age_limit", timedelta(seconds=-1)),
    ],
)
def test_limits_that_are_not_allowed_are_named(folder, name, value):
    with pytest.raises(ValueError, match=f"{name} must be None or"):
        reduce_checkpoints(folder, **{name: value})
    assert len(checkpoints(folder)) == 4
