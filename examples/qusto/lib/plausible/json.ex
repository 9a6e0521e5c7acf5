defmodule Plausible.JSON do
  @moduledoc "JSON text to terms and back: as much as OTP 25, which has none, makes necessary."

  @type value ::
          nil | boolean | number | String.t() | atom | [value] | %{(String.t() | atom) => value}

  @doc "Encodes a term. Keys are sorted, so equal terms give equal text."
  @spec encode(value) :: String.t()
  def encode(term), do: term |> encode_value() |> IO.iodata_to_binary()

  defp encode_value(nil), do: "null"
  defp encode_value(value) when is_boolean(value), do: Atom.to_string(value)
  defp encode_value(value) when is_atom(value), do: value |> Atom.to_string() |> encode_value()
  defp encode_value(value) when is_integer(value), do: Integer.to_string(value)
  defp encode_value(value) when is_float(value), do: Float.to_string(value)
  defp encode_value(value) when is_binary(value), do: [?", encode_text(value), ?"]

  defp encode_value(values) when is_list(values),
    do: [?[, values |> Enum.map(&encode_value/1) |> Enum.intersperse(?,), ?]]

  defp encode_value(values) when is_map(values) do
    pairs =
      for {key, value} <- Enum.sort_by(values, fn {key, _} -> to_string(key) end) do
        [encode_value(to_string(key)), ?:, encode_value(value)]
      end

    [?{, Enum.intersperse(pairs, ?,), ?}]
  end

  defp encode_text(text), do: for(<<char::utf8 <- text>>, do: encode_char(char))

  defp encode_char(?"), do: ~S(\")
  defp encode_char(?\\), do: ~S(\\)
  defp encode_char(?\n), do: ~S(\n)
  defp encode_char(?\r), do: ~S(\r)
  defp encode_char(?\t), do: ~S(\t)

  defp encode_char(char) when char < 0x20,
    do: ["\\u", char |> Integer.to_string(16) |> String.pad_leading(4, "0")]

  defp encode_char(char), do: <<char::utf8>>

  @doc "Decodes a text. Objects become maps with string keys."
  @spec decode(String.t()) :: {:ok, value} | {:error, String.t()}
  def decode(text) do
    {value, rest} = text |> skip() |> decode_value()

    case skip(rest) do
      "" -> {:ok, value}
      rest -> {:error, "unexpected #{excerpt(rest)}"}
    end
  catch
    {:bad_json, reason} -> {:error, reason}
  end

  defp decode_value("null" <> rest), do: {nil, rest}
  defp decode_value("true" <> rest), do: {true, rest}
  defp decode_value("false" <> rest), do: {false, rest}
  defp decode_value(<<?", rest::binary>>), do: decode_text(rest, [])
  defp decode_value("[" <> rest), do: rest |> skip() |> decode_list([])
  defp decode_value("{" <> rest), do: rest |> skip() |> decode_object(%{})
  defp decode_value(text), do: decode_number(text)

  defp decode_list("]" <> rest, []), do: {[], rest}

  defp decode_list(text, values) do
    {value, rest} = decode_value(text)

    case skip(rest) do
      "," <> rest -> rest |> skip() |> decode_list([value | values])
      "]" <> rest -> {Enum.reverse([value | values]), rest}
      rest -> bad(rest)
    end
  end

  defp decode_object("}" <> rest, values) when values == %{}, do: {values, rest}

  defp decode_object(<<?", text::binary>>, values) do
    with {key, rest} <- decode_text(text, []),
         ":" <> rest <- skip(rest),
         {value, rest} <- rest |> skip() |> decode_value(),
         values = Map.put(values, key, value) do
      case skip(rest) do
        "," <> rest -> rest |> skip() |> decode_object(values)
        "}" <> rest -> {values, rest}
        rest -> bad(rest)
      end
    else
      rest -> bad(rest)
    end
  end

  defp decode_object(text, _values), do: bad(text)

  defp decode_text(<<?", rest::binary>>, chars),
    do: {chars |> Enum.reverse() |> to_string(), rest}

  defp decode_text("\\u" <> <<hex::binary-size(4), rest::binary>> = text, chars) do
    case {Integer.parse(hex, 16), rest} do
      # Two halves make one character beyond U+FFFF (RFC 8259 section 7).
      {{high, ""}, "\\u" <> <<low_hex::binary-size(4), rest::binary>>}
      when high in 0xD800..0xDBFF ->
        case Integer.parse(low_hex, 16) do
          {low, ""} when low in 0xDC00..0xDFFF ->
            decode_text(rest, [0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00 | chars])

          _ ->
            bad(text)
        end

      {{char, ""}, rest} when char not in 0xD800..0xDFFF ->
        decode_text(rest, [char | chars])

      _ ->
        bad(text)
    end
  end

  defp decode_text(<<?\\, escape, rest::binary>> = text, chars) do
    case List.keyfind(escapes(), escape, 0) do
      {_, char} -> decode_text(rest, [char | chars])
      nil -> bad(text)
    end
  end

  defp decode_text(<<char::utf8, rest::binary>>, chars) when char >= 0x20,
    do: decode_text(rest, [char | chars])

  defp decode_text(text, _chars), do: bad(text)

  defp escapes,
    do: [{?", ?"}, {?\\, ?\\}, {?/, ?/}, {?b, ?\b}, {?f, ?\f}, {?n, ?\n}, {?r, ?\r}, {?t, ?\t}]

  @number ~r/\A-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/

  defp decode_number(text) do
    case Regex.run(@number, text) do
      [match | parts] ->
        rest = binary_part(text, byte_size(match), byte_size(text) - byte_size(match))
        # Only the whole part matched: a fraction or an exponent adds a part.
        {if(length(parts) == 1, do: String.to_integer(match), else: to_float(match)), rest}

      nil ->
        bad(text)
    end
  end

  defp to_float(match) do
    {float, ""} = Float.parse(match)
    float
  end

  defp skip(<<space, rest::binary>>) when space in ~c" \t\r\n", do: skip(rest)
  defp skip(text), do: text

  defp bad(text), do: throw({:bad_json, "unexpected #{excerpt(text)}"})

  defp excerpt(""), do: "end of text"
  defp excerpt(text), do: inspect(binary_part(text, 0, min(byte_size(text), 20)))
end
