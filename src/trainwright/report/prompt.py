"""The prompt for whoever evaluates the model next."""

from trainwright.report import tables
from trainwright.report.facts import Facts
from trainwright.report.limits import limitations, open_questions
from trainwright.report.markdown import yaml_block
from trainwright.report.model_card import training_data
from trainwright.report.observations import headline, observations
from trainwright.report.reading import items, mapping, text
from trainwright.report.receiver import receiver
from trainwright.report.rendering import render_template


def render_prompt(facts: Facts) -> str:
    """A complete prompt: the task, the model, the evidence so far, where everything lies, and what is open."""
    wanted = receiver(facts.run)
    parts = tuple(p for p in ("test", "val", "train") if p in facts.metrics)
    return render_template(
        "prompt.md.j2",
        {
            "facts": facts,
            "to": wanted.to,
            "focus": wanted.focus,
            "headline": headline(facts),
            "observations": observations(facts),
            "limitations": limitations(facts),
            "questions": open_questions(facts),
            "metrics": tables.metrics_table(facts, parts),
            "intervals": tables.interval_lines(facts, ("test", "val")),
            "baselines": tables.baselines_table(facts) if facts.baselines else "",
            "params": yaml_block(mapping(facts.record.get("best_params")) or mapping(facts.model.get("params"))),
            "training_data": training_data(facts),
            "openings": [text(o) for o in items(facts.record.get("test_openings"))],
            "run_name": text(facts.record.get("run"), facts.run.name),
            "model": {k: text(facts.model.get(k), "not recorded") for k in ("family", "engine_version", "loss")},
            "determinism": text(mapping(facts.record.get("determinism")).get("level"), "not recorded"),
            "parts": list(facts.predictions),
            "importance": bool(mapping(facts.model.get("importance"))),
        },
    )
