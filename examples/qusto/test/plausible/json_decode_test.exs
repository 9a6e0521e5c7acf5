defmodule Plausible.JSONDecodeTest do
  use ExUnit.Case, async: true

  import Plausible.JSON, only: [decode: 1, encode: 1]

  test "reads what encode writes" do
    for value <- [nil, true, 0, -12, 2.5, "", "a\"\\\n", [], [[1], "x"], %{"k" => %{"n" => nil}}] do
      assert decode(encode(value)) == {:ok, value}
    end
  end

  test "allows space around everything" do
    assert decode(" { \"a\" : [ 1 ,\n2 ] , \"b\":{} } ") == {:ok, %{"a" => [1, 2], "b" => %{}}}
  end

  test "reads exponents and fractions as floats" do
    assert decode("[1e2, 1.25, -2E-1]") == {:ok, [100.0, 1.25, -0.2]}
  end

  test "reads escapes, and two halves as one character" do
    assert decode(~S("\u0041\/\b\ud83d\udd22")) == {:ok, "A/\b🔢"}
  end

  test "refuses what is not JSON" do
    for text <- ["", "nul", "[1,]", "{1:2}", "{\"a\" 1}", "01", "\"a", ~S("\ud83d"), "1 2", "[1"] do
      assert {:error, "unexpected " <> _} = decode(text)
    end
  end
end
