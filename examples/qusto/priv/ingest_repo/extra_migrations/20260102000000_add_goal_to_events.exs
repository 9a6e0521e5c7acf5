defmodule Plausible.IngestRepo.Migrations.AddGoalToEvents do
  use Plausible.Migration

  def up(schema), do: add_column(schema, "events", "goal_id")
  def down(schema), do: drop_column(schema, "events", "goal_id")
end
