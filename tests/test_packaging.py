"""What one downloads: it installs, it runs, it tests itself, and its files agree."""

import os
import re
import site
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import skact

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
    extras = ("plot", "notebook", "progress", "dask", "deploy", "onnx", "test")
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


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """An environment of its own with the wheel; other packages are those of this one.

    Torch alone is gigabytes, so nothing is downloaded: a .pth file leads to them. The
    line that makes this checkout importable is a .pth file of that folder, which is not
    read there.
    """
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=True, symlinks=os.name != "nt")
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = folder / "env" / scripts / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", where], check=True, capture_output=True)
    packages = [path for path in site.getsitepackages() if Path(path).is_dir()]
    lines = Path(own.stdout.decode().strip()) / "packages.pth"
    lines.write_text("\n".join(packages))
    wheel = built("wheel", folder / "wheel")
    options = ["--quiet", "--no-deps", "--no-index"]
    command = [python, "-m", "pip", "install", *options, "--force-reinstall", wheel]
    subprocess.run(command, check=True, capture_output=True)
    return python


def run(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"MPLBACKEND": "agg"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_wheel_runs_the_quick_start_in_an_environment_of_its_own(fresh, tmp_path):
    readme = (ROOT / "README.md").read_text()
    start = re.search(r"^```python\n(.*?)^```$", readme, flags=re.M | re.S)[1]
    where = "import skact; print(skact.__file__)"
    (tmp_path / "start.py").write_text(f"{start}\n{where}")
    printed = run(fresh, "start.py", cwd=tmp_path)
    assert (tmp_path / "search.html").exists()
    assert str(fresh.parent.parent) in printed.splitlines()[-1]


def test_the_sdist_tests_the_wheel(fresh, tmp_path):
    with tarfile.open(built("sdist", tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("skact-*")
    (folder / "skact").rename(folder / "not_this_one")
    files = ["tests/network", "tests/results/test_frames.py", "tests/test_naming.py"]
    options = ["-q", "-p", "no:cacheprovider", "-o", "testpaths=tests"]
    printed = run(fresh, "-m", "pytest", *options, *files, cwd=folder)
    assert int(re.search(r"(\d+) passed", printed)[1]) > 50


def test_the_public_ci_does_what_ours_does():
    """A check that only one of them made would be missed where the other runs."""
    ours = ROOT / ".ci" / "run"
    if not ours.exists():
        pytest.skip("the sdist has no .ci")
    yaml = pytest.importorskip("yaml", reason="needs the extra 'dev'")
    theirs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [
        step.get("run", "") for job in theirs["jobs"].values() for step in job["steps"]
    ]
    targets = {
        target
        for text in (ours.read_text(), *steps)
        for line in re.findall(r"^\s*make ((?:[a-z-]+ ?)+)", text, flags=re.M)
        for target in line.split()
    } - {"clean"}
    assert targets == {"test", "format", "lint", "types", "test-oldest", "docs", "dist"}
    for text in (ours.read_text(), "\n".join(steps)):
        for target in targets:
            assert re.search(rf"make .*\b{target}\b", text), target
    systems = theirs["jobs"]["test"]["strategy"]["matrix"]["os"]
    assert [name.partition("-")[0] for name in systems] == [
        "ubuntu",
        "macos",
        "windows",
    ]


def test_the_forms_and_the_citation_can_be_read_and_name_this_version():
    yaml = pytest.importorskip("yaml", reason="needs the extra 'dev'")
    forms = [*(ROOT / ".github").rglob("*.yml")]
    assert len(forms) >= 4
    for form in forms:
        assert yaml.safe_load(form.read_text()), form
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == skact.__version__
    dated = f"## {citation['version']} ({citation['date-released']})"
    assert dated in (ROOT / "CHANGES.md").read_text()


def test_the_classifiers_name_the_pythons_that_run_the_tests():
    yaml = pytest.importorskip("yaml", reason="needs the extra 'dev'")
    theirs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    start = "Programming Language :: Python :: 3."
    named = [f"3.{x.removeprefix(start)}" for x in PROJECT["classifiers"] if start in x]
    assert named == theirs["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())
