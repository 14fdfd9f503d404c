"""The files of a new model's folder: which there are, and what stands in them. Pure; the command writes them."""

import re
from dataclasses import dataclass
from string import Template

from seldon_core import __version__

__all__ = ["Names", "files"]

# Kubernetes allows 63 characters in a label; the names of a predictor's children begin with this name.
_LONGEST = 40
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|[0-9]+")


@dataclass(frozen=True)
class Names:
    """What a model is called in the places that have rules of their own.

    Attributes:
        cls: The class and its module, as Python writes them.
        module: The test's part of a module name.
        kubernetes: The SeldonDeployment and the image.
    """

    cls: str
    module: str
    kubernetes: str

    @classmethod
    def of(cls, name: str) -> "Names":
        """Derive them from a name such as `iris-model`, `iris_model` or `IrisModel`.

        Raises:
            ValueError: It cannot be used; with the rule and an example.
        """
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            rule = f"a letter, then letters, digits and single - or _ between them, at most {_LONGEST} characters"
            raise ValueError(f"{name!r}: must be {rule}; for example my-model")
        words = [word for part in re.split("[-_]", name) for word in _WORD.findall(part)]
        camel = "".join(part[0].upper() + part[1:] for part in re.split("[-_]", name))
        return cls(camel, "_".join(words).lower(), "-".join(words).lower())


def files(names: Names) -> dict[str, str]:
    """Return the text of each file by its name."""
    values = {"cls": names.cls, "name": names.kubernetes, "version": __version__}
    texts = {
        f"{names.cls}.py": _MODEL,
        "requirements.txt": _REQUIREMENTS,
        "Dockerfile": _DOCKERFILE,
        "seldon-deployment.yaml": _MANIFEST,
        f"test_{names.module}.py": _TEST,
    }
    return {name: Template(text).substitute(values) for name, text in texts.items()}


_MODEL = '''\
"""A model to start from: put what yours does into predict, and read a trained model from disk in a method load."""

import numpy as np


class $cls:
    """Answers the mean of every row."""

    def predict(self, X, names, meta=None):
        """Return one row for each row of X, a numpy array; names are its columns, where the request names them."""
        return np.mean(X, axis=1, keepdims=True)

    def class_names(self):
        """The columns of the answer."""
        return ["mean"]
'''

_REQUIREMENTS = """\
# What $cls.py imports, one package a line. Pin what the model was trained with, such as scikit-learn==1.9.1.
numpy
"""

_DOCKERFILE = """\
FROM docker.io/seldonio/seldon-core-microservice:$version
USER root
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
USER 8888
COPY $cls.py ./
ENV MODEL_NAME=$cls
"""

_MANIFEST = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: $name
spec:
  predictors:
  - name: default
    replicas: 1
    graph:
      name: model
      type: MODEL
    componentSpecs:
    - spec:
        containers:
        - name: model
          image: $name:0.1.0
"""

_TEST = '''\
"""Tests of the model, alone and as it is served. Run them with: python -m unittest"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

import numpy as np

from $cls import $cls

ROWS = [[1, 2], [3, 5]]
MEANS = [[1.5], [4.0]]


class Test$cls(unittest.TestCase):
    def test_predict(self):
        np.testing.assert_allclose($cls().predict(np.array(ROWS), []), MEANS)

    def test_served(self):
        ports = free_ports(2)
        variables = ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "PREDICTIVE_UNIT_METRICS_SERVICE_PORT")
        environment = {**os.environ, **dict(zip(variables, map(str, ports)))}
        command = [sys.executable, "-m", "seldon_core.microservice", "$cls"]
        server = subprocess.Popen(command, cwd=Path(__file__).parent, env=environment)
        try:
            while call(ports[0], "GET", "/ready")[0] != 200:
                self.assertIsNone(server.poll(), "the server has ended; its log says why")
                time.sleep(0.1)
            message = json.dumps({"data": {"ndarray": ROWS}})
            status, body = call(ports[0], "POST", "/api/v1.0/predictions", message)
        finally:
            server.terminate()
            server.wait()
        self.assertEqual(status, 200, body)
        self.assertEqual(json.loads(body)["data"], {"names": ["mean"], "ndarray": MEANS})


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def call(port, method, path, body=None):
    """Return the status and the body of the answer; the status is 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionRefusedError:
        return 0, b""
    finally:
        connection.close()


if __name__ == "__main__":
    unittest.main()
'''
