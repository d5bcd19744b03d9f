"""ReLU, Tanh or LeakyReLU on MNIST? The grid search of a well-known notebook
==========================================================================

.. code-block:: sh

    SKACT_DATA=<folder> python examples/mnist_activations.py    # a minute
    python examples/mnist_activations.py --quick                # digits, seconds

A 784-128-64-10 network, SGD with lr .01 and momentum .95, batches of 128, 25 epochs, 3
folds. The notebook prints .97453 (ReLU), .97205 (Tanh) and .97468 (LeakyReLU).

SKACT_DATA is a folder with ``mnist/train-images-idx3-ubyte.gz`` and
``mnist/train-labels-idx1-ubyte.gz``, the four files of MNIST as its authors publish
them. torchvision.datasets.MNIST(download=True) fetches them into ``MNIST/raw``: rename
that folder to ``mnist``.
"""

# %%
import argparse
import gzip
import os
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch.dataset import ValidSplit
from torch import nn

from skact import ActMLP, TrainingLog, fused, to_frame, to_hiplot

NOTEBOOK = {
    "ReLU()": 0.97453,
    "Tanh()": 0.97205,
    "LeakyReLU(negative_slope=0.01)": 0.97468,
}

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--quick", action="store_true", help="bundled digits, 5 epochs")
parser.add_argument("--page", type=Path, default=Path("mnist_activations.html"))
args = parser.parse_args()


# %% The data, standardised by the mean and deviation of ALL pixels, as it was there
def load_mnist() -> tuple[np.ndarray, np.ndarray]:
    folder = os.environ.get("SKACT_DATA")
    if folder is None:
        sys.exit(
            "SKACT_DATA must name a folder that holds mnist/train-images-idx3-ubyte.gz "
            "and mnist/train-labels-idx1-ubyte.gz, as published by MNIST's authors "
            "(torchvision.datasets.MNIST(download=True) fetches them into MNIST/raw). "
            "Or use --quick."
        )
    arrays = []
    for name, header in (("images-idx3", 16), ("labels-idx1", 8)):
        path = Path(folder) / "mnist" / f"train-{name}-ubyte.gz"
        arrays.append(
            np.frombuffer(gzip.decompress(path.read_bytes())[header:], np.uint8)
        )
    pixels, labels = arrays
    return pixels.reshape(len(labels), -1).astype(np.float32), labels.astype(np.int64)


if args.quick:
    pixels, y = load_digits(return_X_y=True)
    X = pixels.astype(np.float32)
else:
    X, y = load_mnist()
X = (X - X.mean()) / X.std()

# %% The search: torch's initialisation, no shuffling, a fifth of each fold held out
net = ActMLP(
    hidden=(128, 64),
    init="torch",
    optimizer="sgd",
    lr=0.01,
    momentum=0.95,
    batch_size=128,
    max_epochs=5 if args.quick else 25,
    shuffle=False,
    train_split=ValidSplit(5, stratified=True),
    random_state=0,
).set_callbacks(TrainingLog())
grid = {"activation": [nn.ReLU(), nn.Tanh(), nn.LeakyReLU()]}
search = GridSearchCV(net, grid, cv=3, scoring="accuracy")
with fused(progress=True):  # all nine at once; the figures are those without it
    search.fit(X, y)

# %% The result, beside the notebook's
frame = to_frame(search)
columns = [
    name for name in frame if name.startswith(("activation", "split", "mean_test"))
]
table = frame[columns].copy()
if not args.quick:
    table["notebook"] = table["activation"].map(NOTEBOOK)
    table["difference"] = table["mean_test_score"] - table["notebook"]
print(table.to_string(index=False, float_format=lambda value: f"{value:.5f}"))

# %% The notebook's two pictures: a line an activation, and a curve of the best one
splits = [f"split{fold}_test_score" for fold in range(3)]
order = ["activation", *splits, "mean_test_score", "std_test_score", "rank_test_score"]
to_hiplot(search, order=order, hide="mean_fit_time").to_html(args.page)
print(f"HiPlot page: {args.page.resolve().as_uri()}")

losses = ["train_loss", "valid_acc", "valid_loss"]
order = ["epoch", *(name + end for name in losses for end in ("", "_best"))]
epochs = args.page.with_stem(f"{args.page.stem}_epochs")
to_hiplot(search.best_estimator_, order=order, color="valid_acc").to_html(epochs)
print(f"Its training: {epochs.resolve().as_uri()}")

# %% What the notebook could not have: the training of all nine fits
curves = args.page.with_stem(f"{args.page.stem}_curves")
order = ["activation", "fold", "epoch", "train_loss", "valid_acc", "valid_loss"]
to_hiplot(search, level="epoch", order=order).to_html(curves)
print(f"All curves: {curves.resolve().as_uri()}")
