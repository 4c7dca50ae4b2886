"""Indexes: a module here is a plugin with `Params` and `build(vectors, params) -> contracts.Index`."""
