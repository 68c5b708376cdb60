"""The decks of input/: each passes a dry run of the study it is for, which tells the cost; reference.yaml has every key with the default
that -help tells."""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from run import CHORALE, options

INPUT = Path(os.environ["CHORALE_SOURCE"]) / "input"
STUDIES = "simulate kernel limits chaos sync spde analyze".split()
COST = {"simulate": r"^total +per step and rank: [\d.e+-]+ Gflop beside random numbers; per rank: [\d.e+-]+ MB memory$", "kernel": r"^ +per rank: [\d.e+-]+ MB memory$",
        "sync": r"^map +\d+ rows$|MB memory", "analyze": r"^record "}


def run(folder, *words):
    return subprocess.run([CHORALE, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def dry_run(folder, deck):
    """What is wrong with it."""
    found = re.search(r"chorale ({}) input/{}".format("|".join(STUDIES), re.escape(deck.name)), deck.read_text(encoding="utf-8"))
    study = found.group(1) if found else "simulate"
    before = sorted(os.listdir(folder))
    done = run(folder, study, str(deck), "-dry_run")
    wrong = [] if done.returncode == 0 and not done.stderr else [f"exit code {done.returncode}, {done.stderr}"]
    if not re.search(COST.get(study, "MB memory"), done.stdout, re.M):
        wrong.append("does not tell its cost")
    if sorted(os.listdir(folder)) != before:
        wrong.append("leaves files")
    return [f"{study} {deck.name}: {w}" for w in wrong]


def decks_run():
    decks = sorted(INPUT.rglob("*.yaml"))
    assert len(decks) > 20, decks
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(INPUT, f"{folder}/input")
        done = run(folder, "simulate", *options(tokens_count=8, layers_depth=2, output_trajectories=1, progress="off"))  # for analyze.yaml
        assert done.returncode == 0, done.stderr
        os.rename(f"{folder}/simulate.h5", f"{folder}/recorded.h5")
        os.rename(f"{folder}/simulate", f"{folder}/recorded")
        analyze = Path(folder, "analyze.yaml")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wrong = sum(pool.map(lambda deck: dry_run(folder, deck), [deck for deck in decks if deck.name != analyze.name]), [])
        os.rename(f"{folder}/recorded.h5", f"{folder}/simulate.h5")
        os.rename(f"{folder}/recorded", f"{folder}/simulate")
        return wrong + dry_run(folder, INPUT / analyze.name), len(decks)


def reference():
    """{key: value} of reference.yaml, also of lines that are commented out; only those are in the second set."""
    keys, commented, path = {}, set(), []
    for line in (INPUT / "reference.yaml").read_text(encoding="utf-8").splitlines():
        found = re.match(r"(# )?( *)(# )?(\w+):(?: +([^#\s][^#]*?))?(?: +#.*)?$", line)
        if not found or found.group(4).isupper():
            continue
        hidden, depth = bool(found.group(1) or found.group(3)), len(found.group(2)) // 2
        path = path[:depth] + [found.group(4)]
        if found.group(5):
            assert "_".join(path) not in keys, path
            keys["_".join(path)] = found.group(5)
            commented.update({"_".join(path)} if hidden else ())
    return keys, commented


def reference_is_complete():
    wrong, keys = [], {}
    found, commented = reference()
    for study in STUDIES:
        text = run(".", study, "-help").stdout
        for key, default in re.findall(r"^-(\w+) +(.*?) +(?:-|[a-z/0-9]+|s) +[^ ]", text, re.M):
            keys.setdefault(key, default)
    for key, default in keys.items():
        value = found.get(key)
        if value is None:
            wrong.append(f"reference.yaml has no {key}")
        elif key not in commented or key.split("_")[0] in ("sync", "chaos", "spde", "analyze", "limits"):
            same = value == default or default.startswith("(") or "STUDY" in default or key == "limits_reference"
            try:
                same = same or float(value) == float(default)
            except ValueError:
                pass
            if not same:
                wrong.append(f"reference.yaml: {key} is {value}, its default {default}")
    wrong += [f"reference.yaml: {key} is no key" for key in found.keys() - keys.keys()]
    return wrong, len(keys)


def main():
    wrong, decks = decks_run()
    more, keys = reference_is_complete()
    for line in wrong + more:
        print(line)
    print(f"{decks} decks, {keys} keys, {len(wrong + more)} mistakes")
    return bool(wrong + more)


if __name__ == "__main__":
    sys.exit(main())
