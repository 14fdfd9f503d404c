"""The API as documents: OpenAPI for programs, a page for people that asks nothing of other sites.

OpenAPI: https://spec.openapis.org/oas/v3.0.3.
"""

import html
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from seldon_core.engine.compression import compressed, takes_gzip
from seldon_core.transport.http_server import Headers, Reply, Request

Object = dict[str, Any]

_JSON: Headers = ((b"content-type", b"application/json"),)
_HTML: Headers = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
     b"connect-src 'self'; base-uri 'none'; form-action 'none'"),
)  # fmt: skip
_ANY: Object = {}
_STRING = {"type": "string"}
_STRINGS = {"type": "object", "additionalProperties": _STRING}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_SIZES = {"type": "array", "items": {"type": "integer", "minimum": 0}}


def _ref(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Object) -> Object:
    return {"type": "object", "properties": properties}


def _list(items: Object) -> Object:
    return {"type": "array", "items": items}


def _one_of(*values: str) -> Object:
    return {"type": "string", "enum": list(values)}


SELDON_SCHEMAS: Mapping[str, Object] = {
    "SeldonMessage": {
        **_object(
            status=_ref("Status"),
            meta=_ref("Meta"),
            data=_ref("DefaultData"),
            binData={"type": "string", "format": "byte"},
            strData=_STRING,
            jsonData=_ANY,
        ),
        "example": {"data": {"names": ["a", "b"], "ndarray": [[1.0, 2.0]]}},
    },
    "DefaultData": _object(
        names=_list(_STRING), tensor=_ref("Tensor"), ndarray=_list(_ANY), tftensor={"type": "object"}
    ),
    "Tensor": _object(shape=_SIZES, values=_NUMBERS),
    "Meta": _object(
        puid=_STRING,
        tags={"type": "object", "additionalProperties": _ANY},
        routing={"type": "object", "additionalProperties": {"type": "integer", "minimum": -2}},
        requestPath=_STRINGS,
        metrics=_list(_ref("Metric")),
    ),
    "Metric": _object(key=_STRING, type=_one_of("COUNTER", "GAUGE", "TIMER"), value={"type": "number"}, tags=_STRINGS),
    "Status": _object(code={"type": "integer"}, info=_STRING, reason=_STRING, status=_one_of("SUCCESS", "FAILURE")),
    "Feedback": {
        **_object(
            request=_ref("SeldonMessage"),
            response=_ref("SeldonMessage"),
            reward={"type": "number"},
            truth=_ref("SeldonMessage"),
        ),
        "example": {"request": {"data": {"ndarray": [[1.0]]}}, "response": {"meta": {"routing": {}}}, "reward": 1.0},
    },
    "GraphMetadata": _object(
        name=_STRING,
        models={"type": "object", "additionalProperties": {"type": "object"}},
        graphinputs=_ANY,
        graphoutputs=_ANY,
    ),
}
_DATATYPES = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64",
    "BYTES",
]  # fmt: skip
_PARAMETERS = {"type": "object", "additionalProperties": _ANY}
V2_SCHEMAS: Mapping[str, Object] = {
    "InferenceRequest": {
        **_object(
            id=_STRING,
            parameters=_PARAMETERS,
            inputs=_list(_ref("Tensor")),
            outputs=_list(_ref("RequestOutput")),
        ),
        "required": ["inputs"],
        "example": {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}]},
    },
    "InferenceResponse": {
        **_object(
            model_name=_STRING, model_version=_STRING, id=_STRING, parameters=_PARAMETERS, outputs=_list(_ref("Tensor"))
        ),
        "required": ["model_name", "outputs"],
    },
    "Tensor": {
        **_object(
            name=_STRING,
            shape=_SIZES,
            datatype=_one_of(*_DATATYPES),
            parameters=_PARAMETERS,
            data=_list(_ANY),
        ),
        "required": ["name", "shape", "datatype"],
    },
    "RequestOutput": {**_object(name=_STRING, parameters=_PARAMETERS), "required": ["name"]},
    "Error": _object(error=_STRING),
}
TENSORFLOW_SCHEMAS: Mapping[str, Object] = {
    "PredictRequest": {
        **_object(signature_name=_STRING, instances=_list(_ANY), inputs=_ANY),
        "example": {"instances": [[1.0, 2.0]]},
    },
    "PredictResponse": _object(predictions=_list(_ANY), outputs=_ANY),
    "Error": _object(error=_STRING),
}

