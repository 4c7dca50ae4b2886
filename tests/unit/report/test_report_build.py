import json
import re
import shutil
from html.parser import HTMLParser

import pytest
import yaml

from tailfirst import artifacts
from tailfirst.config import Params
from tailfirst.errors import TaskFolderError
from tailfirst.report.build import page_path, report
from tailfirst.report.history import history
from tailfirst.report.sealed import read_sealed
from tailfirst.report.table import as_data, as_rich, campaign
from tests.support.sealed import CLASSES, build

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Strict(HTMLParser):
    """Collects what a page would load, and makes sure that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [v for k, v in attrs if k in {"src", "href", "data", "srcset", "action"} and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def params(ws):
    return Params.model_validate(yaml.safe_load(ws.params.read_text()))


def pages(ws):
    report(ws, params(ws))
    return {p.name: p.read_text() for p in sorted(ws.report.iterdir())}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    ws = build(tmp_path_factory.mktemp("images") / "w")
    return ws, pages(ws)


def test_one_page_per_sealed_round_and_an_index(images):
    assert list(images[1]) == ["index.html", "round-0001.html", "round-0002.html", "round-0003.html"]


def test_pages_load_nothing_from_outside(images):
    for text in images[1].values():
        page = Strict()
        page.feed(text)
        assert not page.open
        assert {"script", "link", "iframe"}.isdisjoint(page.tags)
        assert all(re.fullmatch(r"data:image/jpeg;base64,.*|(round-\d{4}|index)\.html", v) for v in page.loads)
        assert not re.search(r"https?://|url\(|@import", text)


def test_same_files_give_the_same_bytes(images, tmp_path):
    ws, first = images
    shutil.rmtree(ws.report)
    assert pages(ws) == first
    again = build(tmp_path / "elsewhere")
    assert pages(again) == first


def test_a_page_that_lies_around_goes(tmp_path):
    ws = build(tmp_path / "w", rounds=1)
    ws.report.mkdir()
    (ws.report / "round-0009.html").write_text("old")
    assert list(pages(ws)) == ["index.html", "round-0001.html"]


def test_page_says_what_was_bought_and_why(images):
    ws, made = images
    sealed = read_sealed(ws, 3)
    text = made["round-0003.html"]
    assert all(pick.item_id in text for pick in sealed.picks)
    assert text.count("data:image/jpeg") == len(sealed.picks)
    assert text.count("disagreed ") == sum(pick.disagreed for pick in sealed.picks) > 0
    assert "tail:owl" in text
    assert "4.32 USD" in text
    assert "12.96 USD" in text


def test_page_leads_back_to_the_bytes(images):
    ws, made = images
    text = made["round-0002.html"]
    record = json.loads((ws.sealed(2) / "round.json").read_text())
    assert record["batch_sha256"] in text
    assert artifacts.sha256_tree(ws.sealed(2)) in text
    assert all(sha in text for sha in record["files"].values())
    assert artifacts.sha256_file(ws.items) in text
    assert "tailfirst lineage round-0002" in text


def test_failed_checks_are_shown(images):
    assert "7d1f0c2a9be4" in images[1]["round-0003.html"]
    assert "7d1f0c2a9be4" not in images[1]["round-0002.html"]


def test_random_arm_and_zero_shot_stand_beside_the_curve(images):
    text = images[1]["round-0003.html"]
    assert 'class="random"' in text
    assert 'class="zero"' in text
    assert "over zero-shot" in text
    assert "No random arm" not in text


def test_texts_are_shown_escaped(tmp_path):
    text = pages(build(tmp_path / "w", modality="text", rounds=1))["round-0001.html"]
    assert "a &lt;b&gt;house&lt;/b&gt; &amp; more of it" in text
    assert "<b>house</b>" not in text
    assert "<img" not in text


def test_class_names_and_campaign_cannot_inject(tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    names = {c: c for c in CLASSES}
    ws = build(tmp_path / "w", rounds=1, modality="vector", names=names | {"owl": evil})
    text = pages(ws)["round-0001.html"]
    assert evil not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_without_oracle_and_zero_shot_the_page_says_so(tmp_path):
    made = pages(build(tmp_path / "w", modality="vector", oracle=False, zero_shot=False))
    for name in ("index.html", "round-0003.html"):
        assert "No random arm to compare with: this task has no oracle" in made[name]
        assert "No zero-shot to compare with: the encoder has no prototypes" in made[name]
    assert "vector 2" in made["round-0003.html"]


def test_without_a_sealed_round_the_index_says_so(tmp_path):
    made = pages(build(tmp_path / "w", rounds=0))
    assert list(made) == ["index.html"]
    assert "No sealed round yet" in made["index.html"]


def test_without_any_measure_the_page_still_stands(tmp_path):
    ws = build(tmp_path / "w", rounds=1)
    for path in (ws.choice, ws.control, ws.class_counts):
        path.unlink()
    shutil.rmtree(ws.work / "candidates")
    shutil.rmtree(ws.embeddings)
    text = pages(ws)["round-0001.html"]
    assert "No measure after this round" in text
    assert "nothing was retrieved" in text


def test_an_unreadable_image_does_not_break_the_page(tmp_path):
    ws = build(tmp_path / "w", rounds=1)
    pick = read_sealed(ws, 1).picks[5]
    (ws.data / f"images/{pick.item_id}.png").write_bytes(b"not an image")
    (ws.data / f"images/{read_sealed(ws, 1).picks[6].item_id}.png").unlink()
    text = pages(ws)["round-0001.html"]
    assert "not the bytes recorded" in text
    assert "cannot read data/images/" in text


def test_history_takes_past_measures_from_the_next_round(images):
    ws, _ = images
    known = history(ws, params(ws))
    assert known.rounds == 3
    assert [s.n_labels for s in known.states] == sorted(s.n_labels for s in known.states)
    assert [s.cost_micros for s in known.states] == [0, 4_320_000, 8_640_000, 12_960_000]
    assert [s.chosen for s in known.states] == ["zero_shot", "linear_probe", "linear_probe", "linear_probe"]
    for state in known.states[1:]:
        assert state.best is not None
        assert state.best.n_labels == state.n_labels


def test_disagreement_and_missing_labels_come_from_the_annotations(images):
    sealed = read_sealed(images[0], 3)
    for pick in sealed.picks:
        assert pick.disagreed == (len({v.class_id for v in pick.votes}) > 1)
        if pick.label is not None:
            assert pick.label == pick.votes[0].class_id
    assert sum(a.answers for a in sealed.annotators) == 72
    assert sum(c.micros for c in sealed.costs) == sealed.cost_micros


def test_campaign_table_has_rounds_zero_shot_and_random(images):
    ws, _ = images
    table = campaign(history(ws, params(ws)), params(ws))
    rounds = ["round", "random"] * 3
    assert [row.kind for row in table.rows] == ["zero_shot", *rounds]  # the start was zero-shot: it is not said twice
    assert as_rich(table).row_count == 7
    data = as_data(table)
    json.dumps(data, allow_nan=False)
    assert data["rows"][-2]["round_no"] == 3
    assert 0 < data["rows"][-2]["tail_accuracy"]["low"] < 1


def test_page_path_names_the_pages_there_are(images):
    with pytest.raises(TaskFolderError, match=r"round 9.*round-0001, round-0002, round-0003"):
        page_path(images[0], 9)
    assert page_path(images[0], 2).name == "round-0002.html"


def test_the_page_says_what_a_label_of_each_class_costs(images):
    ws, made = images
    sealed = read_sealed(ws, 1)
    assert sum(price.labels for price in sealed.prices) == sealed.n_labels
    assert sum(price.micros for price in sealed.prices) <= sealed.cost_micros
    each = [price.micros / price.labels for price in sealed.prices]
    assert each == sorted(each, reverse=True)
    assert set(each) == {180_000}  # three answers at 6 cents
    page = made["round-0001.html"]
    assert "Price per label" in page
    assert "<td>mug</td>" in page
