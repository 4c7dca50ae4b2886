"""Calls of the port that a vendor lacks the feature for: its capabilities say so, and these say it again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from tailfirst.errors import AuthRefused
from tailfirst.port import ItemOutcome, ReviewReport, TaskRef, WebhookHint


class NoReviews:
    """Takes no reviews (Capabilities.review is False)."""

    why_no_reviews: str  # in a sentence for people

    def review(
        self,
        ref: TaskRef,
        verdict: Literal["ACCEPT", "REJECT", "REWORK"],  # noqa: ARG002 - the port's shape
        reason: str,  # noqa: ARG002 - the port's shape
        key: str,  # noqa: ARG002 - the port's shape
    ) -> ReviewReport:
        """Not offered: nothing is found to review."""
        return ReviewReport((ItemOutcome(ref.key, ref, self.why_no_reviews, "NOT_FOUND"),))


class NoWebhooks:
    """Sends no webhooks (Capabilities.push is NONE)."""

    who_sends_none: str  # a folder, the simulated vendor, ...

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookHint:  # noqa: ARG002
        """Refused.

        Raises:
            AuthRefused: Always.
        """
        raise AuthRefused(f"{self.who_sends_none} sends no webhooks (Capabilities.push is NONE)")
