"""Training of jobs. It imports no scikit-learn, no skorch and no HiPlot."""
