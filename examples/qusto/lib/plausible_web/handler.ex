defmodule PlausibleWeb.Handler do
  @moduledoc "Called by OTP's httpd for every request (the callback `do/1` of `:httpd`)."

  require Record

  Record.defrecordp(:mod, Record.extract(:mod, from_lib: "inets/include/httpd.hrl"))

  @doc "Answers one request through `PlausibleWeb.Router`."
  # `do` cannot follow `def` as a plain name.
  def unquote(:do)(request) do
    method = to_string(mod(request, :method))
    path = request |> mod(:request_uri) |> to_string() |> URI.parse() |> Map.get(:path)

    {status, body} = PlausibleWeb.Router.dispatch(method, path || "/")

    head = [
      code: status,
      content_type: ~c"application/json; charset=utf-8",
      content_length: body |> byte_size() |> Integer.to_charlist(),
      cache_control: ~c"no-store"
    ]

    {:proceed, [response: {:response, head, if(method == "HEAD", do: [], else: [body])}]}
  end
end
