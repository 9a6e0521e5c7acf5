defmodule Plausible.ReleaseCreatedbTest do
  use Plausible.StoreCase

  import ExUnit.CaptureIO

  alias Plausible.{IngestRepo, Release, Repo, Store}

  test "makes both stores" do
    output = capture_io(&Release.createdb/0)
    assert output =~ "Creating Plausible.Repo database..\n"
    assert output =~ "Creating Plausible.IngestRepo database..\nCreation of Db successful!\n"
    assert Store.reachable?(Repo)
    assert Store.reachable?(IngestRepo)
  end

  test "leaves stores alone that are there" do
    capture_io(&Release.migrate/0)
    schema = Store.schema(Repo)
    assert capture_io(&Release.createdb/0) =~ "Plausible.Repo database already exists\n"
    assert Store.schema(Repo) == schema
  end
end
