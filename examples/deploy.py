"""
Leave Python: ONNX, and a file that is safe to load
===================================================

After this example you can use a fitted pipeline in a service without Python, and in
another process, without pickle.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skact import ActMLP, load_model, save_model, to_onnx

X, y = load_wine(return_X_y=True)
net = ActMLP("gelu", norm="batch", random_state=0)
pipe = make_pipeline(StandardScaler(), net).fit(X, y)
folder = Path(tempfile.mkdtemp())

# %%
# A service without Python
# ------------------------
# The file holds the scaler and the network. onnxruntime runs it in many languages.
model = to_onnx(pipe, folder / "model.onnx")
print("inputs:", [one.name for one in model.graph.input])
print("outputs:", [one.name for one in model.graph.output])
session = onnxruntime.InferenceSession(folder / "model.onnx")
label, probabilities = session.run(None, {"X": X.astype(np.float32)})
print("same labels:", (label == pipe.predict(X)).all())
print(f"largest difference: {abs(probabilities - pipe.predict_proba(X)).max():.0e}")

# %%
# Each point is a wine and a class: what Python says, and what the file says.
fig, ax = plt.subplots(figsize=(4, 4), layout="constrained")
ax.plot(pipe.predict_proba(X), probabilities, "o", alpha=0.5)
ax.set(xlabel="predict_proba in Python", ylabel="onnxruntime, without Python")

# %%
# Another process with Python
# ---------------------------
# Loading runs no code of the file, so it may come from somebody else.
file = folder / "model.skact"
save_model(pipe, file)
again = load_model(file)
print(f"{file.stat().st_size:,} bytes")
print("equal to the last bit:", (again.predict_proba(X) == pipe.predict_proba(X)).all())
