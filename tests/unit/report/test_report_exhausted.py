"""The page of a round whose batch left out a search."""

import json

from tailfirst.report import build
from tests.support import sealed
from tests.support.sealed import build as make


def test_the_page_names_classes_that_were_not_searched_for(tmp_path):
    ws = make(tmp_path / "w", rounds=1, names={c: f"<{c}>" for c in sealed.CLASSES})
    path = ws.sealed(1) / "round.json"
    record = json.loads(path.read_text())
    words = "Not searched for until the pool grows"
    assert words not in page(ws)
    path.write_text(json.dumps(record | {"acquisition": {"exhausted": ["owl", "key"]}}))
    assert f"{words}, because the last searches brought no member: &lt;owl&gt;, &lt;key&gt;." in page(ws)


def page(ws):
    from tailfirst import config

    build.report(ws, config.load(ws.params))
    return next(ws.report.glob("round-0001.html")).read_text()
