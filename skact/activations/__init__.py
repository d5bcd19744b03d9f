"""Activations: the catalogue, how to build them, their gains and learning rates."""
