"""
Which width, which depth?
=========================

After this example you can search the size of a network, see the scores against the
width, and play with all candidates on a HiPlot page.
"""

# %%
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, SearchDisplay, fused, to_frame, to_hiplot

X, y = load_digits(return_X_y=True)
net = ActMLP(max_epochs=15, dtype="float32", random_state=0)
grid = {
    "actmlp__width": [8, 16, 32, 64, 128],
    "actmlp__depth": [1, 2, 3],
    "actmlp__lr": [0.01, 0.003],
}
search = GridSearchCV(make_pipeline(StandardScaler(), net), grid, cv=3)
with fused():  # 90 networks train together
    search.fit(X, y)
columns = ["width", "depth", "lr", "mean_test_score", "std_test_score"]
print(to_frame(search)[columns].head(6).to_string(index=False))

# %%
# Scores against the width
# ------------------------
# Each point is the best rate of its width and depth; bars are the spread of the folds.
SearchDisplay.from_estimator(search, x="width", hue="depth")

# %%
# All candidates
# --------------
# Each line is a candidate. Drag along an axis: only the lines in your range stay. Drag
# along ``mean_test_score``, near the top, to see what good networks have in common.
to_hiplot(search)
