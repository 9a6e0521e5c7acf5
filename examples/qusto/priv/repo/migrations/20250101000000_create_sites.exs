defmodule Plausible.Repo.Migrations.CreateSites do
  use Plausible.Migration

  def up(schema), do: create_table(schema, "sites", ["domain"])
  def down(schema), do: drop_table(schema, "sites")
end
