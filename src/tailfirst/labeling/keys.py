"""The names of purchases (specs/vendor.md section 3): never a time, a random number or a run id in them.

Two processes that plan the same purchase compute the same key, so the second one is no purchase.
"""

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import ConfigError
from tailfirst.port import BatchKey, Purpose, SubmissionKey

MIN_HEX = 32  # fewer would let two purchases share a name


def submission_key(
    project: str,
    ontology_version: str,
    item_digest: str,
    purpose: Purpose,
    attempt: int,
    overlap_slot: int,
    max_chars: int = 128,
) -> SubmissionKey:
    """The key of one purchase of one item.

    Args:
        project: Slug of the project: keeps keys of two projects apart where the vendor's namespace is global.
        ontology_version: Another ontology is another question.
        item_digest: sha256 of the item's bytes.
        purpose: Why it is bought.
        attempt: 1 for the first purchase; grows for a rework or a resubmission.
        overlap_slot: 0 where the vendor makes the overlap.
        max_chars: What the vendor takes; the hash is cut to fit, never below 32 digits.

    Raises:
        ConfigError: The vendor takes too few characters.
    """
    value = [project, ontology_version, item_digest, purpose, attempt, overlap_slot]
    digest = sha256_bytes(canonical_json(value).encode())
    head = f"tf-{project}-"
    room = max_chars - len(head)
    if room < MIN_HEX:
        raise ConfigError(
            f"campaign.name {project!r} leaves {room} characters of the vendor's {max_chars} for the key's hash; "
            f"{MIN_HEX} are needed: shorten the name by {MIN_HEX - room}"
        )
    return SubmissionKey(head + digest[:room])


def batch_key(project: str, round_no: int, purpose: Purpose, shard: int = 0) -> BatchKey:
    """The key of an order."""
    return BatchKey(sha256_bytes(f"{project}|{round_no}|{purpose}|{shard}".encode()))


def payload_sha256(
    item_id: str, item_digest: str, purpose: Purpose, attempt: int, overlap_slot: int, prelabel: str | None = None
) -> str:
    """Hex sha256 of what the vendor is asked; asset URLs are left out, because they are refreshed."""
    return sha256_bytes(canonical_json([item_id, item_digest, purpose, attempt, overlap_slot, prelabel]).encode())
