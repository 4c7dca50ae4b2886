"""The stage leaves out what was taken down, by id, by recorded bytes and by bytes that nobody recorded; it says so."""

import json
from datetime import UTC, datetime

import pytest

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes, write_parquet
from tailfirst.config import Settings
from tailfirst.fetching.spool import Outcome, Spool
from tailfirst.retrieval import run as stage
from tailfirst.takedowns import as_table
from tests.support.fake_encoder import FakeEncoder
from tests.support.open_world import open_row, params, write_items, write_open, write_task
from tests.support.pictures import picture

AT = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://images.example/{}"


@pytest.fixture
def ws(tmp_path, monkeypatch):
    made = write_task(tmp_path)
    write_items(made, [picture(number) for number in range(3)])
    unrecorded = open_row(13, "a bear", picture(13)) | {"sha256": None}
    addresses = [open_row(number, "a bear", url=URL.format(number)) for number in (14, 15)]
    write_open(
        made, [*(open_row(number, "a bear", picture(number)) for number in (10, 11, 12)), unrecorded, *addresses]
    )
    spool = Spool(made)
    for number in (14, 15):
        image = picture(number)
        spool.add(
            Outcome(URL.format(number), "done", None, retryable=False, http_status=200, tries=1, at=AT,
                    sha256=sha256_bytes(image), image=image)
        )  # fmt: skip
    spool.close()
    monkeypatch.setattr(stage, "load_encoder", lambda *_: FakeEncoder())
    return made


def retrieved(ws):
    stage.retrieve(ws, params(retrieval={"max_similarity": 1.0}), Settings(device="cpu"))
    rows = schemas.read(ws.retrieved, schemas.RETRIEVED).to_pylist()
    return {int(row["open_id"][1:], 16) for row in rows}, json.loads(ws.retrieval_summary.read_text())["dropped"]


def test_what_came_by_its_url_is_retrieved_like_the_rest(ws):
    assert retrieved(ws) == ({10, 11, 12, 13, 14, 15}, {})


def test_what_is_on_the_list_is_left_out_and_counted(ws):
    listed = [
        {"id": open_row(10, "")["open_id"]},
        *({"id": str(number), "sha256": sha256_bytes(picture(number))} for number in (11, 13, 14)),
    ]
    write_parquet(ws.takedowns, as_table([{**row, "reason": "asked", "at": AT, "found": ""} for row in listed]))
    assert retrieved(ws) == ({12, 15}, {"taken_down": 4})
