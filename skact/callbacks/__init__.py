"""What watches training: the training log, the fold scorer, the activation monitor."""
