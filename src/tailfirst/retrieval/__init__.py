"""Open data for the classes: which captions name them, which of those rows may train, and which classes are rare."""
