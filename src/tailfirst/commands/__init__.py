"""The commands of `tailfirst`, one module per job; heavy imports stand inside the functions."""
