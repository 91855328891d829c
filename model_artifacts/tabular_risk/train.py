"""Learns who survived the Titanic, from the passenger list that scikit-learn ships among its tests' data."""

import csv
import gzip
from importlib.resources import files

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

SEED = 1
HELD_OUT = 0.25
OUTCOMES = np.array(["died", "survived"])

# OpenML's data set 40945.
FOLDER, FILE = "sklearn.datasets.tests.data.openml", "id_40945/data-v1-dl-16826755.arff.gz"
NUMBERS = ["pclass", "age", "sibsp", "parch", "fare"]
STRINGS = ["sex", "embarked"]

Outcomes = NDArray[np.str_]


def passengers() -> pd.DataFrame:
    """All 1,309 passengers, with strings and numbers as in the list; None and nan where it has no entry."""
    text = gzip.decompress(files(FOLDER).joinpath(FILE).read_bytes()).decode()
    head, _, body = text.partition("@data\n")
    names = [line.split("'")[1] for line in head.splitlines() if line.startswith("@attribute")]
    rows = [[None if cell == "?" else cell for cell in row] for row in csv.reader(body.splitlines())]
    table = pd.DataFrame(rows, columns=names, dtype=object)
    return table.astype(dict.fromkeys([*NUMBERS, "survived"], float))


def split() -> tuple[pd.DataFrame, pd.DataFrame, Outcomes, Outcomes]:
    """Passengers to train on and others to test with; then what became of each."""
    table = passengers()
    outcomes = OUTCOMES[table["survived"].astype(int)]
    columns = table[NUMBERS + STRINGS]
    known, held_out, known_outcomes, held_out_outcomes = train_test_split(
        columns, outcomes, test_size=HELD_OUT, stratify=outcomes, random_state=SEED
    )
    return known, held_out, known_outcomes, held_out_outcomes


def build() -> Pipeline:
    """Train; trees take missing numbers as they are, and a missing port is a category of its own."""
    known, _, outcomes, _ = split()
    encoder = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encoder, STRINGS), remainder="passthrough")
    trees = HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=16, early_stopping=False, random_state=SEED
    )
    return make_pipeline(columns, trees).fit(known, outcomes)


def samples() -> pd.DataFrame:
    """The passengers that `build` has not seen; for the graph a missing string is an empty one."""
    return split()[1].fillna(dict.fromkeys(STRINGS, ""))


def targets() -> list[str]:
    """What became of them."""
    return split()[3].tolist()