# Path -> method, what it is for, the schema of the request, that of the answer, the schema of an error.
Operation = tuple[str, str, str | None, str | None]
_PATHS: Mapping[str, Mapping[str, Operation]] = {
    "seldon": {
        "/api/v1.0/predictions": ("post", "Ask the graph for a prediction", "SeldonMessage", "SeldonMessage"),
        "/api/v1.0/feedback": ("post", "Tell the graph how good a prediction was", "Feedback", "SeldonMessage"),
        "/api/v1.0/metadata": ("get", "What the graph takes and gives", None, "GraphMetadata"),
        "/api/v1.0/metadata/{model}": ("get", "What one node takes and gives", None, None),
        "/api/v1.0/status": ("get", "Whether the graph can serve", None, None),
        "/api/v1.0/status/{model}": ("get", "How one node is", None, None),
    },
    "tensorflow": {
        "/v1/models/{model}:predict": ("post", "Ask for a prediction", "PredictRequest", "PredictResponse"),
        "/v1/models/{model}": ("get", "How a model is", None, None),
        "/v1/models/{model}/metadata": ("get", "What a model takes and gives", None, None),
    },
    "v2": {
        "/v2/models/{model}/infer": ("post", "Ask for an inference", "InferenceRequest", "InferenceResponse"),
        "/v2/models/{model}/versions/{version}/infer": (
            "post", "Ask one version for an inference", "InferenceRequest", "InferenceResponse",
        ),
        "/v2/models/{model}": ("get", "What a model takes and gives", None, None),
        "/v2/models/{model}/ready": ("get", "Whether a model can serve", None, None),
        "/v2": ("get", "What the server is", None, None),
        "/v2/health/live": ("get", "Whether the server lives", None, None),
        "/v2/health/ready": ("get", "Whether the graph can serve", None, None),
    },
}  # fmt: skip
_SCHEMAS = {
    "seldon": (SELDON_SCHEMAS, "SeldonMessage"),
    "tensorflow": (TENSORFLOW_SCHEMAS, "Error"),
    "v2": (V2_SCHEMAS, "Error"),
}


def openapi(protocol: str, deployment: str, namespace: str) -> Object:
    """The OpenAPI document of a deployment, its paths as callers from outside of the cluster use them.

    Args:
        protocol: seldon, tensorflow or v2.
        deployment, namespace: of the SeldonDeployment.
    """
    schemas, error = _SCHEMAS[protocol]
    prefix = f"/seldon/{namespace}/{deployment}"
    return {
        "openapi": "3.0.3",
        "info": {
            "title": f"{deployment} in {namespace}",
            "version": "v1",
            "description": f"An inference graph that speaks the {protocol} protocol.",
        },
        "paths": {
            prefix + path: {operation[0]: _operation(path, operation, error)}
            for path, operation in _PATHS[protocol].items()
        },
        "components": {"schemas": dict(schemas)},
    }


def _operation(path: str, operation: Operation, error: str) -> Object:
    _, summary, asked, answered = operation
    described: Object = {"summary": summary}
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    if names:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if asked:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(asked)}}}
    answer: Object = {"description": "The answer"}
    if answered:
        answer["content"] = {"application/json": {"schema": _ref(answered)}}
    failure = {"description": "An error of the engine; that of a node is passed on as it is, with seldon-failed-node"}
    content = {"application/json": {"schema": _ref(error)}}
    described["responses"] = {"200": answer, "default": {**failure, "content": content}}
    return described


