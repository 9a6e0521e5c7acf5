defmodule Plausible.JSONEncodeTest do
  use ExUnit.Case, async: true

  import Plausible.JSON, only: [encode: 1]

  test "writes the literals" do
    assert encode([nil, true, false]) == "[null,true,false]"
  end

  test "writes atoms as text" do
    assert encode(:ok) == ~s("ok")
  end

  test "writes numbers" do
    assert encode([0, -7, 1.5]) == "[0,-7,1.5]"
  end

  test "sorts the keys of an object" do
    assert encode(%{"c" => 3, b: 2, a: %{}}) == ~s({"a":{},"b":2,"c":3})
  end

  test "escapes quotes, backslashes and control characters" do
    assert encode("a\"b\\c\n\t\r" <> <<1>>) == ~S("a\"b\\c\n\t\r\u0001")
  end

  test "leaves other characters as they are" do
    assert encode("zażółć 🔢") == ~s("zażółć 🔢")
  end
end
