"""The demo task: a small image world the project draws itself, and the VLM trained on it."""
