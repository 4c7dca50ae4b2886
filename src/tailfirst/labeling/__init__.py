"""The acts that buy labels: each one step of a round, safe to kill anywhere and to repeat."""
