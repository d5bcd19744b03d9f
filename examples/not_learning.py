"""
Why does my network not learn?
==============================

After this example you can ask :func:`~skact.diagnose` what keeps a network from
learning, follow its advice, and see that it helped.
"""

# %%
# A network that learns nothing
# -----------------------------
# The rate is far too high, and one column of X is in millions.
import warnings

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skact import (
    ActivationMonitor,
    ActMLP,
    TrainingDisplay,
    UnscaledInputWarning,
    diagnose,
)

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
X[:, 3] *= 1e6
X, X_test, y, y_test = train_test_split(X, y, random_state=0)
net = ActMLP(lr=1.0, max_epochs=20, random_state=0, callbacks=[ActivationMonitor()])
with warnings.catch_warnings():  # fit warns of the column; let us ask diagnose instead
    warnings.simplefilter("ignore", UnscaledInputWarning)
    net.fit(X, y)
print(f"accuracy on the test rows: {net.score(X_test, y_test):.3f}")
print(diagnose(net))

# %%
# Mend the costliest fault first
# ------------------------------
scaler = StandardScaler().fit(X)
X, X_test = scaler.transform(X), scaler.transform(X_test)
scaled = ActMLP(lr=1.0, max_epochs=20, random_state=0, callbacks=[ActivationMonitor()])
scaled.fit(X, y)
print(f"accuracy on the test rows: {scaled.score(X_test, y_test):.3f}")
print(diagnose(scaled))

# %%
# Then the next one
# -----------------
mended = ActMLP(max_epochs=20, random_state=0, callbacks=[ActivationMonitor()])
mended.fit(X, y)
print(f"accuracy on the test rows: {mended.score(X_test, y_test):.3f}")
print(diagnose(mended))

# %%
# The losses side by side
# -----------------------
curves = {"as it was": net, "scaled": scaled, "scaled, lr .002": mended}
TrainingDisplay.from_estimator(curves, metrics="train_loss")
