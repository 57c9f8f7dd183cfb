"""The account of tokens that closes the demo."""

from __future__ import annotations

from isthmus.demo.account import Account
from isthmus.insight.definitions import definition, tokens_of
from isthmus.model import Effect, Operation, Parameter, SchemaDocument


def test_an_operation_becomes_the_tool_that_a_server_would_list() -> None:
    document = SchemaDocument({"components": {"schemas": {"Tier": {"enum": ["basic", "gold"]}}}})
    operation = Operation(
        id="shop.customers.get",
        upstream="shop",
        original="customers/get",
        effect=Effect.READ,
        parameters=(
            Parameter("customer", "customer", "path", required=True, schema={"type": "string"}, description="Whose"),
            Parameter("tier", "tier", "query", required=False, schema={"$ref": "#/components/schemas/Tier"}),
        ),
        summary="Get a customer",
        document=document,
    )
    tool = definition(operation)
    assert tool["name"] == "shop_customers_get"
    assert tool["description"] == "Get a customer"
    schema = tool["inputSchema"]
    assert schema["required"] == ["customer"]
    assert schema["properties"]["customer"] == {"type": "string", "description": "Whose"}
    assert "gold" in str(schema)
    assert 30 < tokens_of(tool) < 120


def test_the_account_adds_up() -> None:
    lines = Account(59, 1000, 9000, 500, 500).lines()
    assert lines[-1].split() == ["together", "10,000", "1,000", "10", "times", "less"]
