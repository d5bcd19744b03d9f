"""Search 60 networks on scikit-learn's digits: which activation, width and rate?
==============================================================================

.. code-block:: sh

    python examples/digits_search.py [--page digits_search.html] [--open]

Prints the ranked table and writes a HiPlot page: one line a candidate, from its
hyperparameters on the left to its accuracy on the right.
"""

# %%
import argparse
import webbrowser
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, fused, to_frame, to_hiplot

parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
parser.add_argument("--page", type=Path, default=Path("digits_search.html"))
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--open", action="store_true", help="open the page in a browser")
args = parser.parse_args()

# %%
# The search: 12 candidates x 5 folds, in a plain scikit-learn pipeline.
X, y = load_digits(return_X_y=True)
net = ActMLP(max_epochs=args.epochs, dtype="float32", random_state=0)
grid = {
    "actmlp__activation": ["relu", "tanh", "leaky_relu(0.2)"],
    "actmlp__width": [32, 128],
    "actmlp__lr": [0.03, 0.0003],
}
search = GridSearchCV(make_pipeline(StandardScaler(), net), grid, cv=5)
with fused(progress=True) as session:  # all 60 networks train together
    search.fit(X, y)
print(session.report)

# %%
# The table, best first:
frame = to_frame(search)
columns = ["rank_test_score", "activation", "width", "lr", "mean_test_score"]
columns += ["std_test_score", "mean_fit_time"]
print(frame[columns].to_string(index=False, float_format=lambda value: f"{value:.4g}"))
print(
    f"\n{len(frame) * search.n_splits_} networks trained; best: {search.best_params_}"
)

# %%
# The page, in a file:
page = to_hiplot(search)
page.to_html(args.page)
print(f"HiPlot page: {args.page.resolve().as_uri()}")
if args.open:
    webbrowser.open(args.page.resolve().as_uri())

# %%
# In a notebook the page is the last line of a cell. Drag along an axis:
page
