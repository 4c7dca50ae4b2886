"""Label Studio: the adapter against a real server of this process, with people and faults around it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tailfirst.paths import Workspace
from tailfirst.port import LabelVendor
from tailfirst.task import load_task
from tailfirst.vendors._label_studio_http import Client
from tailfirst.vendors._label_studio_params import Params
from tests.support import label_studio
from tests.support.vendors.kit import Kit
from tests.support.vendors.label_studio_office import STAFF, Line, Office, Staffed

FAULTS = frozenset({
    "create_timeout", "conflict_409", "batch_partial", "duplicate_event", "webhook_lost", "webhook_forged",
    "webhook_early", "cursor_skip", "export_truncated", "sla_partial", "late_label", "label_changed",
    "label_unknown_class", "ontology_drift", "payload_malformed", "answers_swapped", "asset_unreachable", "vendor_down",
    "rate_limited", "auth_revoked", "cancel_too_late", "annotator_spam", "guideline_ambiguous", "relabel_correlated",
    "vendor_retention", "machine_labeled", "prelabel_anchoring", "clock_skew",
})  # fmt: skip
ABSENT: Mapping[str, str] = {
    "token_expired": "imports know no idempotency token",
    "out_of_order": "the server keeps only the newest state of an answer, an older one cannot come after it",
    "balance_empty": "one's own server has no balance",
    "price_changed": "the price list is ours: it changes with params.yaml, by us",
    "invoice_mismatch": "nobody sends an invoice",
    "gold_leaked": "the free edition mixes in no gold",
}
SECRET = "hook-secret"


def make_kit(root: Path, **options: Any) -> Kit:
    label_studio.forget_projects()
    server, office, ws = label_studio.server(), Office(), Workspace(root)
    params = Params.model_validate({"base_url": server.url, "overlap_s": 0, **options})

    def make(faults: Sequence[Mapping[str, Any]]) -> LabelVendor:
        office.arm(faults)
        line = Client(server.url, server.account.token, params.timeout_s, Line(office))
        vendor = Staffed(params, ws, load_task(ws.task), line, SECRET)
        vendor.office = office
        return vendor

    return Kit(make, FAULTS, ABSENT, lambda: {name: f"ls-{label_studio.person(name).number}" for name in STAFF})


KITS: dict[str, Callable[[Path], Kit]] = {"free edition": make_kit}
