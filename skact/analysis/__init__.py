"""What tables mean: comparison, paired tests, diagnosis."""
