"""The service outside does once what several processes ask for at once under one idempotency key."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from chaos.ledger import Entry, Ledger, effects

KEYS = [f"e1/n{number}/1/r1" for number in range(40)]


def ask(folder: Path, attempt: int) -> list[Entry]:
    return [Ledger(folder).write("effect", "n", key, "e1", attempt) for key in KEYS]


def test_an_effect_of_one_key_happens_once_and_a_repeat_is_answered_with_it(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as processes:
        answers = list(processes.map(ask, [tmp_path] * 4, range(1, 5)))
    entries = Ledger(tmp_path).read()
    done = {entry.key: entry for entry in effects(entries)}
    assert Counter(entry.what for entry in entries) == {"effect": len(KEYS), "repeat": 3 * len(KEYS)}
    assert list(map(list, answers)) == [[done[key] for key in KEYS]] * 4
    assert Counter((entry.key, entry.attempt) for entry in entries) == {
        (key, n): 1 for key in KEYS for n in range(1, 5)
    }


def test_an_undo_has_a_key_of_its_own_and_calls_are_all_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for what, key in (("call", "k"), ("effect", "k"), ("call", "k"), ("undo", "k/undo"), ("undo", "k/undo")):
        ledger.write(what, "a", key, "e1", 1)
    assert [entry.what for entry in ledger.read()] == ["call", "effect", "call", "undo", "repeat"]
    assert ledger.keys("call", "a", "e1") == ["k", "k"]
