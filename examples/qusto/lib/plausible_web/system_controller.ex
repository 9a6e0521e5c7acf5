defmodule PlausibleWeb.SystemController do
  @moduledoc "What load balancers, deploys and operators ask."

  alias Plausible.{Build, Health}

  @type answer :: {100..599, Plausible.JSON.value()}

  @doc "200 when requests can be served, else 500; the body says what is missing."
  @spec readiness() :: answer
  def readiness do
    report = Health.readiness()
    {if(Health.ready?(report), do: 200, else: 500), report}
  end

  @doc "200 as long as the process answers at all."
  @spec liveness() :: answer
  def liveness, do: {200, %{ok: true}}

  @doc "Which build this is."
  @spec info() :: answer
  def info, do: {200, %{build: Build.info(), geo_database: "none"}}
end
