"""Make the pictures of displays in the README: ``python docs/pictures.py``.

Those of HiPlot pages are screenshots of what the examples write, at 1,400 pixels.
"""

from pathlib import Path

import matplotlib as mpl
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import (
    ActivationDisplay,
    ActMLP,
    ComparisonDisplay,
    SearchDisplay,
    TrainingDisplay,
    TrainingLog,
    activation_grid,
    fused,
)

HERE = Path(__file__).parent
ACTIVATIONS = ["relu", "leaky_relu", "tanh", "sigmoid"]
SHAPES = ["sigmoid", "tanh", "leaky_relu(0.2)", "silu"]


def main() -> None:
    """Search the digits once, and draw the displays of it."""
    mpl.use("Agg")
    X, y = load_digits(return_X_y=True)
    log = TrainingLog()
    net = ActMLP(max_epochs=20, random_state=0).set_callbacks(log)
    grid = activation_grid(ACTIVATIONS, n_lr=5, prefix="actmlp__")
    pipe = make_pipeline(StandardScaler(), net)
    search = GridSearchCV(pipe, grid, scoring=log.scorer(), cv=5)
    with fused():
        search.fit(X, y)
    displays = {
        "activations": ActivationDisplay.from_activations(SHAPES, derivative=True),
        "comparison": ComparisonDisplay.from_search(search),
        "search_display": SearchDisplay.from_estimator(search),
        "training_display": TrainingDisplay.from_estimator(search),
    }
    for name, display in displays.items():
        display.figure_.savefig(HERE / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
