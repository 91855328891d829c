"""Estimators converted, and answered by themselves: outputs agree and inputs are what people wrote."""

import numpy as np
import pandas as pd
import pytest
from sklearn import (
    cluster,
    compose,
    ensemble,
    feature_extraction,
    impute,
    linear_model,
    naive_bayes,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.datasets import load_iris

from modelet.build import facts
from modelet.build.arrays import to_array, to_tensor
from modelet.build.check import check
from modelet.build.converters.columns import columns_of
from modelet.build.converters.scikit_learn import Estimator
from modelet.build.normalise import normalise
from modelet.build.reference import ReferenceSession
from modelet.errors import OwnerCodeFailed

IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])
PEOPLE = pd.DataFrame(
    {
        "age": [20.0, 30, 40, 50, 60, 70],
        "job (kind)": ["clerk", "Koch", "中", "clerk", "Koch", "中"],
        "children": [1, 2, 3, 1, 2, 3],
        "hours": [1.0, 2, 3, 4, 5, 6],
    }
)
RISK = [0, 1, 0, 1, 0, 1]
TEXTS = ["good day sir", "bad day", "good sun", "bad rain", "good", "bad bad"]


def converted(estimator):
    """The served graph's answers and the estimator's, over the same inputs; the graph's signature."""
    original = Estimator(estimator)
    graph = original.export()
    normalise(graph, "demo_model")
    check(graph, "graph")
    facts.settle_outputs(graph)
    session = ReferenceSession(graph.SerializeToString())
    return original, session, facts.signature(graph)


def agree(estimator, inputs):
    original, session, signature = converted(estimator)
    tensors = [to_tensor(name, array) for name, array in inputs.items()]
    expected, actual = original.run(tensors), session.run(tensors)
    for one, other in zip(expected, actual, strict=True):
        assert (one.name, one.shape, one.datatype) == (other.name, other.shape, other.datatype)
        if one.datatype.is_float:
            np.testing.assert_allclose(to_array(other), to_array(one), rtol=1e-3, atol=1e-4)
        else:
            assert tuple(one.data) == tuple(other.data)
    return signature


def columns(frame=PEOPLE, integers=()):
    kinds = {"job (kind)": object, **dict.fromkeys(integers, np.int64)}
    return {name: frame[[name]].to_numpy(dtype=kinds.get(name, np.float32)) for name in frame}


