"""Scheduled active-learning rounds with vision-language models, open data and an outside labeling vendor."""

__version__ = "0.1.0"
