"""Who the hand-off is for, as the resolved spec says."""

from pathlib import Path

from trainwright.spec.models import Handoff


def receiver(run: Path) -> Handoff:
    """The ``handoff`` section of ``resolved.yaml``, else of ``spec.yaml``, else the default."""
    from pydantic import ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    for name in ("resolved.yaml", "spec.yaml"):
        path = run / name
        if not path.is_file():
            continue
        try:
            stored = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        except (YAMLError, UnicodeDecodeError):
            continue
        section = stored.get("handoff") if isinstance(stored, dict) else None
        if isinstance(section, dict):
            try:
                return Handoff.model_validate(section)
            except ValidationError:
                continue
    return Handoff.model_validate({})
