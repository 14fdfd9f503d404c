"""Where in a YAML file the field of a finding stands."""

import re

import yaml

_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")


def line_of(node: yaml.Node, path: str) -> int:
    """Return the line of a field, or of the innermost part around it that is written.

    Args:
        node: The node of the object in the YAML file.
        path: The path of the field, as a finding has it: `spec.predictors[0].name`.
    """
    line: int = node.start_mark.line
    for field, item in _STEP.findall(path):
        found = _entered(node, field or item)
        if found is None:
            break
        line, node = found
    return line + 1


def _entered(node: yaml.Node, step: str) -> tuple[int, yaml.Node] | None:
    """Return the line of a key or an item of a node, and the node below; None where there is none."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == step:
                return key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
        item = node.value[int(step)]
        return item.start_mark.line, item
    return None
