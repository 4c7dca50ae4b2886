"""Every error that tailfirst raises on purpose.

TailfirstError
├── UserError                 bad input: the command ends with exit code 2 and has changed nothing
│   ├── ConfigError           params.yaml, settings, an unknown plugin
│   ├── TaskFolderError       task.yaml, items.parquet, images, labels
│   │   └── OntologyError     a migration is wrong or does not fit the classes
│   ├── Unavailable           what was asked needs something this task lacks (prototypes, an oracle, ...)
│   └── PoolExhausted         fewer eligible items than the budget
├── StaleArtifact             a file's bytes differ from the recorded sha256
├── EncoderMismatch           vectors and model come from different encoders
├── CheckFailed               a Great Expectations gate did not pass
├── LedgerError
│   ├── IllegalTransition     not in the state machine of specs/vendor.md section 4
│   ├── OverCap               the money cap does not reach
│   ├── LeaseLost             another worker holds the batch now (fencing token refused)
│   └── Conflict              the same key with another payload
├── FetchError                a URL of the open corpus gave no image
│   ├── UrlRefused            final: our own rules forbid it
│   ├── UrlGone               final: the server or the name server says no
│   └── UrlRetry              repeat later, maybe after `retry_after_s`
└── VendorError               classified once, in the adapter
    ├── Retryable             repeat later
    │   └── Throttled         repeat after `retry_after_s`
    ├── AuthRefused           final: keys
    │   ├── WebhookForged     a call to us that the vendor did not sign
    │   └── WebhookStale      signed by the vendor, but too long ago (or ahead)
    ├── QuotaExceeded         final until someone pays: balance
    ├── VendorConflict        final: the key exists with another payload
    ├── InvalidDelivery       final: unreadable bytes; quarantined
    └── Gone                  final: the vendor deleted it
"""


class TailfirstError(Exception):
    """Base of all errors raised on purpose."""


class UserError(TailfirstError):
    """Bad input: says what was asked, what was found, what exists and what to do."""


class ConfigError(UserError):
    """params.yaml, a setting or a plugin name is wrong."""


class TaskFolderError(UserError):
    """The task folder (data/) is missing something or holds something unusable."""


class OntologyError(TaskFolderError):
    """A migration of the ontology cannot be read, or does not fit the classes there are."""


class Unavailable(UserError):
    """The task lacks what this needs, for example prototypes for zero-shot."""


class PoolExhausted(UserError):
    """The pool has fewer eligible items than the budget asks for."""


class StaleArtifact(TailfirstError):
    """A file changed after its sha256 was recorded."""


class EncoderMismatch(TailfirstError):
    """Vectors and model come from different encoders."""


class CheckFailed(TailfirstError):
    """A gate on a table did not pass."""


class LedgerError(TailfirstError):
    """The ledger refuses."""


class IllegalTransition(LedgerError):
    """A state change that the state machine does not know."""


class OverCap(LedgerError):
    """The approved money does not reach this far."""


class LeaseLost(LedgerError):
    """Another worker took over: stop, write nothing."""


class Conflict(LedgerError):
    """The same key with a different payload."""


class FetchError(TailfirstError):
    """A URL gave no image; the message is one of few short reasons, so that they can be counted."""

    def __init__(self, reason: str, http_status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.http_status = http_status


class UrlRefused(FetchError):
    """Our own rules forbid it; never asked again."""


class UrlGone(FetchError):
    """The server or the name server says no; never asked again."""


class UrlRetry(FetchError):
    """Safe to repeat later; `retry_after_s` where the server said when."""

    def __init__(self, reason: str, http_status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(reason, http_status)
        self.retry_after_s = retry_after_s


class VendorError(TailfirstError):
    """A vendor call failed."""


class Retryable(VendorError):
    """Safe to repeat later."""


class Throttled(Retryable):
    """Safe to repeat after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AuthRefused(VendorError):
    """Credentials refused; never retried."""


class WebhookForged(AuthRefused):
    """A call to our webhook without a valid signature."""


class WebhookStale(AuthRefused):
    """A validly signed call to our webhook outside the time window."""


class QuotaExceeded(VendorError):
    """The vendor's balance or quota is used up; never retried."""


class VendorConflict(VendorError):
    """The vendor knows the key with another payload."""


class InvalidDelivery(VendorError):
    """The delivered bytes cannot be read; raw is kept, a replay can release it."""


class Gone(VendorError):
    """The vendor no longer has it."""
