"""skact needs nothing that only Linux has, as far as a Linux machine can tell."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import skact

ROOT = Path(skact.__file__).parent
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
# names that Windows does not have; the documentation of Python calls them "Unix"
NAMES = {
    "os": "chown confstr fchmod fork forkpty getegid geteuid getgid getloadavg getpgid "
    "getuid killpg mkfifo nice posix_fadvise posix_fallocate pread pwrite sendfile "
    "sched_getaffinity setsid statvfs sysconf uname wait WNOHANG O_CLOEXEC "
    "O_DIRECTORY O_NOFOLLOW",
    "signal": "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP "
    "SIGUSR1 SIGUSR2 alarm pause pthread_kill pthread_sigmask setitimer sigwait",
    "time": "clock_gettime tzset CLOCK_MONOTONIC",
    "socket": "AF_UNIX",
}
# where one stands, with what is done without it
ALLOWED = {("os", "sysconf"): "backend/waiting_memory.py"}

# Other libraries ask for the system and take the names of Linux: they load before.
# Files of text that name no encoding would be read as cp1252.
TRAIN = f"""
import os, signal, socket, sys, time, warnings
import hiplot, joblib, pandas, scipy.stats, skorch, torch, skops.io, safetensors.torch
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

sys.modules.update(dict.fromkeys({sorted(MODULES)}))
for module, names in {NAMES}.items():
    for name in names.split():
        if hasattr(sys.modules[module], name) and name != "AF_UNIX":
            delattr(sys.modules[module], name)
warnings.filterwarnings("error", category=EncodingWarning, module=r"skact\\b")

import skact

X, y = load_iris(return_X_y=True)
net = skact.ActMLP(max_epochs=2, random_state=0)
search = GridSearchCV(net, {{"activation": ["relu", "tanh"]}}, cv=3)
with skact.fused(checkpoint="runs"):
    search.fit(X, y)
net.set_params(optimizer=torch.optim.RMSprop).fit(X, y)  # by the loop of skorch
skact.save_results(search, "results")
skact.to_hiplot(skact.load_results("results")).to_html("page.html")
skact.save_model(search.best_estimator_, "model.skact")
skact.load_model("model.skact").predict(X)
print(len(skact.checkpoints("runs")))
"""


def test_it_trains_and_saves_where_the_names_of_posix_are_missing(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    run = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", TRAIN],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == 7  # six fits and the refit


def test_no_name_of_posix_stands_where_nothing_replaces_it():
    """Code that only some settings reach, too."""
    posix = {(module, name) for module in NAMES for name in NAMES[module].split()}
    found = {}
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported = set()
            if isinstance(node, ast.Import):
                imported = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported = {node.module}
                used = {(node.module, alias.name) for alias in node.names}
                found |= dict.fromkeys(used & posix, place)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used = {(node.value.id, node.attr)}
                found |= dict.fromkeys(used & posix, place)
            assert not imported & MODULES, f"{place}:{node.lineno}"
    assert found == ALLOWED
