"""The network: the module with weights, and its forward pass over many rows."""