def page(document: Mapping[str, Any], prefix: str) -> str:
    """The document as a page, with a form to try the first operation.

    Args:
        document: from `openapi`.
        prefix: what the paths in it begin with, and those of the engine do not.
    """
    schemas = document["components"]["schemas"]
    rows = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            example = schemas.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {}).get("example")
            shown = html.escape(path.removeprefix(prefix))
            body = msgspec.json.encode(example).decode() if example is not None else ""
            rows.append(
                f'<article><h2><b class="{method}">{method.upper()}</b> <code>{shown}</code></h2>'
                f"<p>{html.escape(operation['summary'])}</p>"
                f'<div class="try" data-method="{method.upper()}" data-path="{shown}">'
                + (f'<textarea rows="4" spellcheck="false">{html.escape(body)}</textarea>' if body else "")
                + '<button type="button">Send</button><pre hidden></pre></div></article>'
            )
    described = "".join(
        f"<details><summary>{html.escape(name)}</summary>"
        f"<pre>{html.escape(msgspec.json.format(msgspec.json.encode(schema)).decode())}</pre></details>"
        for name, schema in schemas.items()
    )
    title = html.escape(document["info"]["title"])
    return _PAGE.format(
        title=title, about=html.escape(document["info"]["description"]), rows="".join(rows), schemas=described,
        external=html.escape(prefix),
    )  # fmt: skip


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ margin-bottom: 0 }}
h2 {{ font-size: 1.05rem; margin: 0; font-weight: 600; overflow-wrap: anywhere }}
article {{ border: 1px solid #8886; border-radius: 8px; padding: .8rem 1rem; margin: 1rem 0 }}
article p {{ margin: .3rem 0 .6rem }}
b {{ display: inline-block; min-width: 3.2rem; text-align: center; border-radius: 4px; color: #fff; font-size: .8rem }}
.post {{ background: #1a7f37 }} .get {{ background: #0550ae }}
textarea, pre {{ box-sizing: border-box; width: 100%; font: 13px/1.4 ui-monospace, monospace }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #8884; border-radius: 4px; padding: .5rem }}
button {{ font: inherit; padding: .15rem .9rem }}
</style></head>
<body><h1>{title}</h1><p>{about} From outside of the cluster, paths begin with <code>{external}</code>.
The same for programs: <a href="seldon.json" id="document">OpenAPI document</a>.</p>
{rows}
<h2>Messages</h2>{schemas}
<script>
const here = location.pathname;
const base = here.slice(0, here.search(/\\/(api\\/v\\d\\.\\d\\/doc|v2\\/docs)/));
if (here.includes("/v2/docs")) document.getElementById("document").href = base + "/v2/docs/dataplane.json";
else document.getElementById("document").href = base + "/api/v1.0/doc/seldon.json";
for (const form of document.querySelectorAll(".try")) {{
  const text = form.querySelector("textarea"), out = form.querySelector("pre");
  form.querySelector("button").onclick = async () => {{
    let path = form.dataset.path;
    for (const part of path.match(/{{\\w+}}/g) || []) {{
      const value = prompt(part.slice(1, -1));
      if (value === null) return;
      path = path.replace(part, encodeURIComponent(value));
    }}
    out.hidden = false;
    out.textContent = "...";
    try {{
      const answer = await fetch(base + path, {{
        method: form.dataset.method, body: text ? text.value : undefined,
        headers: text ? {{"Content-Type": "application/json"}} : {{}},
      }});
      out.textContent = answer.status + " " + answer.statusText + "\\n" + await answer.text();
    }} catch (error) {{ out.textContent = error; }}
  }};
}}
</script></body></html>
"""


class Documents:
    """Serves both documents, which are made when they are first asked for."""

    def __init__(self, protocol: str, deployment: str, namespace: str) -> None:
        self._protocol = "v2" if protocol == "kfserving" else protocol
        self._deployment = deployment
        self._namespace = namespace

    def document(self, request: Request, reply: Reply) -> None:
        """Answer with the OpenAPI document."""
        _send(request, reply, _JSON, msgspec.json.encode(self._openapi))

    def page(self, request: Request, reply: Reply) -> None:
        """Answer with the page."""
        prefix = f"/seldon/{self._namespace}/{self._deployment}"
        _send(request, reply, _HTML, page(self._openapi, prefix).encode())

    @cached_property
    def _openapi(self) -> Object:
        return openapi(self._protocol, self._deployment, self._namespace)


def _send(request: Request, reply: Reply, headers: Headers, body: bytes) -> None:
    gzip = takes_gzip(request.header(b"accept-encoding") or b"")
    body, described = compressed(body, list(headers), takes_gzip=gzip)
    reply.send(200, described, body)
