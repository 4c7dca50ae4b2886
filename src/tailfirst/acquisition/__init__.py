"""Acquisition strategies: one file each, `select(view, budget, params, rng) -> Selection`; file name = plugin name."""
