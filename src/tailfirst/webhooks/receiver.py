"""What happens to one webhook: verify it, write one row, end. No label is parsed and no flow is run here."""

import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tailfirst import config, plugins
from tailfirst.artifacts import sha256_bytes
from tailfirst.config import Settings
from tailfirst.context import utc_now
from tailfirst.errors import AuthRefused, ConfigError, InvalidDelivery, LedgerError, WebhookStale
from tailfirst.ledger import Ledger, NewHint
from tailfirst.ledger.records import InboxStatus
from tailfirst.paths import Workspace
from tailfirst.port import LabelVendor, WebhookHint
from tailfirst.webhooks.group import Group
from tailfirst.webhooks.metrics import Standing
from tailfirst.webhooks.outcomes import Outcome
from tailfirst.webhooks.spool import Spool

LOG = logging.getLogger(__name__)
STORED = {
    "WAITING": Outcome.STORED,
    "PARKED": Outcome.PARKED,
    "REPEATED": Outcome.REPEATED,
    "REPLAYED": Outcome.REPLAYED,
}
KEEP = timedelta(days=30)
MISSES_OVER = timedelta(hours=24)
TEXT_MAX = 256
PATH_MIN = 20
BUSY_MS = 3_000  # a caller waits for its answer; after that it is told to come again


@dataclass(frozen=True, slots=True)
class Receiver:
    """The webhooks of one campaign at one vendor; its methods may run in several threads."""

    campaign: str
    vendor: LabelVendor
    ledger: Ledger
    now: Callable[[], datetime] = utc_now
    secret_path: str | None = None
    spool: Path | None = None  # where calls wait for a SQLite ledger; None = they wait for the ledger itself
    _sink: Group | Spool = field(init=False)

    def __post_init__(self) -> None:
        """Refuse what could verify nothing.

        Raises:
            ConfigError: The vendor pushes nothing, has no secret, or signs nothing and has no secret path; or another
                process serves this ledger.
        """
        push = self.vendor.capabilities().push
        if push == "NONE":
            raise ConfigError(f"vendor {self.vendor.name} sends no webhooks; polling needs none")
        if self.secret_path is not None and len(self.secret_path) < PATH_MIN:
            raise ConfigError(f"TAILFIRST_WEBHOOK_PATH is shorter than {PATH_MIN} characters and could be guessed")
        if push == "UNSIGNED" and self.secret_path is None:
            raise ConfigError(
                f"vendor {self.vendor.name} signs nothing; set TAILFIRST_WEBHOOK_PATH to a long random word and give "
                "the vendor the address that ends with it"
            )
        self._verifies_something()
        inbox = self.ledger.inbox
        object.__setattr__(self, "_sink", Spool(self.spool, inbox) if self.spool else Group(inbox))

    def _verifies_something(self) -> None:
        """An empty call must be refused for what it is, not for want of a secret."""
        try:
            self.vendor.verify_webhook({}, b"", self.now())
        except (AuthRefused, InvalidDelivery):
            return
        raise ConfigError(f"vendor {self.vendor.name} takes an empty call for a webhook; this cannot be served")

    def serves(self, source: str, secret: str | None) -> bool:
        """Whether a path is ours: the campaign or the vendor, and the secret part where there is one."""
        named = source in {self.campaign, self.vendor.name}
        return named and hmac.compare_digest((secret or "").encode(), (self.secret_path or "").encode())

    def receive(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Verify a call and store its hint."""
        try:
            hint = self.vendor.verify_webhook(headers, body, self.now())
            new = self._new(hint, body)
            unsigned = self.vendor.capabilities().push == "UNSIGNED"
            return STORED[self._sink.store(new, again=unsigned)]
        except WebhookStale:
            return Outcome.STALE
        except AuthRefused:
            return Outcome.FORGED
        except InvalidDelivery:
            return Outcome.MALFORMED
        except (LedgerError, DBAPIError, ConfigError) as error:
            LOG.warning("a webhook could not be taken: %s", error)
            return Outcome.UNAVAILABLE

    def _new(self, hint: WebhookHint, body: bytes) -> NewHint:
        """The row to store.

        Raises:
            InvalidDelivery: The hint holds what no database takes, or no vendor means.
        """
        now = self.now()
        aware = hint.sent_at.utcoffset() is not None and abs(hint.sent_at.year - now.year) <= 1
        if not (aware and hint.delivery_id and all(map(_plain, (hint.delivery_id, *hint.vendor_ids)))):
            raise InvalidDelivery("the webhook's delivery id, vendor ids or time are unusable")
        return NewHint(
            self.campaign, self.vendor.name, hint.delivery_id, sha256_bytes(body), hint.vendor_ids, hint.sent_at, now
        )

    def healthy(self) -> bool:
        """Whether the ledger can be read."""
        try:
            with self.ledger.database.read() as connection:
                return connection.execute(text("SELECT 1")).scalar() == 1
        except DBAPIError as error:
            LOG.warning("the ledger cannot be read: %s", error)
            return False

    def standing(self) -> Standing | None:
        """What the ledger says about the inbox; None = it cannot be read."""
        try:
            return Standing(self.inbox(), self.ledger.inbox.miss_rate(self.campaign, self.now() - MISSES_OVER))
        except DBAPIError as error:
            LOG.warning("the inbox cannot be read: %s", error)
            return None

    def inbox(self) -> InboxStatus:
        """What lies in the inbox."""
        return self.ledger.inbox.status(self.campaign)

    def prune(self) -> int:
        """Forget hints that are older than 30 days; returns how many. A busy ledger is left alone until next time."""
        try:
            return self.ledger.inbox.prune(self.now() - KEEP)
        except (LedgerError, DBAPIError) as error:
            LOG.warning("old hints could not be forgotten: %s", error)
            return 0

    def close(self) -> None:
        """Move what waits into the ledger, and close that."""
        if isinstance(self._sink, Spool):
            self._sink.close()
        self.ledger.close()

    @classmethod
    def open(cls, root: Path, settings: Settings | None = None) -> Self:
        """The receiver of a workspace.

        Raises:
            ConfigError: No workspace, wrong params.yaml, or a vendor without verifiable webhooks.
        """
        ws, found = Workspace(root.absolute()), settings or Settings()
        params = config.load(ws.params)
        vendor = plugins.load("vendors", params.vendor.plugin).load(params.vendor.params("vendors"), ws, found)
        path = found.webhook_path.get_secret_value() if found.webhook_path else None
        ledger = Ledger.open(found.ledger_url or f"sqlite:///{ws.ledger}", busy_ms=BUSY_MS, eager=True)
        try:
            return cls(params.campaign.name, vendor, ledger, secret_path=path, spool=spool_of(ledger))
        except BaseException:
            ledger.close()
            raise


def spool_of(ledger: Ledger) -> Path | None:
    """The file beside a SQLite ledger; None for PostgreSQL, whose writers do not wait for each other."""
    path = ledger.database.path
    return None if path is None else path.with_name(f"{path.name}.webhooks")


def _plain(word: str) -> bool:
    """Whether every database takes this text as an id."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return len(word) <= TEXT_MAX and "\0" not in word
