"""How things run: thin, versioned Prefect tasks over the functions of tailfirst (retries, cache policy, artifacts)."""
