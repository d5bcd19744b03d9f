"""
Is the difference real?
=======================

After this example you can say which differences between activations are more than
chance, and you know what ``select="best"`` does.
"""

# %%
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold
from sklearn.preprocessing import scale

from skact import ActMLP, ComparisonDisplay, activation_grid, compare, fused

X, y = load_digits(return_X_y=True)
grid = activation_grid(["relu", "silu", "tanh", "sigmoid"], n_lr=3)
net = ActMLP(width=32, max_epochs=15, dtype="float32", random_state=0)
folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
search = GridSearchCV(net, grid, cv=folds)
with fused():  # 12 candidates x 10 folds
    search.fit(scale(X), y)

# %%
# The verdict
# -----------
# Scores are paired by fold. Of each activation, a fold takes the rate that was best on
# the *other* folds, so that no score takes part in its own choice.
print(compare(search, by="activation"))

# %%
# The diagram joins what cannot be told apart.
ComparisonDisplay.from_search(search)

# %%
# What ``select="best"`` does
# ---------------------------
# It takes the rate that is best on all folds, as most people do. The score that chooses
# is then also the score that is compared: means are a little too high.
nested, best = compare(search), compare(search, select="best")
print((best.means - nested.means).rename("best minus nested").to_string())
