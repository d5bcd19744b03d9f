"""Callbacks that observe training: the log, the fold scorer and the monitor."""
