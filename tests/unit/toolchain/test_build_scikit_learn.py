"""Estimators converted, and answered by themselves: outputs agree and inputs are what people wrote."""

import numpy as np
import pandas as pd
import pytest
from skl2onnx.common._registration import _converter_pool
from sklearn import (
    calibration,
    cluster,
    compose,
    ensemble,
    feature_extraction,
    feature_selection,
    impute,
    linear_model,
    metrics,
    model_selection,
    multioutput,
    naive_bayes,
    neighbors,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.datasets import load_iris
from support.parity import agree

from modelet.build.converters.columns import columns_of
from modelet.build.converters.scikit_learn import Estimator
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


def columns(frame, integers=()):
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


FLOAT, INT, TEXT = "FP32", "INT64", "BYTES"


@pytest.mark.parametrize(
    ("estimator", "kinds"),
    [
        (risk(NUMBERS, JOB), {"age": FLOAT, "job (kind)": TEXT, "hours": FLOAT}),
        (
            risk(NUMBERS, JOB, (preprocessing.OrdinalEncoder(), ["children"])),
            {"age": FLOAT, "job (kind)": TEXT, "children": INT, "hours": FLOAT},
        ),
        (
            risk(JOB, remainder="passthrough"),
            {"age": FLOAT, "job (kind)": TEXT, "children": FLOAT, "hours": FLOAT},
        ),
        (
            risk((preprocessing.StandardScaler(), compose.make_column_selector("age|hours")), JOB),
            {"age": FLOAT, "job (kind)": TEXT, "hours": FLOAT},
        ),
        (
            risk((preprocessing.StandardScaler(), [0, 3]), (preprocessing.OneHotEncoder(), [1])),
            {"age": FLOAT, "job (kind)": TEXT, "hours": FLOAT},
        ),
        (
            risk(
                (pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()), ["age"]),
                (preprocessing.OneHotEncoder(), ["job (kind)"]),
            ),
            {"age": FLOAT, "job (kind)": TEXT},
        ),
    ],
)
def test_named_columns_become_inputs_of_their_own_kind(estimator, kinds):
    estimator.fit(PEOPLE, RISK)
    integers = [name for name, kind in kinds.items() if kind == INT]
    signature = agree(estimator, columns(PEOPLE[list(kinds)], integers))
    assert {spec.name: spec.datatype for spec in signature.inputs} == kinds


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
    stranger = PEOPLE.assign(**{"job (kind)": "astronaut"}).drop(columns="children")
    agree(estimator, columns(stranger))


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


PERSON = ["age", "job (kind)"]
HOLES = PEOPLE[PERSON].assign(age=[20, np.nan, 40, 50, np.nan, 70])
AGE = (impute.SimpleImputer(), ["age"])


def without_jobs(marker):
    jobs = HOLES["job (kind)"].astype(object)
    jobs[::4] = marker
    return HOLES.assign(**{"job (kind)": jobs.astype(object)})


def in_front(*steps):
    return (pipeline.make_pipeline(*steps), ["job (kind)"])


ONE_HOT = preprocessing.OneHotEncoder(handle_unknown="ignore")


@pytest.mark.parametrize("marker", [np.nan, None, ""])
@pytest.mark.parametrize(
    "encode",
    [
        lambda marker: in_front(ONE_HOT),
        lambda marker: in_front(
            impute.SimpleImputer(strategy="most_frequent", missing_values=marker), ONE_HOT
        ),
        lambda marker: in_front(
            impute.SimpleImputer(strategy="constant", fill_value="?", missing_values=marker), ONE_HOT
        ),
        lambda marker: in_front(preprocessing.OrdinalEncoder(encoded_missing_value=-5)),
        lambda marker: in_front(
            preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        ),
    ],
    ids=["one-hot", "most frequent", "constant", "ordinal", "ordinal, unknown"],
)
def test_a_missing_string_is_an_empty_one(encode, marker):
    estimator = compose.make_column_transformer(AGE, encode(marker))
    boosting = ensemble.HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=1)
    estimator = pipeline.make_pipeline(estimator, boosting)
    agree(estimator.fit(without_jobs(marker), RISK), columns(without_jobs("")))


def test_a_missing_category_is_no_number_unless_the_encoder_has_one_for_it():
    estimator = preprocessing.OrdinalEncoder().fit(without_jobs(None)[["job (kind)"]])
    agree(estimator, columns(without_jobs("")[["job (kind)"]]))


