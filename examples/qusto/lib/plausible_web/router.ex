defmodule PlausibleWeb.Router do
  @moduledoc "Which path is answered by what."

  alias Plausible.JSON
  alias PlausibleWeb.SystemController

  @doc "Answers a request with a status and a JSON text. An unknown path or method is a 404."
  @spec dispatch(String.t(), String.t()) :: {100..599, String.t()}
  def dispatch(method, path) do
    {status, body} = route(method, path |> String.split("/", trim: true))
    {status, JSON.encode(body)}
  end

  # Whoever may GET may ask for the head of it.
  defp route("HEAD", path), do: route("GET", path)
  defp route("GET", ["api", "health"]), do: SystemController.readiness()
  defp route("GET", ["api", "system"]), do: SystemController.info()
  defp route("GET", ["api", "system", "health", "ready"]), do: SystemController.readiness()
  defp route("GET", ["api", "system", "health", "live"]), do: SystemController.liveness()
  defp route(_method, _path), do: {404, %{error: "not found"}}
end
