"""The documents describe what is served, and ask nothing of other sites."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from jsonschema import Draft202012Validator

from seldon_core.engine.documents import openapi, page
from tests.engine.conftest import node

PROTOCOLS = ["seldon", "tensorflow", "v2"]
PREFIX = "/seldon/ns/my-model"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_path_of_the_document_is_served(run_engine, protocol: str) -> None:
    document = openapi(protocol, "my-model", "ns")
    async with run_engine(node("m", 1), f"--protocol={protocol}") as engine, httpx.AsyncClient() as client:
        for path, methods in document["paths"].items():
            own = path.removeprefix(PREFIX).format(model="m", version="1")
            answer = await client.options(f"http://127.0.0.1:{engine.http_port}{own}")
            assert [*methods, "options"] == answer.headers["allow"].lower().split(", ")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_schemas_are_schemas_and_fit_their_examples(protocol: str) -> None:
    document = openapi(protocol, "my-model", "ns")
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        if "example" in schema:
            Draft202012Validator(whole).validate(schema["example"])
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= document["components"]["schemas"].keys()


class Reader(HTMLParser):
    """Notes what a page loads, and that its elements are closed."""

    VOID = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name == "src" or (tag == "link" and name == "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_page_needs_nothing_else_and_shows_every_path(protocol: str) -> None:
    document = openapi(protocol, "my-model", "ns")
    reader = Reader()
    text = page(document, PREFIX)
    reader.feed(text)
    assert (reader.open, reader.loaded) == ([], [])
    assert "http://" not in text
    assert "https://" not in text
    for path in document["paths"]:
        assert path.removeprefix(PREFIX) in reader.text


def test_names_are_no_markup() -> None:
    assert "<b>x" not in page(openapi("seldon", "<b>x", "ns"), "/seldon/ns/<b>x")


async def test_the_page_may_not_load_anything(run_engine) -> None:
    async with run_engine(node("m", 1)) as engine, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{engine.http_port}/api/v1.0/doc/")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
