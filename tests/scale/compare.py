#!/usr/bin/env python3
"""compare.py messages FILE | equal FILE FILE | near FILE | slower FILE: what rows of scale.jsonl must have in common."""
import json
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def point(row):
    run = row["run"]
    return run["ranks"], run["tokens"], run["branches"], run["chunk"]


def messages(path):
    """Every simulated row has a measured one whose ranks sent and reduced the same."""
    rows = read(path)
    measured = {point(row): row["run"] for row in rows if row["kind"] == "measured"}
    simulated = {point(row): row["run"] for row in rows if row["kind"] == "simulated"}
    assert measured.keys() == simulated.keys() and len(measured) == 4, sorted(measured)
    for key, run in measured.items():
        other = simulated[key]
        for phase in ("prefill", "decode"):
            for field in ("sent", "bytes", "reductions", "reduced_bytes"):
                assert run[phase][field] == other[phase][field], (key, phase, field, run[phase][field],
                                                                  other[phase][field])
        assert len(run["prefill"]["sent"]) == key[0]
        assert sum(run["prefill"]["bytes"]) > 0 or key[0] == 1
        assert sum(run["decode"]["reductions"]) > 0


def equal(first, second):
    for a, b in zip(read(first), read(second), strict=True):
        del a["time"], b["time"]
        assert a == b


def near(path):
    """Every simulated row has a predicted one within 10 %."""
    kinds = {"simulated": {}, "predicted": {}}
    for row in read(path):
        kinds[row["kind"]][row["model"], *point(row)] = row["run"]
    assert kinds["simulated"].keys() == kinds["predicted"].keys() and len(kinds["predicted"]) == 9
    for key, run in kinds["simulated"].items():
        for field in ("prefill_s", "step_s"):
            ratio = kinds["predicted"][key][field][0] / run[field][0]
            assert 0.9 < ratio < 1.1, (key, field, ratio)


def slower(path):
    rows = read(path)
    plain = [row["run"] for row in rows if row["kind"] == "simulated" and not row["what_if"]]
    changed = [row for row in rows if row["what_if"]]
    assert len(plain) == 1 and len(changed) == 3
    for row in changed:
        assert row["run"]["prefill_s"][0] > 1.02 * plain[0]["prefill_s"][0], row["what_if"]


{"messages": messages, "equal": equal, "near": near, "slower": slower}[sys.argv[1]](*sys.argv[2:])
