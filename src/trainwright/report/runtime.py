"""What a receiver must install to use the model of a hand-off, by name and version."""

from trainwright.core.jsonable import JsonValue
from trainwright.report.facts import Facts
from trainwright.report.reading import mapping, text

_ALWAYS = ("numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "skops")
_OF_ENGINES = {
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "catboost": ("catboost",),
    "torch": ("torch", "safetensors"),
}
_OF_FAMILIES = {"hf": ("transformers", "tokenizers"), "timm": ("timm",)}


def runtime(facts: Facts) -> dict[str, JsonValue]:
    """Python and the packages the model was trained with and needs again: the ``runtime`` of the manifest."""
    known = mapping(facts.environment.get("packages"))
    family = text(facts.model.get("estimator")).partition("/")[0] or text(facts.model.get("family"))
    wanted = (*_ALWAYS, *_OF_ENGINES.get(text(facts.model.get("engine")), ()), *_OF_FAMILIES.get(family, ()))
    packages: dict[str, JsonValue] = {"trainwright": text(facts.record.get("version"))}
    packages |= {name: known[name] for name in wanted if name in known}
    return {"python": facts.environment.get("python"), "packages": packages}


def requirements(facts: Facts) -> str:
    """The same as a file for pip."""
    told = runtime(facts)
    head = f"# What the model needs; trained with Python {text(told['python'], 'not recorded')}.\n"
    return head + "".join(f"{name}=={version}\n" for name, version in mapping(told["packages"]).items())
