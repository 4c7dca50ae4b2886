"""The plan of the demo: long tails, synonyms, misleading captions, copies."""

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
import yaml

from tailfirst.demo import captions
from tailfirst.demo.classes import CLASSES, TEMPLATES, task_document
from tailfirst.demo.corpus import DEMO, RARE, holdout_counts, open_counts, plan_items, pool_counts, vague_counts
from tailfirst.demo.names import STRANGER_NAMES, TAKEN_FOR
from tailfirst.demo.open_plan import LICENCES, plan_open

IDS = [c.id for c in CLASSES]


@pytest.fixture(scope="module")
def items():
    return plan_items("pool", DEMO) + plan_items("holdout", DEMO)


@pytest.fixture(scope="module")
def plans(items):
    return plan_open(DEMO, items)


@cache
def words(text):
    return " " + re.sub(r"\s+", " ", re.sub(r"[^a-z0-9 ]", " ", text.lower().replace("'", ""))).strip() + " "


def mentions(plans, chosen):
    phrases = [words(name) for name in chosen.names]
    return [p for p in plans if any(phrase in words(p.caption) for phrase in phrases)]


def test_the_open_corpus_is_long_tailed():
    counts = open_counts(DEMO)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 3000
    assert counts[-1] == 5
    assert counts[-RARE - 1] > 5 * counts[-RARE]


def test_sizes(plans, items):
    roles = Counter(i.role for i in items)
    assert len(plans) >= 20_000
    assert roles["pool"] == 6000
    assert roles["holdout"] >= 2000


def test_the_pool_is_long_tailed_in_nearly_the_same_order():
    counts = pool_counts(DEMO)
    assert sum(counts) == DEMO.pool
    assert 25 <= max(counts) / min(counts) <= 35
    assert counts != sorted(counts, reverse=True)
    ranks = np.argsort(np.argsort(-np.array(counts), kind="stable"))
    assert np.corrcoef(ranks, np.arange(len(counts)))[0, 1] > 0.9


def test_the_holdout_can_measure_the_tail():
    assert min(holdout_counts(DEMO)) >= 40


def test_captions_show_the_tail(plans):
    freq = [len(mentions(plans, chosen)) for chosen in CLASSES]
    assert 80 <= freq[0] / freq[-1] <= 250
    assert min(freq) >= 10


def test_every_synonym_is_used_and_the_official_name_is_not_always_the_commonest(plans):
    rarely_official = []
    for chosen in CLASSES:
        uses = [sum(words(name) in words(p.caption) for p in plans) for name in chosen.names]
        assert min(uses) > 0, chosen.id
        if uses[0] < max(uses[1:]):
            rarely_official.append(chosen.id)
    assert {"mug", "bicycle", "lamp", "violin"} <= set(rarely_official)


def test_kinds_of_captions(plans):
    share = {kind: count / len(plans) for kind, count in Counter(p.kind for p in plans).items()}
    assert 0.03 <= share["misleading"] <= 0.10
    assert 0.06 <= share["silent"] <= 0.15
    assert share["named"] > 0.7
    assert share["paired"] > 0.01


def test_misleading_captions_name_a_class_that_is_not_shown(plans):
    by_id = {c.id: c for c in CLASSES}
    for plan in (p for p in plans if p.kind == "misleading"):
        assert any(words(name) in words(plan.caption) for c in CLASSES for name in c.names)
        if plan.thing in by_id:
            assert not any(words(name) in words(plan.caption) for name in by_id[plan.thing].names), plan.caption


def test_silent_and_vague_captions_name_no_class(plans):
    for plan in (p for p in plans if p.kind in {"silent", "vague"}):
        assert not any(words(name) in words(plan.caption) for c in CLASSES for name in c.names)


def test_tail_captions_are_more_often_wrong_than_head_captions(plans):
    wrong = []
    for chosen in (CLASSES[0], CLASSES[-1]):
        found = mentions(plans, chosen)
        wrong.append(sum(p.thing != chosen.id for p in found) / len(found))
    assert wrong[0] < 0.1 < wrong[1]


def test_copies_licences_scores_and_strangers(plans):
    copies = [p for p in plans if p.copy_of is not None]
    assert Counter((p.copy_of.role, p.exact) for p in copies) == Counter(
        {(role, exact): DEMO.copies // 4 for role in ("pool", "holdout") for exact in (True, False)}
    )
    assert Counter(p.kind for p in plans)["vague"] == sum(vague_counts(DEMO))
    assert Counter(p.thing for p in plans if p.kind == "tagged") == dict.fromkeys(TAKEN_FOR, DEMO.tagged)
    assert set(TAKEN_FOR) == {c.id for c in CLASSES[-RARE:]}
    assert {p.licence for p in plans} == {name for name, _ in LICENCES}
    assert sum(p.nsfw > 0.5 for p in plans) == DEMO.sensitive
    assert sum(p.thing in STRANGER_NAMES for p in plans) == DEMO.strangers


def test_planning_twice_gives_the_same_plan(plans, items):
    assert plan_open(DEMO, items) == plans


def test_no_name_belongs_to_two_classes():
    names = [words(name) for c in CLASSES for name in c.names]
    assert len(set(names)) == len(names)


def test_classes_are_described_for_people():
    for chosen in CLASSES:
        assert 2 <= len(chosen.synonyms) <= 4
        assert len(chosen.shares) == len(chosen.names)
        assert sum(chosen.shares) == 100
        assert chosen.definition.endswith(".")
        assert chosen.kinds


def test_task_document_is_plain_yaml():
    document = task_document()
    assert yaml.safe_load(yaml.safe_dump(document)) == document
    assert [c["id"] for c in document["classes"]] == IDS
    assert document["templates"] == list(TEMPLATES)


def test_articles_follow_the_name():
    texts = [captions.named("owl", np.random.default_rng(k)).lower() for k in range(60)]
    assert any(" an owl" in f" {t}" for t in texts)
    assert not any(" a owl" in f" {t}" or " a old" in f" {t}" for t in texts)
