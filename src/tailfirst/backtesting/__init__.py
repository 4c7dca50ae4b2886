"""Grids of simulated campaigns: which strategy and which adaptation buy what, on tasks with known answers."""
