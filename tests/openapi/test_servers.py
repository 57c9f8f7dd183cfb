from typing import Any

import pytest

from isthmus.errors import ConfigurationError
from isthmus.model import SchemaDocument
from isthmus.openapi.document import OpenApiDocument
from isthmus.openapi.servers import Server, address_problem, choose_server, local_server, origin

TEMPLATE = {
    "url": "https://{region}.api.test/{version}",
    "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}, "version": {"default": "v1"}},
}


def document_from(source: str, *servers: Any) -> OpenApiDocument:
    return OpenApiDocument(source, "3.1.0", SchemaDocument({"servers": list(servers)} if servers else {}))


def test_base_url_decides_and_is_trusted() -> None:
    document = document_from("a.json", {"url": "https://other.test"})
    assert choose_server(document, "http://127.0.0.1:8000/v1/", {}) == Server("http://127.0.0.1:8000/v1", trusted=True)


def test_variables_are_filled_in_from_the_configuration_or_their_defaults() -> None:
    document = document_from("a.json", TEMPLATE)
    assert choose_server(document, None, {}).url == "https://eu.api.test/v1"
    assert choose_server(document, None, {"region": "us"}).url == "https://us.api.test/v1"
    with pytest.raises(ConfigurationError, match="does not allow"):
        choose_server(document, None, {"region": "mars"})
    with pytest.raises(ConfigurationError, match="variable 'x' without a value"):
        choose_server(document_from("a.json", {"url": "https://{x}/"}), None, {})


def test_a_relative_server_is_relative_to_where_the_document_came_from() -> None:
    source = "http://localhost:8000/docs/openapi.json"
    assert choose_server(document_from(source, {"url": "/v2"}), None, {}) == Server("http://localhost:8000/v2", True)
    assert choose_server(document_from(source), None, {}) == Server("http://localhost:8000", True)
    assert choose_server(document_from(source, {"url": "https://api.test"}), None, {}).trusted is False


def test_no_server_at_all_asks_for_base_url() -> None:
    for document in (
        document_from("a.json"),
        document_from("a.json", {"url": "/v1"}),
        document_from("a.json", {"url": "//x"}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            choose_server(document, None, {})
        assert "base_url" in caught.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "file:///etc/passwd",
        "https://",
        "https://u:p@x/",
        "https://x/?a=1",
        "https://x:99999/",
        "http://x y/",
    ],
)
def test_a_server_that_is_no_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        choose_server(document_from("a.json"), url, {})


def test_an_operations_own_server_counts_within_the_origin_only() -> None:
    document = document_from("a.json")
    server = Server("https://api.test/v1", trusted=True)

    def chosen(url: str) -> tuple[str, str]:
        return local_server({}, {"servers": [{"url": url}]}, document, server, {})

    assert chosen("https://API.test:443/v2/") == ("https://API.test:443/v2", "")
    assert chosen("/v3") == ("https://api.test/v3", "")
    assert chosen("https://evil.example") == ("https://api.test/v1", "https://evil.example")
    assert chosen("http://api.test/v2") == ("https://api.test/v1", "http://api.test/v2")
    assert chosen("//evil.example/") == ("https://api.test/v1", "https://evil.example")
    assert chosen("https://{unset}/") == ("https://api.test/v1", "https://{unset}/")
    assert local_server({"servers": [{"url": "/p"}]}, {}, document, server, {}) == ("https://api.test/p", "")


def test_origins_are_compared_in_one_spelling() -> None:
    assert origin("HTTPS://Api.Test/x") == origin("https://api.test:443/y")
    assert origin("http://api.test") != origin("https://api.test")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "0.0.0.0", "fd00:ec2::254"]
)
def test_link_local_and_metadata_addresses_are_refused_always(host: str) -> None:
    assert address_problem(host, trusted=True)
    assert address_problem(host, trusted=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "localhost", "LOCALHOST.", "::ffff:10.0.0.1"]
)
def test_private_addresses_need_the_operators_word(host: str) -> None:
    assert address_problem(host, trusted=True) == ""
    assert address_problem(host, trusted=False)


def test_public_addresses_and_names_pass() -> None:
    assert address_problem("1.1.1.1", trusted=False) == ""
    assert address_problem("api.example.com", trusted=False) == ""
