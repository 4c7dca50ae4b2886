"""When things run: Prefect flows. They import tasks and tailfirst, and hold no logic of their own."""
