"""Training of plainly described networks; no scikit-learn, skorch or HiPlot in here."""
