"""Does an activation help at all? A network with ReLU, one without, and six others
================================================================================

.. code-block:: sh

    python examples/articles/with_and_without_activation.py      # half a minute
    python examples/articles/with_and_without_activation.py --quick  # 6 draws

The notebook that this example comes from (the original) trains 100 features, 16
units and one output with Adam, lr .001, for 100 epochs of all rows in one batch: once
without an activation (test accuracy .864), once with ReLU (.897). Its data can be drawn
again; its initial weights had no random_state, so we take many.
"""

# %%
import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, train_test_split
from torch import nn

from skact import (
    ActMLPBinary,
    TrainingDisplay,
    TrainingLog,
    fused,
    get_activation,
    make_activation,
    to_frame,
)

# What the original prints: the accuracy, the loss of each fifth epoch up to epoch 91
ORIGINAL_ACCURACY = {"identity": 0.864, "relu": 0.897}
ORIGINAL_EPOCHS = range(1, 92, 5)
# fmt: off
ORIGINAL_LOSSES = {
    "identity": [
        0.9071, 0.7036, 0.5720, 0.4863, 0.4303, 0.3936, 0.3688, 0.3513, 0.3386,
        0.3291, 0.3219, 0.3162, 0.3118, 0.3082, 0.3053, 0.3030, 0.3011, 0.2996, 0.2984,
    ],
    "relu": [
        1.0072, 0.8534, 0.7328, 0.6412, 0.5724, 0.5201, 0.4793, 0.4465, 0.4188,
        0.3950, 0.3742, 0.3557, 0.3388, 0.3231, 0.3085, 0.2947, 0.2817, 0.2695, 0.2578,
    ],
}
# fmt: on

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument(
    "--quick", action="store_true", help="6 in place of 50, and 3 of 10"
)
parser.add_argument("--figure", type=Path, default=Path("with_and_without.png"))
args = parser.parse_args()

# %% The values of the original: its cells show no output, so its code runs here
x, logits = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([2.0, 1.0, 0.1])
original_code = {
    "elu": (x, nn.ELU(alpha=1.0)),
    "prelu": (x, nn.PReLU()),  # which it speaks of only
    "swish": (x, lambda x: x * torch.sigmoid(x)),
    "softmax": (logits, nn.Softmax(dim=0)),
}
rows = []
for name, (at, code) in original_code.items():
    ours = make_activation(name)(at).detach().numpy()
    original = code(at).detach().numpy()
    limits = get_activation(name).range()
    rows.append(
        (name, ours.round(4), original.round(4), abs(ours - original).max(), limits)
    )
columns = ["activation", "ours", "original's code", "difference", "range"]
print(pd.DataFrame(rows, columns=columns).to_string(index=False))
print("(The original gives Swish the range (-inf, inf). It has a minimum, as shown.)")

# %% The networks. An initialisation is a hyperparameter like any other.
X, y = make_classification(
    n_samples=5000, n_features=100, n_informative=100, n_redundant=0, random_state=7
)
train, test = train_test_split(np.arange(len(X)), test_size=0.2, random_state=42)
net = ActMLPBinary(
    width=16, init="torch", lr=0.001, batch_size=-1, max_epochs=100, dtype="float32"
).set_callbacks(TrainingLog())
others = ["sigmoid", "tanh", "leaky_relu", "elu", "prelu", "swish"]
many, few = (range(6), range(3)) if args.quick else (range(50), range(10))
grids = [
    {"activation": ["identity", "relu"], "random_state": many},
    {"activation": others, "random_state": few},
]
search = GridSearchCV(net, grids, cv=[(train, test)], refit=False)
with fused() as session:
    search.fit(X, y)
print(f"\n{session.report}")

# %% Their test accuracy, beside the original's
frame = to_frame(search)
scores = frame.groupby("activation")["mean_test_score"]
table = scores.agg(["count", "mean", "std", "min", "max"]).sort_values("mean")
table = table.rename(columns={"count": "nets", "mean": "ours", "std": "spread"})
table.insert(2, "original", table.index.map(ORIGINAL_ACCURACY))
table.insert(3, "difference", table["ours"] - table["original"])
table = table.reset_index().to_string(float_format="{:.4f}".format, na_rep="", index=0)
print(f"\n{table}")
print(
    "The original's initial weights had no random_state, so that its figures are one "
    "draw out of the spread\n(the standard deviation over initialisations)."
)

# %% The original's ReLU had a slow start, which its losses show
# At epoch 91 its loss is higher than nearly all of ours. Among ours, those with a high
# loss there are less accurate in the end: the line through them leads to its accuracy.
curves = to_frame(search, level="epoch")
merged = frame.merge(curves[curves["epoch"] == 91], on=["activation", "random_state"])
rows = []
for activation, accuracy in ORIGINAL_ACCURACY.items():
    ours = merged[merged["activation"] == activation]
    losses, scores = ours["train_loss"], ours["mean_test_score"]
    original = ORIGINAL_LOSSES[activation][-1]
    line = np.poly1d(np.polyfit(losses, scores, 1))
    off, spread = (scores - line(losses)).std(ddof=2), losses.std()
    expected = f"{activation}: accuracy of a net with the original's loss at epoch 91"
    rows += [
        (f"{activation}: loss at epoch 91", losses.mean(), original, spread),
        (expected, line(original), accuracy, off),
    ]
table = pd.DataFrame(rows, columns=["figure", "ours", "original", "spread"])
table.insert(3, "difference", table["ours"] - table["original"])
print(f"\n{table.to_string(index=False, float_format=lambda value: f'{value:.4f}')}")

# %% The losses, the original's as dots
# An initialisation is to the display what a fold is to a search: a thin line.
curves = curves[curves["activation"].isin(list(ORIGINAL_ACCURACY))]
curves = curves.assign(fold=curves["random_state"])
curves = curves.drop(columns=["candidate", "random_state"])
display = TrainingDisplay.from_estimator(curves, by="activation")
for line, activation in zip(display.lines_, display.groups.values(), strict=True):
    dots = {"marker": "o", "linestyle": "", "color": line.get_color()}
    losses = ORIGINAL_LOSSES[activation]
    display.ax_.plot(ORIGINAL_EPOCHS, losses, **dots, label=f"{activation}, original")
display.ax_.set_ylabel("binary cross-entropy")
display.ax_.legend()
display.figure_.savefig(args.figure)
print(f"\nFigure: {args.figure.resolve().as_uri()}")
