"""The estimators: parameters, inputs, components, the two loops, predictions."""
