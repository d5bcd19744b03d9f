"""Derivatives of activation functions: autograd's beside those of the catalogue
=============================================================================

.. code-block:: sh

    python examples/articles/derivative_curves.py    # seconds

The notebook that this example comes from (the original) draws activations and
their derivatives at 100 points of [-10, 10], prints the gradient that autograd finds
for the sigmoid, and sees that it is its own formula's to 4 digits. Here it is all five
activations against the catalogue's formulas, and the gradient to every printed digit.
"""

# %%
import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from skact import ActivationDisplay, get_activation, make_activation

NAMES = ["sigmoid", "tanh", "relu", "leaky_relu", "softplus"]
# The gradient of the sigmoid at the left half of the points, as the original prints it;
# the right half mirrors it.
# fmt: off
ORIGINAL_GRADIENT = [
    4.5396e-05, 5.5558e-05, 6.7994e-05, 8.3213e-05, 1.0184e-04, 1.2463e-04, 1.5252e-04,
    1.8666e-04, 2.2843e-04, 2.7954e-04, 3.4207e-04, 4.1859e-04, 5.1221e-04, 6.2673e-04,
    7.6682e-04, 9.3817e-04, 1.1477e-03, 1.4039e-03, 1.7172e-03, 2.1000e-03, 2.5677e-03,
    3.1389e-03, 3.8362e-03, 4.6869e-03, 5.7241e-03, 6.9876e-03, 8.5250e-03, 1.0394e-02,
    1.2661e-02, 1.5407e-02, 1.8724e-02, 2.2721e-02, 2.7521e-02, 3.3259e-02, 4.0084e-02,
    4.8151e-02, 5.7615e-02, 6.8615e-02, 8.1257e-02, 9.5592e-02, 1.1158e-01, 1.2906e-01,
    1.4771e-01, 1.6703e-01, 1.8633e-01, 2.0471e-01, 2.2118e-01, 2.3471e-01, 2.4435e-01,
    2.4936e-01,
]
# fmt: on

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--figure", type=Path, default=Path("derivative_curves.png"))
args = parser.parse_args()

z = np.linspace(-10, 10, 100)


def autograd(name: str) -> torch.Tensor:
    x = torch.tensor(z, requires_grad=True)
    make_activation(name)(x).backward(torch.ones_like(x))
    return x.grad


# %% The gradient of the sigmoid, beside the one that the original prints
ours = np.array([float(f"{value:.4e}") for value in autograd("sigmoid")])
original = np.array([*ORIGINAL_GRADIENT, *reversed(ORIGINAL_GRADIENT)])
columns = {"z": z, "ours": ours, "original": original, "difference": ours - original}
some = [0, 25, 49, 50, 99]  # the table is for the eye; the sentence speaks of all
table = pd.DataFrame(columns).iloc[some]
print(table.to_string(index=False, float_format=lambda value: f"{value:.5g}"))
equal = (ours == original).sum()
print(
    f"{equal} of {len(z)} gradients of the sigmoid are the original's, to the last "
    "digit."
)

# %% Autograd against the catalogue, as the original compares them: rounded to 4 digits
rows = []
for name in NAMES:
    entry = get_activation(name)
    difference = (autograd(name) - entry.derivative(torch.tensor(z))).numpy()
    rounded = np.unique(np.abs(np.round(difference, 4)))
    rows.append((name, entry.derivative_formula, rounded, np.abs(difference).max()))
columns = ["activation", "derivative", "rounded difference", "largest difference"]
print(f"\n{pd.DataFrame(rows, columns=columns).to_string(index=False)}")
print("(The original has array([0.]) for the sigmoid, and compares no other.)")


# %% The original's derivative of leaky ReLU is wrong
# It gives the small slope to the positive side, where it is 1, and 0 to the negative
# side, where it is the small slope: no gradient at all for the inputs that leaky ReLU
# is there to save.
def original_derivative(a: np.ndarray) -> np.ndarray:
    return 0.01 * (a > 0)


at = torch.tensor([-1.0, 1.0])
correct = get_activation("leaky_relu").derivative(at).numpy()
wrong = original_derivative(make_activation("leaky_relu")(at).numpy())
rows = zip(at.numpy(), correct, wrong, correct - wrong, strict=True)
table = pd.DataFrame(rows, columns=["z", "ours", "original", "difference"])
print("\nThe derivative of leaky ReLU, which the original has wrong:")
print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))

# %% Each activation with its derivative
display = ActivationDisplay.from_activations(NAMES, derivative=True, x=(-4, 4))
each = args.figure.with_stem(f"{args.figure.stem}_each")
display.figure_.savefig(each)
print(f"\nEach with its activation: {each.resolve().as_uri()}")

# %% The original's last figure: the derivatives, and what it drew for leaky ReLU
display = ActivationDisplay.from_activations(
    NAMES, derivative="only", x=z, multiples=False
)
for name, line in zip(NAMES, display.derivative_lines_, strict=True):
    # leaky ReLU hides ReLU, unless it leaves gaps
    line.set_linestyle("--" if name == "leaky_relu" else "-")
wrong = original_derivative(make_activation("leaky_relu")(torch.tensor(z)))
display.ax_.plot(
    z, wrong, color="0.3", linestyle=":", label="leaky_relu', as the original"
)
display.ax_.set(title="Derivatives of activation functions", xlabel="z")
display.ax_.legend()
display.figure_.savefig(args.figure)
print(f"Figure: {args.figure.resolve().as_uri()}")