@pytest.mark.parametrize(
    ("estimator", "target", "outputs"),
    [
        (linear_model.LogisticRegression(max_iter=500), SPECIES, ["label", "probabilities"]),
        (linear_model.LogisticRegression(max_iter=500), NAMES[SPECIES], ["label", "probabilities"]),
        (naive_bayes.GaussianNB(), SPECIES, ["label", "probabilities"]),
        (tree.DecisionTreeClassifier(random_state=0), SPECIES, ["label", "probabilities"]),
        (ensemble.RandomForestClassifier(5, random_state=0), SPECIES, ["label", "probabilities"]),
        (ensemble.GradientBoostingClassifier(n_estimators=5), SPECIES, ["label", "probabilities"]),
        (ensemble.HistGradientBoostingClassifier(max_iter=5), SPECIES, ["label", "probabilities"]),
        (ensemble.HistGradientBoostingRegressor(max_iter=5), SPECIES, ["variable"]),
        (ensemble.RandomForestRegressor(5, random_state=0), np.c_[SPECIES, -SPECIES], ["variable"]),
        (linear_model.LinearRegression(), SPECIES, ["variable"]),
        (preprocessing.StandardScaler(), None, ["variable"]),
        (cluster.KMeans(3, n_init=1, random_state=0), None, ["label", "scores"]),
        (ensemble.IsolationForest(n_estimators=5, random_state=0), None, ["label", "scores"]),
        (svm.LinearSVC(), SPECIES, ["label", "scores"]),
        (svm.LinearSVC(), SPECIES > 0, ["label"]),
        (svm.SVC(), SPECIES > 0, ["label"]),
        (linear_model.RidgeClassifier(), SPECIES > 0, ["label"]),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_arrays(estimator, target, outputs):
    target = target.astype(int) if target is not None and target.dtype == bool else target
    estimator.fit(IRIS, target)
    signature = agree(estimator, {"features": IRIS[::7].astype(np.float32)})
    assert [spec.name for spec in signature.outputs] == outputs
    assert signature.inputs[0].shape == (-1, 4)
    assert signature.has_batch_axis


def risk(*parts, **options):
    transformer = compose.make_column_transformer(*parts, **options)
    return pipeline.make_pipeline(transformer, linear_model.LogisticRegression())


NUMBERS = (preprocessing.StandardScaler(), ["age", "hours"])
JOB = (preprocessing.OneHotEncoder(handle_unknown="ignore"), ["job (kind)"])


@pytest.mark.parametrize(
    ("estimator", "integers"),
    [
        (risk(NUMBERS, JOB), ()),
        (risk(NUMBERS, JOB, (preprocessing.OrdinalEncoder(), ["children"])), ("children",)),
        (risk(JOB, remainder="passthrough"), ()),
        (risk((preprocessing.StandardScaler(), compose.make_column_selector("age|hours")), JOB), ()),
        (risk((preprocessing.StandardScaler(), [0, 3]), (preprocessing.OneHotEncoder(), [1])), ()),
        (
            risk(
                (pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()), ["age"]),
                (preprocessing.OneHotEncoder(), ["job (kind)"]),
            ),
            (),
        ),
    ],
)
def test_named_columns_become_inputs_of_their_own_kind(estimator, integers):
    estimator.fit(PEOPLE, RISK)
    signature = agree(estimator, columns(integers=integers))
    kinds = {"job (kind)": "BYTES", **dict.fromkeys(integers, "INT64")}
    assert [(spec.name, spec.datatype) for spec in signature.inputs] == [
        (name, kinds.get(name, "FP32")) for name in PEOPLE
    ]


def test_columns_of_one_kind_are_put_side_by_side():
    frame = PEOPLE[["hours", "age"]]
    signature = agree(ensemble.RandomForestClassifier(5, random_state=0).fit(frame, RISK), columns(frame))
    assert [(spec.name, spec.shape) for spec in signature.inputs] == [("hours", (-1, 1)), ("age", (-1, 1))]


def test_columns_without_names_are_numbered():
    table = PEOPLE[["age", "job (kind)"]].to_numpy(dtype=object)
    estimator = risk((preprocessing.StandardScaler(), [0]), (preprocessing.OneHotEncoder(), [1]))
    inputs = {"feature_0": table[:, :1].astype(np.float32), "feature_1": table[:, 1:]}
    agree(estimator.fit(table, RISK), inputs)


def test_an_unknown_category_is_answered_as_the_estimator_does():
    estimator = risk(NUMBERS, JOB).fit(PEOPLE, RISK)
    stranger = columns(PEOPLE.assign(**{"job (kind)": "astronaut"}))
    agree(estimator, stranger)


def test_texts_come_as_strings():
    vectorizer = feature_extraction.text.TfidfVectorizer()
    estimator = pipeline.make_pipeline(vectorizer, linear_model.LogisticRegression()).fit(TEXTS, RISK)
    texts = np.array([["Good DAY"], ["rain, rain"], [""]], dtype=object)
    signature = agree(estimator, {"text": texts})
    assert [(spec.name, spec.datatype) for spec in signature.inputs] == [("text", "BYTES")]


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (linear_model.LogisticRegression(), "is not fitted: return a fitted estimator"),
        (
            risk((preprocessing.OneHotEncoder(), [False, True, False, False])).fit(PEOPLE, RISK),
            "list their names",
        ),
        (
            risk((preprocessing.StandardScaler(), slice("children", "hours"))).fit(PEOPLE, RISK),
            "list their names",
        ),
        (ensemble.RandomForestClassifier(2).fit(IRIS, np.c_[SPECIES, SPECIES]), "answers several targets"),
        (
            pipeline.make_pipeline(preprocessing.FunctionTransformer(np.cbrt), svm.LinearSVC()).fit(
                IRIS, SPECIES
            ),
            "skl2onnx cannot convert Pipeline",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused(estimator, message):
    with pytest.raises(OwnerCodeFailed, match=message):
        Estimator(estimator).export()


def test_kinds_are_read_through_imputers_and_unions():
    frame = PEOPLE[["job (kind)", "age"]]
    imputer = impute.SimpleImputer(strategy="most_frequent")
    estimator = compose.make_column_transformer(
        (pipeline.make_pipeline(imputer, preprocessing.OneHotEncoder()), ["job (kind)"]),
        (pipeline.make_union(preprocessing.StandardScaler(), preprocessing.MinMaxScaler()), ["age"]),
    ).fit(frame)
    assert columns_of(estimator).kinds == ("string", "float")
