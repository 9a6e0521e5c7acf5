defmodule Plausible.MigrationsTest do
  use Plausible.StoreCase

  alias Plausible.{IngestRepo, Migrations, Repo, Schema, Store}

  setup do
    Enum.each(Migrations.repos(), &Store.create!/1)
  end

  defp titles(entries), do: Enum.map(entries, &{&1.repo, &1.name})

  @base [
    {Repo, "create_sites"},
    {Repo, "create_users"},
    {IngestRepo, "create_events"},
    {Repo, "add_timezone_to_users"}
  ]

  test "are one queue over both repos" do
    assert titles(Migrations.all()) == @base
  end

  test "versions are unique" do
    Application.put_env(:plausible, :extra_migrations, 99)
    Application.put_env(:plausible, :break, "migration")
    versions = Enum.map(Migrations.all(), & &1.version)
    assert versions == Enum.uniq(versions)
  end

  test "an extra one belongs to the release that was built with it" do
    Application.put_env(:plausible, :extra_migrations, 1)
    assert titles(Migrations.all()) == @base ++ [{Repo, "add_goals"}]

    Application.put_env(:plausible, :extra_migrations, 2)
    assert List.last(titles(Migrations.all())) == {IngestRepo, "add_goal_to_events"}
  end

  test "the broken one is there when it was ordered" do
    Application.put_env(:plausible, :break, "migration")
    assert List.last(titles(Migrations.all())) == {Repo, "break_on_purpose"}
  end

  test "those that are applied are not pending" do
    [first, second | _] = Migrations.all()
    Migrations.up(first)
    refute first in Migrations.pending()
    assert second in Migrations.pending()
  end

  test "going up and down again leaves an empty schema" do
    all = Migrations.all()
    Enum.each(all, &Migrations.up/1)
    assert Migrations.pending() == []
    assert Store.schema(Repo).tables["users"] == ["email", "name", "timezone"]

    all |> Enum.reverse() |> Enum.each(&Migrations.down/1)
    assert Store.schema(Repo) == %Schema{}
    assert Store.schema(IngestRepo) == %Schema{}
  end

  test "one that raises changes nothing" do
    Application.put_env(:plausible, :break, "migration")
    before = Store.schema(Repo)

    assert_raise RuntimeError, ~r/`migration` was ordered/, fn ->
      Migrations.up(List.last(Migrations.all()))
    end

    assert Store.schema(Repo) == before
  end

  test "a migration of a later release is not ours to revert" do
    Application.put_env(:plausible, :extra_migrations, 1)
    Enum.each(Migrations.all(), &Migrations.up/1)
    Application.put_env(:plausible, :extra_migrations, 0)

    assert Repo |> Migrations.revertible(1) |> Enum.map(& &1.name) == ["add_timezone_to_users"]
  end
end
