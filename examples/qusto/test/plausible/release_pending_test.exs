defmodule Plausible.ReleasePendingTest do
  use Plausible.StoreCase

  import ExUnit.CaptureIO

  alias Plausible.{Release, Repo, Store}

  test "says what it does before it says what is pending" do
    assert capture_io(&Release.pending_streaks/0) =~ """
           Loading plausible..
           Starting dependencies..
           Starting repos..
           Collecting pending migrations..
           """
  end

  test "lists streaks with the version each leads to" do
    output = capture_io(&Release.pending_streaks/0)

    assert output =~ ~r"""
           ^Plausible\.Repo \[\S+priv/repo/migrations\] streak up to version 20250102000000:
             \* 20250101000000_create_sites
             \* 20250102000000_create_users

           Plausible\.IngestRepo \[\S+priv/ingest_repo/migrations\] streak up to version 20250103000000:
             \* 20250103000000_create_events
           """m
  end

  test "changes nothing, not even an empty directory" do
    capture_io(&Release.pending_streaks/0)
    refute File.exists?(Store.dir(Repo))
  end

  test "says so when there is nothing" do
    capture_io(&Release.migrate/0)
    assert capture_io(&Release.pending_streaks/0) =~ ~r/\nNo pending migrations!\n\z/
  end
end
