"""Adaptations: one file each with `fit(train, params, rng)` and `load(folder)`, both giving a Model."""
