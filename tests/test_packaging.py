"""What one downloads: the lowest versions fit together, the sdist tests itself."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(extra=None):
    names = PROJECT["dependencies"]
    if extra is not None:
        names = PROJECT["optional-dependencies"][extra]
    found = [Requirement(name) for name in names]
    return [one for one in found if one.name != "skact"]


def built(target, folder):
    """The archive that hatchling builds of this tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (archive,) = Path(folder).iterdir()
    return archive


def test_make_test_oldest_tries_the_very_versions_that_pyproject_names():
    pinned = {}
    for line in (ROOT / "constraints-oldest.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            pinned[name] = Version(version)
    extras = ("plot", "notebook", "progress", "dask", "test")
    wanted = declared() + [one for extra in extras for one in declared(extra)]
    for one in wanted:
        (lowest,) = (s.version for s in one.specifier if s.operator == ">=")
        assert pinned[one.name] == Version(lowest), one


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git lists what is ours")
def test_the_sdist_holds_every_file_of_the_repository(tmp_path):
    """Its own tests read benchmarks, docs, the Makefile and the constraints."""
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    ours = set(listed.stdout.decode().splitlines())
    ours = {name for name in ours if (ROOT / name).exists()}
    with tarfile.open(built("sdist", tmp_path)) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert ours <= packed
    assert "PKG-INFO" in packed


def test_the_wheel_holds_the_library_and_nothing_else(tmp_path):
    with zipfile.ZipFile(built("wheel", tmp_path)) as archive:
        packed = archive.namelist()
    assert "skact/__init__.py" in packed
    assert "skact/py.typed" in packed
    for name in packed:
        assert name.startswith(("skact/", "skact-")), name
        assert "__pycache__" not in name
