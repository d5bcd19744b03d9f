"""Displays in matplotlib, and HiPlot pages."""
