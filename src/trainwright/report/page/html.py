"""Templates to one self-contained HTML file: values escaped, style and script inline and allowed by their hashes."""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup

from trainwright.core.jsonable import to_json
from trainwright.report.page.inline import inline

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(name: str, values: Mapping[str, object]) -> str:
    """Fill ``report/templates/<name>``; a name the template uses and ``values`` lacks is an error.

    The page may run its own script and use its own style, and nothing else: no network, no form, no other script,
    even if a value should get past the escaping.
    """
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    own = {"style": Markup(style), "script": Markup(script), "policy": policy}  # files of this package, not data
    return page_templates().get_template(name).render({**values, **own})


@functools.cache
def page_templates() -> "Environment":
    """The templates of pages, each compiled once in a process."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainwright.report", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters["inline"] = inline
    environment.filters["flow"] = lambda value: json.dumps(to_json(value), ensure_ascii=False)
    return environment


def _asset(name: str) -> str:
    return (resources.files("trainwright.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
