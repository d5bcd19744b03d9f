"""Conclusions from tables of results: comparison, paired tests, diagnosis."""
