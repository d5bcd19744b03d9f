"""
Predict numbers, with an activation of your own
===============================================

After this example you can train :class:`~skact.ActMLPRegressor` on a y of any scale,
and use a function as its activation.
"""

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.metrics import PredictionErrorDisplay
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLPRegressor


def sine(x):
    return x + torch.sin(x) ** 2


X, y = load_diabetes(return_X_y=True)


# %%
# Scale y, too
# ------------
# ``TransformedTargetRegressor`` scales y before the fit, and predictions back.
def model(activation):
    net = ActMLPRegressor(activation, width=32, weight_decay=0.01, random_state=0)
    pipe = make_pipeline(StandardScaler(), net)
    return TransformedTargetRegressor(pipe, transformer=StandardScaler())


for activation in ("relu", "tanh", sine):
    name = getattr(activation, "__name__", activation)
    print(f"{name}: R2 {cross_val_score(model(activation), X, y, cv=5).mean():.3f}")

# %%
# Predictions against y
# ---------------------
figure, ax = plt.subplots(figsize=(5, 5))
predicted = cross_val_predict(model(sine), X, y, cv=5)
PredictionErrorDisplay.from_predictions(y, predicted, kind="actual_vs_predicted", ax=ax)
