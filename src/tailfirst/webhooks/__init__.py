"""The receiver of vendors' webhooks: a webhook is a hint that something changed, and never more than that."""
