defmodule Plausible.Repo.Migrations.AddGoals do
  use Plausible.Migration

  def up(schema), do: create_table(schema, "goals", ["site_id", "event_name"])
  def down(schema), do: drop_table(schema, "goals")
end
