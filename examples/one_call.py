"""
One call, from a table to an answer
===================================

After this example you can give :func:`~skact.search` a table as it is, and read what it
says.
"""

# %%
# A table with a category, a date and gaps
# ----------------------------------------
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

import skact

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
rng = np.random.default_rng(0)
X = X.iloc[:, :8].mask(rng.random((len(X), 8)) < 0.02)
X["clinic"] = rng.choice(["north", "south", "west"], len(X))
X["visit"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(
    rng.integers(0, 365, len(X)), "D"
)
y = y.map({0: "malignant", 1: "benign"})
found = skact.search(X, y, n_candidates=10, max_epochs=24, progress=False)

# %%
# What it says
# ------------
# The ranking, who won, whether that is more than chance, and what to do next:
found

# %%
# Scores against rates
# --------------------
found.plot()

# %%
# It predicts rows as they come
# -----------------------------
print(found.predict(X[:3]))
print(found.columns_.to_string(index=False))
