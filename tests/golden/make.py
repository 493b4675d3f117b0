"""Writes what LightGBM and XGBoost themselves say, for tests/model_golden.rs.

python -m venv v && v/bin/pip install lightgbm==4.7.0 xgboost==3.2.0 numpy pandas scikit-learn
v/bin/python tests/golden/make.py ../shared/data/perf/models tests/golden

A third argument is how many rows of the data of each small model are written, 24 without it; the tests take any number.
"""
import sys
import lightgbm as lgb, numpy as np, pandas as pd, xgboost as xgb

models, out = sys.argv[1:3]
many = int(sys.argv[3]) if len(sys.argv) > 3 else 24


def write(name, tool, rows):
    with open(f"{out}/{name}", "w") as file:
        file.write(f"# {tool}, tests/golden/make.py\n")
        for row in rows:
            file.write(",".join("" if np.isnan(x) else f"{x:.17g}" for x in row) + "\n")


# Contributions of every feature and the expected margin, for the first rows of rows.csv.
rows = np.loadtxt(f"{models}/rows.csv", delimiter=",", dtype=np.float32)[:40]
boosted = lgb.Booster(model_file=f"{models}/lgb500.txt")
write("lgb500.csv", f"LightGBM {lgb.__version__}", boosted.predict(rows.astype(float), pred_contrib=True))
boosted = xgb.Booster(model_file=f"{models}/xgb100.json")
names = {"feature_names": boosted.feature_names} if boosted.feature_names else {}
write("xgb100.csv", f"XGBoost {xgb.__version__}", boosted.predict(xgb.DMatrix(rows, **names), pred_contribs=True))

# A small model that splits by category: features, margin, contributions, expected margin.
random, count = np.random.default_rng(7), 3000
x, z = np.round(random.normal(size=count), 3), np.round(random.exponential(size=count), 3)
kind = random.integers(0, 40, size=count).astype(float)
kind[random.random(count) < 0.05] = np.nan
z[random.random(count) < 0.1] = np.nan
margin = -2 + 2.5 * np.isin(kind, [3, 7, 19, 33, 38]) + x + 0.7 * np.isnan(z)
label = (random.random(count) < 1 / (1 + np.exp(-margin))).astype(int)
table = np.c_[x, kind, z]
data = lgb.Dataset(table, label, categorical_feature=[1], feature_name=["x", "kind", "z"], params={"verbose": -1})
settings = dict(objective="binary", num_leaves=8, learning_rate=0.2, num_threads=1, seed=1, verbose=-1)
boosted = lgb.train(settings, data, 6)
boosted.save_model(f"{out}/lgb_categories.txt")
absent = np.nan
edges = [[0.5, k, 1] for k in (3, 3.7, -1, -0.5, absent, 100, 64, 2.0**31, 2.0**32 + 3, 31, 32, 38.999, -7, 1e30)]
edges += [[absent, 7, 0], [0, 0, 0], [0.5, 64, absent]]
rows = np.vstack([table[:many], edges]).astype(np.float32).astype(float)
margins = boosted.predict(rows, raw_score=True)
shares = boosted.predict(rows, pred_contrib=True)
write("lgb_categories.csv", f"LightGBM {lgb.__version__}", np.c_[rows, margins, shares])

# The same in XGBoost: `kind` by partition, `way` one-hot. Features, margin, contributions, expected margin.
way = random.integers(0, 3, size=count).astype(float)
way[random.random(count) < 0.05] = np.nan
margin = -1.5 + 2.5 * np.isin(kind, [0, 3, 7, 19, 33, 38]) + x + 1.5 * (way == 1)
label = (random.random(count) < 1 / (1 + np.exp(-margin))).astype(int)
names, kinds = ["x", "kind", "way"], ["q", "c", "c"]
matrix = lambda rows: xgb.DMatrix(rows, feature_names=names, feature_types=kinds, enable_categorical=True)
data = matrix(np.c_[x, kind, way])
data.set_label(label)
settings = dict(objective="binary:logistic", max_depth=3, eta=0.4, max_cat_to_onehot=4, tree_method="hist", nthread=1)
boosted = xgb.train(settings, data, 6)
for ending in ("json", "ubj"):
    boosted.save_model(f"{out}/xgb_categories.{ending}")
edges = [[0.5, k, w] for w in (0, 1, 2, absent, 3, -1) for k in (
    0, 3, 3.7, -1, -0.5, -0.0, absent, 100, 39, 40, 64, 2.0**24 - 1, 2.0**24, 2.0**31, 2.0**32 + 3, 31, 32, -7, 1e30)]
edges += [[absent, 7, 1], [absent, absent, absent], [-0.5, 1, 1.5], [-0.5, 1, -0.5], [0.5, 19, 2.0**24 + 2]]
rows = np.vstack([np.c_[x, kind, way][:many], edges]).astype(np.float32)
margins = boosted.predict(matrix(rows), output_margin=True)
shares = boosted.predict(matrix(rows), pred_contribs=True)
write("xgb_categories.csv", f"XGBoost {xgb.__version__}", np.c_[rows, margins, shares])

# Categories that a data frame names by whole numbers: the trees know them by their places.
codes = np.array([5411, 5812, 6011, 7995, 4829])
frame = pd.DataFrame({"x": x.astype(np.float32), "mcc": pd.Categorical(codes[random.integers(0, 5, size=count)])})
margin = -1.5 + 2.5 * (frame["mcc"].astype(int) == 6011) + 1.5 * (frame["mcc"].astype(int) == 4829) + x
label = (random.random(count) < 1 / (1 + np.exp(-margin))).astype(int)
boosted = xgb.train(settings, xgb.DMatrix(frame, label, enable_categorical=True), 4)
boosted.save_model(f"{out}/xgb_frame.json")
margins = boosted.predict(xgb.DMatrix(frame, enable_categorical=True), output_margin=True)
told = np.c_[frame["x"], frame["mcc"].astype(float), margins]
write("xgb_frame.csv", f"XGBoost {xgb.__version__}", told[:many])

# Zeros as absent values: features, margin, contributions, expected margin.
table = np.c_[np.where(random.random(count) < 0.3, 0, x), np.where(random.random(count) < 0.3, 0, z), kind]
margin = -1 + 1.5 * (table[:, 0] == 0) - np.abs(table[:, 0]) + 0.8 * np.nan_to_num(table[:, 1], nan=2.5) + np.isin(kind, [0, 3])
label = (random.random(count) < 1 / (1 + np.exp(-margin))).astype(int)
data = lgb.Dataset(
    table, label, categorical_feature=[2], feature_name=["x", "z", "kind"], params={"verbose": -1, "zero_as_missing": True})
settings = dict(objective="binary", num_leaves=8, learning_rate=0.2, num_threads=1, seed=1, verbose=-1, zero_as_missing=True)
boosted = lgb.train(settings, data, 8)
boosted.save_model(f"{out}/lgb_zeros.txt")
tiny = float(np.float32(1e-35))
edges = [[a, b, 3] for a in (0, -0.0, absent, tiny, -tiny, 2e-35, -2e-35, 1e-30, -1e-30, 1e-40) for b in (0, absent, 1, -1e-36)]
edges += [[0.5, 1, k] for k in (0, -0.0, 1e-40, absent, -1, 100)]
rows = np.vstack([table[:many], edges]).astype(np.float32).astype(float)
margins = boosted.predict(rows, raw_score=True)
shares = boosted.predict(rows, pred_contrib=True)
write("lgb_zeros.csv", f"LightGBM {lgb.__version__}", np.c_[rows, margins, shares])
