"""
Early stopping, dropout, decay and schedules
============================================

After this example you can try what keeps a network from learning by heart, all in one
search.
"""

# %%
# Each grid changes one thing
# ---------------------------
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from skact import ActMLP, fused, to_frame, to_hiplot

X, y = load_breast_cancer(return_X_y=True)
net = ActMLP(width=64, depth=2, optimizer="adamw", max_epochs=60, random_state=0)
grid = [
    {"dropout": [0.0, 0.2, 0.5]},
    {"weight_decay": [0.01, 0.3]},
    {"lr_schedule": ["cosine", "one_cycle"]},
    {"early_stopping": [True]},
]
search = GridSearchCV(
    net, grid, cv=5, scoring=["neg_log_loss", "accuracy"], refit="accuracy"
)
with fused():
    search.fit(scale(X), y)

# %%
# The log-loss shows it best
# --------------------------
# A network that knows its training rows by heart is too sure of itself.
frame = to_frame(search).sort_values("mean_test_neg_log_loss", ascending=False)
names = ["dropout", "weight_decay", "lr_schedule", "early_stopping"]
scores = ["mean_test_neg_log_loss", "mean_test_accuracy", "mean_fit_time"]
print(frame[names + scores].to_string(index=False, float_format="{:.3f}".format))

# %%
# Here dropout helps, and early stopping does not: it keeps a tenth of the rows for
# validation, and this table is small (455 training rows in a fold). Early stopping
# saves more time with more rows and more epochs.
to_hiplot(search, color="mean_test_neg_log_loss")
