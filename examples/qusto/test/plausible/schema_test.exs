defmodule Plausible.SchemaTest do
  use ExUnit.Case, async: true

  alias Plausible.Schema

  setup do
    {:ok, schema: Schema.create_table(%Schema{}, "sites", ["domain"])}
  end

  test "adds and drops tables", %{schema: schema} do
    assert schema.tables == %{"sites" => ["domain"]}
    assert Schema.drop_table(schema, "sites") == %Schema{}
  end

  test "adds and drops columns", %{schema: schema} do
    wider = Schema.add_column(schema, "sites", "timezone")
    assert wider.tables["sites"] == ["domain", "timezone"]
    assert Schema.drop_column(wider, "sites", "timezone") == schema
  end

  test "refuses what is there already", %{schema: schema} do
    assert_raise RuntimeError, "table sites exists already", fn ->
      Schema.create_table(schema, "sites", [])
    end

    assert_raise RuntimeError, "column sites.domain exists already", fn ->
      Schema.add_column(schema, "sites", "domain")
    end
  end

  test "refuses what is not there", %{schema: schema} do
    assert_raise RuntimeError, "table goals does not exist", fn ->
      Schema.add_column(schema, "goals", "name")
    end

    assert_raise RuntimeError, "column sites.name does not exist", fn ->
      Schema.drop_column(schema, "sites", "name")
    end
  end
end
