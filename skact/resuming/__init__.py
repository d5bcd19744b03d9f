"""No training is done twice: fits have names, and go on from where they stood."""
