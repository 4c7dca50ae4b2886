"""A Label Studio server of one's own, in its own virtual environment: for people who try it, and for the tests.

The adapter `vendors/label_studio.py` needs none of this; it talks to any Label Studio by its URL.
"""