@pytest.mark.parametrize(
    "estimator",
    [
        tree.DecisionTreeClassifier(random_state=0),
        tree.DecisionTreeRegressor(random_state=0),
        ensemble.RandomForestClassifier(5, random_state=0),
        ensemble.ExtraTreesRegressor(5, random_state=0),
        ensemble.HistGradientBoostingClassifier(max_iter=5),
        pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), naive_bayes.GaussianNB()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_missing_numbers_go_where_the_estimator_sends_them(estimator):
    holes = np.where(np.random.default_rng(0).random(IRIS.shape) < 0.3, np.nan, IRIS)
    agree(estimator.fit(holes, SPECIES), {"features": holes.astype(np.float32)})


@pytest.mark.parametrize(
    "estimator",
    [
        tree.DecisionTreeClassifier(max_depth=3, random_state=0),
        ensemble.RandomForestClassifier(3, random_state=0),
        neighbors.KNeighborsClassifier(3),
        multioutput.MultiOutputClassifier(linear_model.LogisticRegression(max_iter=500)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_several_targets_have_probabilities_of_their_own(estimator):
    table = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32).astype(float)
    targets = np.c_[table[:, 0] > 0, table[:, 1] > 1].astype(int)
    signature = agree(estimator.fit(table, targets), {"features": table.astype(np.float32)})
    assert [(spec.name, spec.shape) for spec in signature.outputs] == [
        ("label", (-1, 2)),
        ("probabilities_0", (-1, 2)),
        ("probabilities_1", (-1, 2)),
    ]


def test_targets_may_have_different_numbers_of_classes():
    forest = ensemble.RandomForestClassifier(3, random_state=0).fit(IRIS, np.c_[SPECIES, SPECIES > 1])
    signature = agree(forest, {"features": IRIS.astype(np.float32)})
    assert [spec.shape for spec in signature.outputs] == [(-1, 2), (-1, 3), (-1, 2)]


@pytest.mark.parametrize(("threshold_of", "beta"), [("rare", 5), ("other", 0.1)])
def test_a_tuned_threshold_decides_the_label(threshold_of, beta):
    scorer = metrics.make_scorer(metrics.fbeta_score, beta=beta, pos_label=threshold_of)
    species = np.where(SPECIES == 2, "rare", "other")
    weak = linear_model.LogisticRegression(C=0.01)
    tuned = model_selection.TunedThresholdClassifierCV(weak, scoring=scorer, random_state=0)
    tuned.fit(IRIS, species)
    assert (tuned.predict(IRIS) != tuned.estimator_.predict(IRIS)).any()
    agree(tuned, {"features": IRIS.astype(np.float32)})


def test_a_selection_of_the_first_column_alone():
    selection = feature_selection.SelectKBest(k=1).fit(IRIS, (IRIS[:, 0] > 5.8).astype(int))
    assert selection.get_support(indices=True).tolist() == [0]
    agree(selection, {"features": IRIS.astype(np.float32)})


def test_a_column_may_be_called_as_an_output_is():
    frame = PEOPLE[["age", "hours"]].rename(columns={"age": "label", "hours": "probabilities"})
    signature = agree(linear_model.LogisticRegression().fit(frame, RISK), columns(frame))
    assert [spec.name for spec in signature.inputs] == ["label", "probabilities"]
    assert [spec.name for spec in signature.outputs] == ["label_2", "probabilities_2"]


def test_ensembles_of_pipelines_take_the_columns_too():
    voting = ensemble.VotingClassifier([("one", risk(NUMBERS, JOB)), ("other", risk(JOB))], voting="soft")
    frame = PEOPLE.drop(columns="children")
    agree(voting.fit(frame, RISK), columns(frame))


def test_a_search_answers_with_its_best():
    search = model_selection.GridSearchCV(risk(NUMBERS, JOB), {"logisticregression__C": [0.1, 1]}, cv=2)
    frame = PEOPLE.drop(columns="children")
    agree(search.fit(frame, RISK), columns(frame))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (
            ensemble.HistGradientBoostingClassifier(max_iter=2).fit(
                PEOPLE.astype({"job (kind)": "category"}), RISK
            ),
            "splits by categories: put an OrdinalEncoder",
        ),
        (impute.SimpleImputer(add_indicator=True).fit(HOLES[["age"]]), "add_indicator"),
        (
            calibration.CalibratedClassifierCV(risk(NUMBERS, JOB), cv=2).fit(PEOPLE, RISK),
            "at most 1 input.*put the ColumnTransformer first",
        ),
        (
            tree.DecisionTreeClassifier().fit(IRIS, np.c_[SPECIES, SPECIES > 1]),
            "targets of different numbers of classes",
        ),
        (preprocessing.QuantileTransformer(n_quantiles=100).fit(IRIS), "equal quantiles"),
    ],
)
def test_what_skl2onnx_would_get_wrong_is_refused(estimator, message):
    with pytest.raises(OwnerCodeFailed, match=message):
        Estimator(estimator).export()


def test_skl2onnx_is_as_it_was_afterwards():
    imputer = impute.SimpleImputer(strategy="most_frequent").fit(without_jobs(np.nan)[["job (kind)"]])
    before = {name: converter._fct for name, converter in _converter_pool.items()}, dict(vars(imputer))
    agree(imputer, columns(without_jobs("")[["job (kind)"]]))
    after = {name: converter._fct for name, converter in _converter_pool.items()}, dict(vars(imputer))
    assert after == before
