"""A user's own module, built from the text of its file.

``params`` holds ``source`` (the text), ``file`` and ``name``, and ``arguments``. The class or function is called with
its arguments, and with ``inputs`` (`Inputs`) and ``outputs`` (how many scores a row has) where its signature has them.
Running it is the user's decision, asked for before a plan is made and before a model is loaded.
"""

import inspect
import linecache
from collections.abc import Mapping
from types import ModuleType

from torch import nn

from trainwright.core.errors import SpecError
from trainwright.core.jsonable import JsonValue
from trainwright.engines.torch.networks.contract import Inputs


def build(params: Mapping[str, JsonValue], inputs: Inputs, outputs: int) -> nn.Module:
    """Run the file and call what it names.

    Raises:
        SpecError: the file or the call fails, or what comes back is no module.
    """
    file, name, source = (str(params[key]) for key in ("file", "name", "source"))
    arguments = params["arguments"]
    assert isinstance(arguments, Mapping)
    where = f"<{file}>"
    # Tracebacks, and torch's own reading of source, then show the lines.
    linecache.cache[where] = (len(source), None, source.splitlines(keepends=True), where)
    module = ModuleType(f"own_model_{file.removesuffix('.py')}")
    try:
        exec(compile(source, where, "exec"), module.__dict__)  # the user allowed it with --trust-code
        maker = getattr(module, name)
        known = inspect.signature(maker).parameters
        given = {"inputs": inputs, "outputs": outputs}
        network = maker(**dict(arguments), **{key: value for key, value in given.items() if key in known})
    except Exception as error:  # the user's own code: anything may come
        raise SpecError(f"architecture.model_type: {file}:{name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise SpecError(f"architecture.model_type: {file}:{name} gave a {type(network).__name__}, no torch.nn.Module")
    return network
