"""Models that leave the process: files for other programs and machines."""
