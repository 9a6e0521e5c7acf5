defmodule Plausible.Repo.Migrations.AddTimezoneToUsers do
  use Plausible.Migration

  def up(schema), do: add_column(schema, "users", "timezone")
  def down(schema), do: drop_column(schema, "users", "timezone")
end
