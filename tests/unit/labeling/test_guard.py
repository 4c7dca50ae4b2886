"""Waiting for a vendor: how long, how often, and who may see the items."""

from dataclasses import replace
from typing import Any

import pytest

from tailfirst.errors import UserError
from tailfirst.labeling._capabilities import check_people, switched_off
from tailfirst.labeling._guard import FIRST_S, LONGEST_S, wait_s


def test_waits_double_up_to_an_hour_and_never_meet() -> None:
    for failures in range(1, 12):
        whole = min(FIRST_S * 2 ** (failures - 1), LONGEST_S)
        assert 0.75 * whole <= wait_s(failures, "one") <= 1.25 * whole
    assert wait_s(3, "one") == wait_s(3, "one") != wait_s(3, "two")


def test_private_items_never_go_to_an_open_crowd(world: Any) -> None:
    with world.context() as ctx:
        crowd = replace(ctx.vendor.capabilities(), workforce="OPEN_CROWD")
    check_people("acme", crowd, "PUBLIC")
    for data_class in ("PRIVATE", "PERSONAL"):
        with pytest.raises(UserError, match=f"data_class is {data_class} and vendor acme works with an open crowd"):
            check_people("acme", crowd, data_class)
        check_people("acme", replace(crowd, workforce="CONTRACTED"), data_class)


def test_what_a_vendor_lacks_is_said(world: Any) -> None:
    with world.context() as ctx:
        offered = ctx.vendor.capabilities()
    (said,) = switched_off("acme", replace(offered, cancel="NONE", cost="NONE", idempotency="NONE", overlap_max=1))
    for words in ("nothing can be taken back", "our own price list", "knows no keys", "each item gets one answer"):
        assert words in said
