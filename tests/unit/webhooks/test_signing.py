"""Signing and verifying, against a value worked out with openssl, and every way in which a call can be wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.errors import AuthRefused, ConfigError, WebhookForged, WebhookStale
from tailfirst.webhooks.signing import ID_HEADER, SIGNATURE_HEADER, TIME_HEADER, several, sign, verify

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OLD, NEW = "an old secret of ours", "a new secret of ours"
BODY = b'{"task_id": "t-1"}'


def test_the_reference_value():
    # printf 'd-1.1772442000.{"task_id": "t-1"}' | openssl dgst -sha256 -hmac 'a new secret of ours' -binary | base64
    headers = sign(NEW, "d-1", NOW, BODY)
    assert headers[TIME_HEADER] == "1772442000"
    assert headers[SIGNATURE_HEADER] == "v1,qG63X9KsECSh0JX8yAfq4ulFc8mG3GZ+wUJ1jFDeeOI="


def test_a_signed_call_is_verified_in_any_case_of_header_names():
    headers = {name.title(): value for name, value in sign(NEW, "d-1", NOW, BODY).items()}
    seen = verify([NEW], headers, BODY, NOW)
    assert (seen.delivery_id, seen.sent_at) == ("d-1", NOW)


def test_two_secrets_are_valid_while_they_change_and_one_afterwards():
    by_old, by_new = sign(OLD, "d-1", NOW, BODY), sign(NEW, "d-1", NOW, BODY)
    for headers in (by_old, by_new):
        assert verify([NEW, OLD], headers, BODY, NOW).delivery_id == "d-1"
    with pytest.raises(WebhookForged):
        verify([NEW], by_old, BODY, NOW)
    both = {**by_new, SIGNATURE_HEADER: f"{by_old[SIGNATURE_HEADER]} {by_new[SIGNATURE_HEADER]}"}
    assert verify([NEW], both, BODY, NOW).delivery_id == "d-1"


@pytest.mark.parametrize(
    "change",
    [
        {SIGNATURE_HEADER: ""},
        {SIGNATURE_HEADER: "v1,"},
        {SIGNATURE_HEADER: "v1,%%%"},
        {SIGNATURE_HEADER: "v1,é"},
        {SIGNATURE_HEADER: "v0,AAAA"},
        {SIGNATURE_HEADER: " ".join(["v1,AAAA"] * 6)},
        {ID_HEADER: ""},
        {ID_HEADER: "d-2"},
        {ID_HEADER: "d.1"},
        {ID_HEADER: "d" * 129},
        {TIME_HEADER: ""},
        {TIME_HEADER: "1772442001"},
        {TIME_HEADER: "-1"},
        {TIME_HEADER: "1e9"},
        {TIME_HEADER: "٣"},
        {TIME_HEADER: "9" * 30},
    ],
)
def test_a_changed_header_is_forged(change):
    with pytest.raises(WebhookForged):
        verify([NEW], {**sign(NEW, "d-1", NOW, BODY), **change}, BODY, NOW)


@pytest.mark.parametrize("seconds", [301, -301])
def test_outside_five_minutes_is_stale_and_inside_is_not(seconds):
    headers = sign(NEW, "d-1", NOW, BODY)
    with pytest.raises(WebhookStale):
        verify([NEW], headers, BODY, NOW + timedelta(seconds=seconds))
    at_the_edge = NOW + timedelta(seconds=300 if seconds > 0 else -300)
    assert verify([NEW], headers, BODY, at_the_edge).sent_at == NOW


def test_a_stale_forgery_is_forged():
    with pytest.raises(WebhookForged):
        verify([NEW], sign(OLD, "d-1", NOW, BODY), BODY, NOW + timedelta(days=1))


@pytest.mark.parametrize("secrets", [[], ["short"], [NEW, ""]])
def test_no_usable_secret_is_a_mistake_of_ours(secrets):
    with pytest.raises(ConfigError):
        verify(secrets, sign(NEW, "d-1", NOW, BODY), BODY, NOW)


def test_secrets_come_comma_separated():
    assert several(f"{NEW}, {OLD},") == (NEW, OLD)
    assert several(None) == ()


@given(st.dictionaries(st.sampled_from([ID_HEADER, TIME_HEADER, SIGNATURE_HEADER, "x"]), st.text()), st.binary())
def test_whatever_else_comes_is_refused(headers, body):
    with pytest.raises(AuthRefused):
        verify([NEW], headers, body, NOW)


@given(st.binary(), st.integers(0, 200))
def test_one_flipped_bit_of_the_body_is_forged(body, place):
    changed = bytearray(body + b"x")
    changed[place % len(changed)] ^= 1 << (place % 8)
    with pytest.raises(WebhookForged):
        verify([NEW], sign(NEW, "d-1", NOW, body + b"x"), bytes(changed), NOW)
