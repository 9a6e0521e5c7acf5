defmodule Plausible.ReleaseSeedTest do
  use Plausible.StoreCase

  import ExUnit.CaptureIO

  alias Plausible.{Release, Repo, Store}

  test "puts the first site in, once" do
    capture_io(&Release.migrate/0)
    capture_io(&Release.seed/0)
    assert capture_io(&Release.seed/0) =~ "Success!"
    assert Store.rows(Repo, "sites") == ["example.com"]
  end

  test "keeps the sites that are there" do
    capture_io(&Release.migrate/0)
    Store.put_rows!(Repo, "sites", ["own.example"])
    capture_io(&Release.seed/0)
    assert Store.rows(Repo, "sites") == ["own.example", "example.com"]
  end

  test "needs the schema" do
    capture_io(fn ->
      assert_raise RuntimeError, ~r/migrate first/, &Release.seed/0
    end)
  end
end
