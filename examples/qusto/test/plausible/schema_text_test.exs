defmodule Plausible.SchemaTextTest do
  use ExUnit.Case, async: true

  alias Plausible.Schema

  test "is one line for each migration and table, in order" do
    schema =
      %Schema{}
      |> Schema.create_table("users", ["email", "name"])
      |> Schema.create_table("sites", ["domain"])
      |> Schema.applied(20)
      |> Schema.applied(10)

    assert Schema.to_text(schema) == """
           migration 10
           migration 20
           table sites domain
           table users email name
           """

    assert schema |> Schema.to_text() |> Schema.from_text() == schema
  end

  test "an empty text is an empty schema" do
    assert Schema.from_text("") == %Schema{}
  end

  test "a reverted migration is not applied" do
    assert %Schema{} |> Schema.applied(10) |> Schema.reverted(10) == %Schema{}
  end

  test "a line it does not know is an error" do
    assert_raise RuntimeError, ~r/not a line of a schema: "index sites"/, fn ->
      Schema.from_text("migration 1\nindex sites\n")
    end
  end
end
