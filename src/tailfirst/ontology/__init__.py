"""The ontology as a versioned object: migrations are data, and old labels are read through them."""
