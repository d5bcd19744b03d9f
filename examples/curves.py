"""
Every epoch of every fold
=========================

After this example you can see where overfitting begins, on the folds that the search
itself holds out.
"""

# %%
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from skact import ActMLP, TrainingDisplay, TrainingLog, fused, to_frame, to_hiplot

X, y = load_wine(return_X_y=True)
log = TrainingLog()
net = ActMLP(width=64, depth=2, max_epochs=80, random_state=0).set_callbacks(log)
grid = {"activation": ["relu", "tanh"], "lr": [0.01, 0.001]}
search = GridSearchCV(net, grid, cv=5, scoring=log.scorer("accuracy"))
with fused():
    search.fit(scale(X), y)

# %%
# A row an epoch
# --------------
# ``fold_loss`` is the loss on the fold that the search holds out. Where it is least,
# training could have ended.
epochs = to_frame(search, level="epoch")
mean = epochs.groupby(["activation", "lr", "epoch"])["fold_loss"].mean()
least = mean.groupby(["activation", "lr"]).idxmin().str[-1]
print(least.rename("best epoch").to_string())

# %%
# Curves of all folds
# -------------------
# Thin lines are folds, thick lines their means; dashed lines are held-out losses.
TrainingDisplay.from_estimator(search)

# %%
# To play with
# ------------
to_hiplot(search, level="epoch")
