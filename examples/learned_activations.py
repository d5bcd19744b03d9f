"""
Activations that learn their shape
==================================

After this example you can draw any activation, and the shapes that a network has
learned.
"""

# %%
# The catalogue
# -------------
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

from skact import ActivationDisplay, ActMLP, get_activation, list_activations

learnable = [name for name in list_activations() if get_activation(name).learnable]
print(f"activations with parameters that are trained: {', '.join(learnable)}")
ActivationDisplay.from_activations(
    ["relu", "leaky_relu(0.2)", "elu", "silu", "gelu", "tanh"], derivative=True
)

# %%
# What PReLU learns
# -----------------
# Each layer has a slope of its own. It begins at .25.
X, y = load_digits(return_X_y=True)
net = ActMLP("prelu", width=32, depth=3, lr=0.01, max_epochs=40, random_state=0)
net.fit(scale(X), y)
ActivationDisplay.from_estimator(net)
