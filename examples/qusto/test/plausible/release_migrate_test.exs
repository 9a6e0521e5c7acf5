defmodule Plausible.ReleaseMigrateTest do
  use Plausible.StoreCase

  import ExUnit.CaptureIO

  alias Plausible.{IngestRepo, Migrations, Release, Repo, Store}

  test "brings empty stores up to date" do
    assert capture_io(&Release.migrate/0) =~
             "Migrating Plausible.IngestRepo: 20250103000000_create_events"

    assert Migrations.pending() == []
    assert Map.keys(Store.schema(Repo).tables) == ["sites", "users"]
  end

  test "does nothing the second time" do
    capture_io(&Release.interweave_migrate/0)
    refute capture_io(&Release.interweave_migrate/0) =~ "Migrating"
  end

  test "keeps what it did before a migration failed" do
    Application.put_env(:plausible, :break, "migration")

    capture_io(fn ->
      assert_raise RuntimeError, ~r/`migration` was ordered/, &Release.migrate/0
    end)

    assert [%{name: "break_on_purpose"}] = Migrations.pending()
    assert Store.schema(IngestRepo).versions == [20_250_103_000_000]
  end
end
