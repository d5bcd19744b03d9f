"""Fitted nets and pipelines that leave Python, as files that other programs read."""
