defmodule Plausible.ReleaseRollbackTest do
  use Plausible.StoreCase

  import ExUnit.CaptureIO

  alias Plausible.{IngestRepo, Release, Repo, Store}

  setup do
    capture_io(&Release.migrate/0)
    :ok
  end

  test "asks for a number and goes that many steps back in every repo" do
    output = capture_io("1\n", &Release.rollback/0)
    assert output =~ "Enter the number of steps: "
    assert output =~ "Rollback successful!"
    assert Store.schema(Repo).versions == [20_250_101_000_000, 20_250_102_000_000]
    assert Store.schema(IngestRepo).versions == []
  end

  test "goes back to the start and no further" do
    capture_io("99\n", &Release.rollback/0)
    assert Store.schema(Repo).tables == %{}
  end

  for input <- ["", "\n", "zero\n", "0\n", "-1\n", "1.5\n"] do
    test "refuses #{inspect(input)} and reverts nothing" do
      before = Store.schema(Repo)

      capture_io(unquote(input), fn ->
        assert_raise RuntimeError, ~r/nothing was reverted/, &Release.rollback/0
      end)

      assert Store.schema(Repo) == before
    end
  end
end
