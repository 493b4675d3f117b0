"""Writes what LightGBM and XGBoost themselves say, for tests/model_golden.rs.

python -m venv v && v/bin/pip install lightgbm==4.7.0 xgboost==3.2.0 numpy scikit-learn
v/bin/python tests/golden/make.py ../shared/data/perf/models tests/golden
"""
import sys
import lightgbm as lgb, numpy as np, xgboost as xgb

models, out = sys.argv[1:]


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
rows = np.vstack([table[:24], edges]).astype(np.float32).astype(float)
margins = boosted.predict(rows, raw_score=True)
shares = boosted.predict(rows, pred_contrib=True)
write("lgb_categories.csv", f"LightGBM {lgb.__version__}", np.c_[rows, margins, shares])
