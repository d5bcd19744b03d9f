"""The zip of a model: no member can be large, a link, or have another's name."""

import io
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp

from skact.deploying import model_files
from skact.deploying.model_files import (
    check_matrices,
    check_members,
    from_bytes,
    head_of,
    is_model,
    names_of_nets,
    pack,
    read_head,
    to_bytes,
    unpack,
)


def zip_of(*members, compression=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, one in members:
            archive.writestr(name, one)
    return content.getvalue()


def test_members_come_back():
    members = {"a": b"", "b/c.json": b"12", "d": bytes(range(256))}
    assert unpack(pack(members)) == members
    assert unpack(pack(members), members) == members
    assert pack(members) == pack(members)


def test_other_members_are_refused():
    with pytest.raises(ValueError, match="it has an unknown member 'b'"):
        unpack(pack({"a": b"", "b": b""}), ["a"])
    with pytest.raises(ValueError, match="it has no member 'c'"):
        unpack(pack({"a": b""}), ["a", "c"])


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a//b", "a\\b", "b/"])
def test_a_name_that_is_a_way_out_is_refused(name):
    with pytest.raises(ValueError, match="it has a member with the path"):
        unpack(pack({name: b"1"}))


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = zip_of(("a", bytes(10**7)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="its member 'a' is compressed"):
        unpack(bomb)
    # two entries of one place in the file: together they are larger than it
    content = bytearray(pack({"a": bytes(1000), "b": b""}))
    place = content.rindex(b"PK\x01\x02")
    first = content.index(b"PK\x01\x02")
    for at in (16, 20, 24):  # checksum and sizes of a
        content[place + at : place + at + 4] = content[first + at : first + at + 4]
    content[place + 42 : place + 46] = bytes(4)
    with pytest.raises(ValueError, match=r"larger than the file|overlap|differ"):
        unpack(bytes(content))


def test_members_that_share_their_bytes_are_refused():
    members = [zipfile.ZipInfo(name) for name in "abc"]
    for one in members:
        one.file_size = 600
    check_members(members[:1], 1000)
    with pytest.raises(ValueError, match="its members are larger than the file"):
        check_members(members, 1000)
    members[0].file_size = 2000
    with pytest.raises(ValueError, match="its member 'a' is compressed"):
        check_members(members[:1], 1000)


def test_a_link_and_a_name_that_is_there_twice_are_refused():
    info = zipfile.ZipInfo("a")
    info.external_attr = 0o120777 << 16
    with pytest.raises(ValueError, match="its member 'a' is a link"):
        unpack(zip_of((info, "/etc/passwd")))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zip_of(("a", "1"), ("a", "2"))
    with pytest.raises(ValueError, match="it has two members 'a'"):
        unpack(twice)


def test_an_encrypted_member_is_refused():
    content = bytearray(pack({"a": b"12345"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[6] |= 1
    with pytest.raises(ValueError, match=r"it is no whole zip file \(.* is encrypted"):
        unpack(bytes(content))


def test_large_sparse_matrices_are_refused(monkeypatch):
    content = io.BytesIO()
    sp.save_npz(content, sp.csr_array(np.eye(1000)))
    members = {"1.npz": content.getvalue(), "2.npy": b""}
    check_matrices(members)
    monkeypatch.setattr(model_files, "_MOST_UNPACKED", 10_000)
    with pytest.raises(ValueError, match=r"its sparse matrices are of 1\d,\d+ b"):
        check_matrices(members)


def test_the_head_says_what_a_file_is(tmp_path):
    path = tmp_path / "file"
    content = pack({model_files.HEAD: head_of({"n_nets": 2}), "other": b"1"})
    head = read_head(content)
    assert head == {"kind": "a model of skact", "format": 1, "n_nets": 2}
    path.write_bytes(content)
    assert is_model(path)
    for wrong in (b"", b"text", pack({"other": b"1"}), content[:-50]):
        path.write_bytes(wrong)
        assert not is_model(path)
    assert not is_model(tmp_path / "none")


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"kind": "results"}', b"1"])
def test_a_head_of_another_kind_is_refused(content):
    with pytest.raises(ValueError, match=r"its skact-model\.json is of another kind"):
        read_head(pack({model_files.HEAD: content}))


def test_a_huge_head_is_not_read():
    content = pack({model_files.HEAD: b" " * (10**6 + 1)})
    with pytest.raises(ValueError, match=r"its skact-model\.json is too large"):
        read_head(content)


def test_json_is_strict():
    assert from_bytes(to_bytes({"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}
    with pytest.raises(ValueError, match="Out of range"):
        to_bytes(float("nan"))
    with pytest.raises(ValueError, match="JSON has no Infinity"):
        from_bytes(b"[Infinity]")


def test_each_net_has_two_members():
    assert [*names_of_nets(2)] == [
        ("nets/0.json", "nets/0.safetensors"),
        ("nets/1.json", "nets/1.safetensors"),
    ]
