"""The JSON Schema of the spec language, for editors and other programs."""

from trainwright.core.jsonable import JsonValue
from trainwright.spec.models import Spec


def json_schema() -> dict[str, JsonValue]:
    """The schema (draft 2020-12) of what a person writes: durations and budgets as texts, names in any case.

    It knows forms, not the rules between values: only `trainwright check` knows those.
    """
    schema = Spec.model_json_schema(mode="validation")
    cased = _any_case(schema)
    assert isinstance(cased, dict)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cased}


def _any_case(node: JsonValue) -> JsonValue:
    """Enumerations of texts accept any case, and still complete in an editor."""
    if isinstance(node, list):
        return [_any_case(item) for item in node]
    if not isinstance(node, dict):
        return node
    enum = node.get("enum")
    if isinstance(enum, list) and all(isinstance(e, str) for e in enum):
        rest = {k: v for k, v in node.items() if k not in ("enum", "type")}
        pattern = "|".join("".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in str(name)) for name in enum)
        return {**rest, "anyOf": [{"enum": enum}, {"type": "string", "pattern": f"^({pattern})$"}]}
    return {key: _any_case(value) for key, value in node.items()}
