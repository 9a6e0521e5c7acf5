defmodule Plausible.StoreTest do
  use Plausible.StoreCase

  alias Plausible.{IngestRepo, Repo, Schema, Store}

  test "each repo has a directory of its own", %{data_dir: dir} do
    assert Store.dir(Repo) == Path.join(dir, "postgres")
    assert Store.dir(IngestRepo) == Path.join(dir, "clickhouse")
  end

  test "is reachable once it is made" do
    refute Store.reachable?(Repo)
    assert Store.create!(Repo) == :created
    assert Store.create!(Repo) == :exists
    assert Store.reachable?(Repo)
    refute Store.reachable?(IngestRepo)
  end

  test "is not reachable where a file is in the way", %{data_dir: dir} do
    File.mkdir_p!(dir)
    File.write!(Path.join(dir, "postgres"), "")
    refute Store.reachable?(Repo)
    assert_raise File.Error, fn -> Store.create!(Repo) end
  end

  test "keeps a schema, and nothing but it", %{data_dir: dir} do
    Store.create!(Repo)
    schema = %Schema{} |> Schema.create_table("sites", ["domain"]) |> Schema.applied(7)
    assert Store.put_schema!(Repo, schema) == :ok
    assert Store.schema(Repo) == schema
    assert File.ls!(Path.join(dir, "postgres")) == ["schema"]
  end

  test "has an empty schema before the first" do
    Store.create!(Repo)
    assert Store.schema(Repo) == %Schema{}
  end

  test "keeps rows" do
    Store.create!(Repo)
    assert Store.rows(Repo, "sites") == []
    Store.put_rows!(Repo, "sites", ["a.example", "b.example"])
    assert Store.rows(Repo, "sites") == ["a.example", "b.example"]
  end
end
