"""
Stop a search, and go on
========================

After this example you can keep the fits of a search in a folder. A second search trains
only what is new.
"""

# %%
import tempfile
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skact import ActMLP, checkpoints, fused

X, y = load_digits(return_X_y=True)
folder = Path(tempfile.mkdtemp()) / "runs"
net = ActMLP(max_epochs=10, dtype="float32", random_state=0)
coarse = GridSearchCV(net, {"lr": [0.03, 0.001], "width": [32, 64]}, cv=3)
with fused(checkpoint=folder) as session:
    coarse.fit(X / 16, y)
print(session.report)

# %%
# A finer grid
# ------------
# The fits of the first grid are found again. Kill the process at any moment, and run it
# again: it goes on in the same way.
grid = {"lr": [0.03, 0.01, 0.003, 0.001], "width": [32, 64]}
fine = GridSearchCV(net, grid, cv=3)
with fused(checkpoint=folder) as session:
    fine.fit(X / 16, y)
print(session.report)

# %%
# What the folder holds
# ---------------------
print(checkpoints(folder).head().to_string())
