"""A ReLU written by hand is trained on MNIST
==========================================

.. code-block:: sh

    SKACT_DATA=<folder> python examples/articles/handwritten_relu_on_mnist.py
    python examples/articles/handwritten_relu_on_mnist.py --quick    # digits, seconds

The first takes about 4 minutes.

The notebook that this example comes from (the original) writes the forward and
the backward pass of ReLU, trains 784-128-64-10 with it (SGD, lr .01, momentum .95,
batches of 128, 25 epochs, a fifth of the rows held out), and compares it with Tanh and
LeakyReLU in a grid search of 3 folds. Here the class itself is the activation.

SKACT_DATA is a folder with ``mnist/train-images-idx3-ubyte.gz`` and
``mnist/train-labels-idx1-ubyte.gz``, the four files of MNIST as its authors publish
them; torchvision.datasets.MNIST(download=True) fetches them into ``MNIST/raw``.
"""

# %%
import argparse
import gzip
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch.dataset import ValidSplit
from torch import nn

from skact import ActMLP, fused, make_activation, to_frame, to_hiplot

# The original's history as printed; the page cuts it off after epoch 15
ORIGINAL_HISTORY = pd.DataFrame(
    [
        (1, 0.4752, 0.9411, 0.1882),
        (2, 0.1566, 0.9623, 0.1273),
        (3, 0.1014, 0.9664, 0.1134),
        (4, 0.0727, 0.9697, 0.1035),
        (5, 0.0563, 0.9741, 0.0931),
        (6, 0.0430, 0.9713, 0.1002),
        (7, 0.0346, 0.9708, 0.1064),
        (8, 0.0283, 0.9693, 0.1277),
        (9, 0.0237, 0.9698, 0.1248),
        (10, 0.0203, 0.9738, 0.1124),
        (11, 0.0176, 0.9714, 0.1223),
        (12, 0.0132, 0.9747, 0.1126),
        (13, 0.0106, 0.9745, 0.1163),
        (14, 0.0112, 0.9744, 0.1171),
        (15, 0.0095, 0.9752, 0.1204),
    ],
    columns=["epoch", "train_loss", "valid_acc", "valid_loss"],
)
ORIGINAL_SEARCH = {
    "HandwrittenReLU": 0.97453,
    "Tanh()": 0.97205,
    "LeakyReLU(negative_slope=0.01)": 0.97468,
}

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--quick", action="store_true", help="bundled digits, 5 epochs")
parser.add_argument("--page", type=Path, default=Path("handwritten_relu.html"))
args = parser.parse_args()


# %% The function, as the original has it
class HandwrittenReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (z,) = ctx.saved_tensors
        grad = grad_output.clone()
        grad[z < 0] = 0
        return grad


# %% Is the backward pass the derivative of the forward pass?
# Numerically, away from 0, where there is no derivative that could be right.
z = torch.linspace(-3, 3, 60, dtype=torch.float64, requires_grad=True)
print(f"gradcheck: {torch.autograd.gradcheck(HandwrittenReLU.apply, (z,))}")
rows = []
for spec in (HandwrittenReLU, "relu"):
    at = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    make_activation(spec)(at).sum().backward()
    rows.append((spec if isinstance(spec, str) else spec.__name__, *at.grad.tolist()))
columns = ["activation", "gradient at -1", "at 0", "at 1"]
print(pd.DataFrame(rows, columns=columns).to_string(index=False))


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

# %% The network, and what it costs that autograd has to differentiate the function
net = ActMLP(
    HandwrittenReLU,
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
)
clone(net).set_params(max_epochs=1).fit(X[:1000], y[:1000])  # torch loads its compiler
seconds, losses = {}, {}
for activation in (HandwrittenReLU, "relu"):
    start = time.perf_counter()
    one = clone(net).set_params(activation=activation).fit(X, y)
    seconds[activation] = time.perf_counter() - start
    losses[activation] = one.history[:, ("train_loss", "valid_loss")]
# held-out rows go through an activation of your own batch by batch, so they are rounded
# in another order
same = np.allclose(losses[HandwrittenReLU], losses["relu"], rtol=1e-6, atol=0)
print(
    f"\nAlone: {seconds[HandwrittenReLU]:.1f} s by hand, {seconds['relu']:.1f} s with "
    f"'relu'; the same losses in all epochs: {same}"
)

# %% Its training, from three initialisations: the original's is not known
with fused(progress=True) as session:
    nets = Parallel()(
        delayed(clone(net).set_params(random_state=number).fit)(X, y)
        for number in range(3)
    )
print(session.report)
history = to_frame(nets)
figures = ["train_loss", "valid_acc", "valid_loss"]
of_epochs = history.groupby("epoch")[figures]
ours, spread = of_epochs.mean(), of_epochs.std()
if args.quick:
    print(ours.to_string(float_format=lambda value: f"{value:.4f}"))
else:
    original = ORIGINAL_HISTORY.set_index("epoch")
    parts = {
        "ours": ours,
        "original": original,
        "difference": ours - original,
        "spread": spread,
    }
    table = pd.concat({part: frame.loc[:15] for part, frame in parts.items()}, axis=1)
    table = table.swaplevel(axis=1)[figures]
    print(table.to_string(float_format=lambda value: f"{value:.4f}"))
    last, off = ours["valid_acc"].iloc[-1], spread["valid_acc"].iloc[-1]
    print(
        "The spread is the standard deviation over initialisations; the original has "
        "another initialisation.\nIts page is cut off after epoch 15; after all 25 our "
        f"valid_acc is {last:.4f} +- {off:.4f}."
    )

order = ["epoch", *(name + end for name in figures for end in ("", "_best"))]
epochs = args.page.with_stem(f"{args.page.stem}_epochs")
to_hiplot(nets[0], order=order, color="valid_acc").to_html(epochs)
print(f"Its training: {epochs.resolve().as_uri()}")

# %% The grid search of three activations
grid = {"activation": [HandwrittenReLU, nn.Tanh(), nn.LeakyReLU()]}
search = GridSearchCV(net, grid, cv=3, scoring="accuracy", refit=False)
with fused(progress=True) as session:
    search.fit(X, y)
print(f"\n{session.report}")
frame = to_frame(search)
splits = [f"split{fold}_test_score" for fold in range(3)]
table = frame[["activation", *splits, "mean_test_score", "std_test_score"]]
table = table.rename(columns={"mean_test_score": "ours", "std_test_score": "spread"})
if not args.quick:
    table["original"] = table["activation"].map(ORIGINAL_SEARCH)
    table["difference"] = table["ours"] - table["original"]
print(table.to_string(index=False, float_format=lambda value: f"{value:.5f}"))
print("The spread is the standard deviation over the folds.")

order = ["activation", *splits, "mean_test_score", "std_test_score", "rank_test_score"]
to_hiplot(search, order=order, hide="mean_fit_time").to_html(args.page)
print(f"HiPlot page: {args.page.resolve().as_uri()}")
