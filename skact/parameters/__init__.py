"""What a hyperparameter, and an argument of `fit`, may be; the errors for all else."""
