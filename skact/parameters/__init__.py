"""What a hyperparameter, and a keyword of `fit`, may be; the errors for all else."""
