"""YAML as people write it: `2e-4` is a number.

Grids of runs are written so (chapter *Fine-tuning Qwen2.5*).
"""

import re

__all__ = ["parse"]

_NUMBER = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


def parse(text: str):
    """The values in a YAML text, read safely.

    YAML 1.1 takes `2e-4`, without a point and a sign, for a word; here it is the number. Raises ValueError if the text
    is not YAML.

    >>> parse("rates: [2e-4, 1.0e-3]")
    {'rates': [0.0002, 0.001]}
    """
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {error}") from None
