"""Every estimator that skl2onnx lists: converted with the same answers, or refused with the reason."""

import inspect

import numpy as np
import pytest
from skl2onnx._supported_operators import sklearn_operator_name_map
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from support.parity import agree

from modelet.build.converters.scikit_learn import Estimator
from modelet.errors import Refused

RANDOM = np.random.default_rng(0)
# As floats: what is compared is the converter, and not how a graph rounds its inputs.
X = RANDOM.normal(size=(90, 4)).astype(np.float32).astype(float)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
NUMBERS = X[:, 0] - 2 * X[:, 1] ** 2 + X[:, 2]
COUNTS = RANDOM.integers(0, 4, size=(90, 4)).astype(float)
HOLES = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
TEXTS = np.array(["a good day", "bad night", "good night all", "all good"], dtype=object)

# What the defaults below do not fit: parameters, and the table and the target to fit on.
CLASSIFIERS = {"estimators": [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))]}
REGRESSORS = {"estimators": [("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3))]}
PARAMETERS = {
    "ColumnTransformer": {"transformers": [("a", StandardScaler(), [2, 0])]},
    "FeatureUnion": {"transformer_list": [("a", StandardScaler())]},
    "GaussianRandomProjection": {"n_components": 2},
    "GridSearchCV": {"param_grid": {"C": [1, 2]}},
    "HistGradientBoostingClassifier": {"max_iter": 5},
    "HistGradientBoostingRegressor": {"max_iter": 5},
    "LocalOutlierFactor": {"novelty": True},
    "MLPClassifier": {"hidden_layer_sizes": 5, "solver": "lbfgs"},
    "MLPRegressor": {"hidden_layer_sizes": 5, "solver": "lbfgs"},
    "NuSVC": {"nu": 0.1},
    "Pipeline": {"steps": [("a", StandardScaler())]},
    "QuantileTransformer": {"n_quantiles": 10},
    "RadiusNeighborsClassifier": {"radius": 5.0},
    "RadiusNeighborsRegressor": {"radius": 5.0},
    "StackingClassifier": CLASSIFIERS,
    "StackingRegressor": REGRESSORS,
    "TheilSenRegressor": {"max_subpopulation": 100},
    "VotingClassifier": CLASSIFIERS | {"voting": "soft"},
    "VotingRegressor": REGRESSORS,
}
TABLES = {
    "BernoulliNB": COUNTS > 1,
    "CategoricalNB": COUNTS,
    "ComplementNB": COUNTS,
    "CountVectorizer": TEXTS,
    "DictVectorizer": [{"a": 1.0}],
    "FeatureHasher": [["a"]],
    "KNNImputer": HOLES,
    "KernelCenterer": X @ X.T,
    "LabelBinarizer": CLASSES,
    "LabelEncoder": CLASSES,
    "MultinomialNB": COUNTS,
    "OneHotEncoder": COUNTS.astype(int),
    "OrdinalEncoder": COUNTS,
    "SimpleImputer": HOLES,
    "TargetEncoder": COUNTS.astype(int),
    "TfidfTransformer": COUNTS,
    "TfidfVectorizer": TEXTS,
}
TARGETS = {
    "GammaRegressor": NUMBERS - NUMBERS.min() + 1,
    "GaussianProcessClassifier": CLASSES > 0,
    "MultiOutputClassifier": np.c_[CLASSES, CLASSES > 0],
    "MultiOutputRegressor": np.c_[NUMBERS, -NUMBERS],
    "PoissonRegressor": NUMBERS - NUMBERS.min(),
    "TargetEncoder": CLASSES > 0,
    "TunedThresholdClassifierCV": CLASSES > 0,
    "TweedieRegressor": NUMBERS - NUMBERS.min(),
}
# Columns that nobody counted, rows of no fixed length, and an operator that ONNX Runtime does not have.
REFUSED = {
    "CastTransformer": "does not remember how many columns",
    "DictVectorizer": "takes rows of any length",
    "FeatureHasher": "takes rows of any length",
    "GaussianProcessClassifier": "com.microsoft:Solve.* is not a registered",
    "ReplaceTransformer": "does not remember how many columns",
}
INTERNAL = {"_ConstantPredictor", "CastRegressor"}
ESTIMATORS = sorted(
    (cls for cls in sklearn_operator_name_map if cls.__name__ not in INTERNAL), key=lambda cls: cls.__name__
)


def made(cls):
    parameters = inspect.signature(cls).parameters
    chosen = dict(PARAMETERS.get(cls.__name__, {}))
    if "n_estimators" in parameters:
        chosen["n_estimators"] = 5
    if "random_state" in parameters:
        chosen["random_state"] = 0
    if "estimator" in parameters and parameters["estimator"].default is inspect.Parameter.empty:
        chosen["estimator"] = LinearRegression() if "Regressor" in cls.__name__ else LogisticRegression()
    return cls(**chosen)


def target(name):
    if name in TARGETS:
        return TARGETS[name]
    if name.startswith("MultiTask"):
        return np.c_[NUMBERS, -NUMBERS]
    is_number = (
        (name != "LogisticRegression" and name.endswith(("Regressor", "Regression", "SVR")))
        or "Lasso" in name
        or "Elastic" in name
    )
    return (
        NUMBERS if is_number or name in {"Ridge", "RidgeCV", "Lars", "LarsCV", "BayesianRidge"} else CLASSES
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_every_estimator_of_the_list(cls):
    name = cls.__name__
    table = TABLES.get(name, X)
    estimator = made(cls)
    estimator.fit(table) if name.startswith("Label") else estimator.fit(table, target(name))
    if name in REFUSED:
        with pytest.raises(Refused, match=REFUSED[name]):
            agree(estimator, {"features": table})
        return
    assert agree(estimator, inputs(name, estimator, np.asarray(table)[::3])).has_batch_axis


def inputs(name, estimator, rows):
    """A third of the rows as the graph takes them."""
    spec = Estimator(estimator).export().graph.input[0]
    dtype = {1: np.float32, 7: np.int64, 8: object}[spec.type.tensor_type.elem_type]
    rows = rows.reshape(len(rows), -1).astype(dtype)
    if name == "ColumnTransformer":
        return {f"feature_{i}": rows[:, [i]] for i in (0, 2)}
    return {spec.name: rows}
