"""
ActMLP in an existing pipeline
==============================

After this example you can put :class:`~skact.ActMLP` where ``MLPClassifier`` stands
now. Nothing else of the pipeline changes.
"""

# %%
# A table with numeric and categorical columns
# --------------------------------------------
# A ``ColumnTransformer`` prepares them, as for any other classifier.
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skact import ActMLP

X, y = load_wine(return_X_y=True, as_frame=True)
X["color"] = pd.cut(
    X.pop("color_intensity"), [0, 4, 6, 99], labels=["pale", "red", "deep"]
)
columns = make_column_transformer(
    (OneHotEncoder(), ["color"]), remainder=StandardScaler()
)

# %%
# The same pipeline twice
# -----------------------
# ``hidden_layer_sizes`` is ``hidden`` (or ``width`` and ``depth``), ``max_iter`` is
# ``max_epochs``, ``learning_rate_init`` is ``lr``, ``alpha`` is ``weight_decay``.
before = make_pipeline(columns, MLPClassifier((32, 32), max_iter=500, random_state=0))
after = make_pipeline(
    columns, ActMLP("relu", hidden=(32, 32), max_epochs=100, random_state=0)
)
for pipe in (before, after):
    scores = cross_val_score(pipe, X, y, cv=5)
    print(f"{type(pipe[-1]).__name__}: {scores.mean():.3f} ± {scores.std():.3f}")

# %%
# Other activations, and dropout, are one parameter away:
after.set_params(actmlp__activation="silu", actmlp__dropout=0.2)
print(f"silu, dropout .2: {cross_val_score(after, X, y, cv=5).mean():.3f}")
