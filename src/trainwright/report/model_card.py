"""model_card.md: metadata for the Hugging Face Hub, the mission's YAML block, and the same for people to read."""

from trainwright.core.jsonable import JsonValue
from trainwright.report import tables
from trainwright.report.facts import Facts
from trainwright.report.hub import hub_card
from trainwright.report.limits import limitations, protected_columns
from trainwright.report.markdown import yaml_block
from trainwright.report.observations import headline
from trainwright.report.reading import mapping, text
from trainwright.report.rendering import render_template
from trainwright.report.words import count


def render(facts: Facts) -> str:
    """The model card as Markdown; a function of the folder's content alone."""
    return render_template(
        "model_card.md.j2",
        {
            "facts": facts,
            "hub": hub_card(facts),
            "card": card_yaml(facts),
            "headline": headline(facts),
            "limitations": limitations(facts),
            "protected": protected_columns(facts),
            "metrics": tables.metrics_table(facts, tuple(p for p in ("test", "val", "train") if p in facts.metrics)),
            "intervals": tables.interval_lines(facts, ("test", "val")),
            "columns": tables.columns_table(facts) or "",
            "features": [c.name for c in facts.columns if c.role == "feature"],
            "ignored": [c for c in facts.columns if c.role == "ignored"],
            "model": {k: text(facts.model.get(k), "not recorded") for k in ("family", "engine_version", "loss")},
            "training_data": training_data(facts),
            "run_name": text(facts.record.get("run"), facts.run.name),
            "created": text(facts.record.get("created"), "not recorded"),
            "determinism": text(mapping(facts.record.get("determinism")).get("level"), "not recorded"),
            "source": facts.source,
        },
    )


def card_yaml(facts: Facts) -> str:
    """The six keys of the mission's model card as YAML, performance of every part at full precision."""
    values: dict[str, JsonValue] = {
        "model_name": facts.name,
        "version": text(facts.record.get("run"), facts.run.name),
        "trained_date": text(facts.record.get("created"), "not recorded")[:10],
        "training_data": training_data(facts),
        "performance": {part: dict(values) for part, values in facts.metrics.items()},
        "limitations": [_plain(sentence) for sentence in limitations(facts)],
    }
    return yaml_block(values)


def training_data(facts: Facts) -> str:
    """The training data in one sentence."""
    data = mapping(facts.record.get("data"))
    digest = text(mapping(facts.record.get("digests")).get("data"))
    words = (
        f"{count(facts.rows('train'))} rows, {text(data.get('features'), 'unknown')} features, target {facts.target}"
    )
    return f"{words}, data digest {digest[:12]}" if digest else words


def _plain(sentence: str) -> str:
    """A Markdown sentence as plain text."""
    import html
    import re

    return re.sub(r"\\([*~_\\#+-])", r"\1", html.unescape(sentence.replace("**", "")))
