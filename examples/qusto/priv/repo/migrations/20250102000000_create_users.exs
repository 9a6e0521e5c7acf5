defmodule Plausible.Repo.Migrations.CreateUsers do
  use Plausible.Migration

  def up(schema), do: create_table(schema, "users", ["email", "name"])
  def down(schema), do: drop_table(schema, "users")
end
