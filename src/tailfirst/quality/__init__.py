"""Consensus and label quality: pure functions over annotations."""
