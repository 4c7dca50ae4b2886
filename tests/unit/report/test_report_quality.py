"""The page's part on the quality of answers, from a quality.json written by hand."""

from tailfirst import artifacts, config
from tailfirst.paths import Workspace
from tailfirst.report import quality
from tailfirst.report.build import report
from tests.support.sealed import build

WRITTEN = {
    "consensus": "dawid_skene",
    "annotators": [
        {
            "annotator_id": "ann-1", "answers": 20, "gold_answers": 9,
            "gold_accuracy": {"value": 1 / 9, "low": 0.02, "high": 0.435}, "shared": 10, "peers": None,
            "median_s": 0.7, "signs": [{"sign": "gold", "why": "accuracy <0.11> on 9 gold answers"}], "dropped": True,
        }
    ],
    "pairs": [{"one": "owl", "other": "mug", "agreement": 0.5, "kappa": 0.1, "mixed": 9.0}],
    "ambiguous": [["owl", "mug"]],
    "gold": {"items": 4, "answers": 12, "right": 8},
    "skips": {"none_of_these": 2, "unusable": 0, "unsure": 1, "other": 0},
    "cost_by_purpose": {"GOLD": {"tasks": 4, "micros": 240_000}},
    "again": {"x": "rework"}, "experts": {}, "suspects": [], "gold_leak": "",
}  # fmt: skip


def test_a_round_without_quality_json_has_a_page_as_before(tmp_path):
    ws = build(tmp_path)
    assert quality.read(ws.sealed(1)) is None
    report(ws, config.load(ws.params))
    assert "Quality of answers" not in (ws.report / "round-0001.html").read_text()


def test_the_page_says_who_is_not_counted_and_what_is_ambiguous(tmp_path):
    ws: Workspace = build(tmp_path)
    artifacts.write_json(ws.sealed(1) / "quality.json", WRITTEN)
    report(ws, config.load(ws.params))
    page = " ".join((ws.report / "round-0001.html").read_text().split())
    for words in (
        "Labels by dawid-skene. 8 of 12 answers to 4 gold items were right.",
        "Answers that are no class: 2 none of these, 1 unsure.",
        "Asked again first in the next round: 1.",
        "People cannot keep owl and mug apart",
        "not counted",
        "0.24 USD",
    ):
        assert words in page, words
