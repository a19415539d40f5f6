"""Write the example tables from the data sets that come with scikit-learn. Needs no network.

python examples/make_data.py            # writes examples/data/*.csv, the same bytes each time
"""

from pathlib import Path

from sklearn import datasets

FOLDER = Path(__file__).resolve().parent / "data"


def breast_cancer() -> None:
    """569 tumours, 30 measurements; ``diagnosis`` is malignant or benign (UCI WDBC, via scikit-learn)."""
    bunch = datasets.load_breast_cancer(as_frame=True)
    frame = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    frame["diagnosis"] = bunch.target_names[bunch.target]
    frame.to_csv(FOLDER / "breast_cancer.csv", index=False, lineterminator="\n")


def wine() -> None:
    """178 wines, 13 chemical measurements; ``cultivar`` is one of three (UCI Wine, via scikit-learn)."""
    bunch = datasets.load_wine(as_frame=True)
    frame = bunch.data.rename(columns=lambda name: name.replace("/", "_"))
    frame["cultivar"] = [f"cultivar_{chr(ord('a') + code)}" for code in bunch.target]
    frame.to_csv(FOLDER / "wine.csv", index=False, lineterminator="\n")


def diabetes() -> None:
    """442 patients, 10 measurements; ``progression`` after one year (Efron et al. 2004, via scikit-learn)."""
    bunch = datasets.load_diabetes(as_frame=True, scaled=False)
    frame = bunch.data.rename(
        columns={
            "s1": "cholesterol",
            "s2": "ldl",
            "s3": "hdl",
            "s4": "cholesterol_to_hdl",
            "s5": "log_triglycerides",
            "s6": "glucose",
        }
    )
    frame["sex"] = frame["sex"].map({1.0: "a", 2.0: "b"})
    frame["progression"] = bunch.target
    frame.to_csv(FOLDER / "diabetes.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    breast_cancer()
    wine()
    diabetes()
