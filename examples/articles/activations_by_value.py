"""Six activations by value, and a network that applies softmax twice
==================================================================

.. code-block:: sh

    python examples/articles/activations_by_value.py            # 15 seconds
    python examples/articles/activations_by_value.py --quick    # 3 initialisations

The course page that this example comes from (the original) prints the values of
six activations, and ends with an exercise: 20 features, 50 ReLU units, Adam with lr
.001, 20 epochs of all rows in one batch. Its network ends in a softmax and goes into
cross-entropy, which applies a softmax itself. That is `output_activation="softmax"`
here; without it the softmax is applied once.
"""

# %%
import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import (
    ActMLP,
    TrainingDisplay,
    TrainingLog,
    fused,
    make_activation,
    to_frame,
    to_hiplot,
)

ORIGINAL = {
    "linear": ([1, 2, 3], [1.0, 2.0, 3.0]),
    "sigmoid": ([1, 2, 3], [0.7311, 0.8808, 0.9526]),
    "tanh": ([1, 2, 3], [0.7616, 0.9640, 0.9951]),
    "relu": ([-1, 0, 1, 2], [0.0, 0.0, 1.0, 2.0]),
    "leaky_relu": ([-1, 0, 1, 2], [-0.01, 0.0, 1.0, 2.0]),
    "softmax": ([1, 2, 3], [0.0900, 0.2447, 0.6652]),
}

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--quick", action="store_true", help="3 in place of 10")
parser.add_argument("--page", type=Path, default=Path("activations_by_value.html"))
parser.add_argument("--figure", type=Path, default=Path("softmax_twice.png"))
args = parser.parse_args()

# %% The values, beside those that the original prints
rows = []
for name, (x, original) in ORIGINAL.items():
    ours = make_activation(name)(torch.tensor(x, dtype=torch.float32)).numpy()
    difference = np.abs(ours.round(4) - np.float32(original)).max()
    rows.append((name, x, ours.round(4), original, difference))
columns = ["activation", "x", "ours", "original", "difference"]
print(pd.DataFrame(rows, columns=columns).to_string(index=False))

# %% The exercise: softmax twice or once, and the activations it asks to be compared
X, y = make_classification(n_samples=1000, n_features=20, n_classes=2, random_state=42)
train, test = train_test_split(np.arange(len(X)), test_size=0.2, random_state=42)
net = ActMLP(
    width=50,
    init="torch",
    lr=0.001,
    batch_size=-1,
    max_epochs=20,
    dtype="float32",
).set_callbacks(TrainingLog())
grid = {
    "actmlp__activation": ["relu", "leaky_relu", "tanh", "sigmoid", "identity"],
    "actmlp__output_activation": ["softmax", None],
    # the original sets no random_state: its accuracy is one of such a spread
    "actmlp__random_state": range(3 if args.quick else 10),
}
search = GridSearchCV(
    make_pipeline(StandardScaler(), net), grid, cv=[(train, test)], refit=False
)
with fused() as session:
    search.fit(X, y)
print(f"\n{session.report}")

# %% The accuracy on the original's test rows; each row is a mean of initialisations
frame = to_frame(search)
groups = frame.groupby(["activation", "output_activation"])
table = groups["mean_test_score"].agg(["mean", "std", "min", "max"])
table = table.rename(columns={"mean": "ours", "std": "spread"}).reset_index()
table = table.sort_values("ours", ascending=False)
table.insert(3, "original", "not printed")
print(f"\n{table.to_string(index=False, float_format=lambda value: f'{value:.4f}')}")
relu = frame[frame["activation"] == "relu"]
pairs = relu.pivot(
    index="random_state", columns="output_activation", values="mean_test_score"
)
gain = pairs["None"] - pairs["softmax"]
print(
    "The original's network is relu with softmax. Its page shows no accuracy and sets "
    "no random_state.\nOf the same initial weights, softmax once is "
    f"{gain.mean():.4f} +- {gain.std():.4f} more accurate than twice."
)

# %% Why: the second softmax flattens the loss, and 20 epochs do not get as far
# An initialisation is to the display what a fold is to a search: a thin line.
curves = to_frame(search, level="epoch")
curves = curves[curves["activation"] == "relu"].assign(fold=curves["random_state"])
curves = curves.drop(columns=["candidate", "random_state"])
display = TrainingDisplay.from_estimator(curves, by="output_activation")
display.ax_.set_ylabel("cross-entropy")
outputs = display.groups.values()
display.ax_.legend(display.lines_, outputs, title="output_activation")
display.figure_.savefig(args.figure)
print(f"\nFigure: {args.figure.resolve().as_uri()}")

order = ["activation", "output_activation", "random_state"]
to_hiplot(search, order=order, hide="mean_fit_time").to_html(args.page)
print(f"HiPlot page: {args.page.resolve().as_uri()}")
