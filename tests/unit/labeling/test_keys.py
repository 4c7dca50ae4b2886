import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.errors import ConfigError
from tailfirst.labeling.keys import batch_key, payload_sha256, submission_key

DIGEST = "ab" * 32


def test_key_is_the_hash_of_canonical_json() -> None:
    text = f'["birds","2","{DIGEST}","TRAIN",1,0]'
    want = "tf-birds-" + hashlib.sha256(text.encode()).hexdigest()
    assert submission_key("birds", "2", DIGEST, "TRAIN", 1, 0) == want


def test_batch_key_by_hand() -> None:
    assert batch_key("birds", 3, "TRAIN") == hashlib.sha256(b"birds|3|TRAIN|0").hexdigest()


@given(st.integers(32 + 9, 200))
def test_key_fits_the_vendor(room: int) -> None:
    whole = submission_key("birds", "2", DIGEST, "TRAIN", 1, 0, max_chars=200)
    key = submission_key("birds", "2", DIGEST, "TRAIN", 1, 0, max_chars=room)
    assert len(key) <= room
    assert whole.startswith(key)
    assert len(key.rpartition("-")[2]) >= 32


def test_too_narrow_a_vendor_is_named() -> None:
    with pytest.raises(ConfigError, match=r"leaves 31 characters of the vendor's 40 .* shorten the name by 1"):
        submission_key("birds", "2", DIGEST, "TRAIN", 1, 0, max_chars=40)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["birds", "cars"]),
            st.sampled_from(["1", "2"]),
            st.sampled_from([DIGEST, "cd" * 32]),
            st.sampled_from(["TRAIN", "AUDIT"]),
            st.integers(1, 3),
            st.integers(0, 2),
        ),
        unique=True,
    )
)
def test_different_purchases_have_different_keys(purchases: list[tuple[str, str, str, str, int, int]]) -> None:
    keys = {submission_key(*purchase) for purchase in purchases}  # type: ignore[arg-type]
    assert len(keys) == len(purchases)


def test_payload_hash_depends_on_every_part() -> None:
    base = ("i", DIGEST, "TRAIN", 1, 0)
    others = [("j", *base[1:]), (*base[:2], "AUDIT", 1, 0), (*base[:3], 2, 0), (*base[:4], 1)]
    assert len({payload_sha256(*p) for p in [base, *others]}) == 5  # type: ignore[arg-type]
