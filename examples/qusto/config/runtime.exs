# Read at every start and by every `bin/plausible eval`.
import Config

# As in Plausible: a file in CONFIG_DIR beats the environment.
config_dir = System.get_env("CONFIG_DIR", "/run/secrets")

get = fn name, default ->
  case File.read(Path.join(config_dir, name)) do
    {:ok, text} -> String.trim(text)
    {:error, _} -> System.get_env(name, default)
  end
end

number = fn name, default ->
  case Integer.parse(get.(name, default)) do
    {number, ""} when number >= 0 -> number
    _ -> raise "#{name} must be a whole number of zero or more"
  end
end

seconds = fn name, default ->
  case Float.parse(get.(name, default)) do
    {seconds, ""} when seconds >= 0 -> round(seconds * 1000)
    _ -> raise "#{name} must be a number of seconds"
  end
end

if config_env() in [:prod, :ce] do
  secret =
    get.("SECRET_KEY_BASE", nil) || raise "SECRET_KEY_BASE configuration option is required"

  if byte_size(secret) < 32 do
    raise "SECRET_KEY_BASE must be at least 32 bytes long, it has #{byte_size(secret)}"
  end

  base_url = get.("BASE_URL", nil) || raise "BASE_URL configuration option is required"

  unless match?(
           %URI{scheme: scheme, host: host}
           when scheme in ["http", "https"] and host not in [nil, ""],
           URI.parse(base_url)
         ) do
    raise "BASE_URL must be an http or https URL with a host"
  end

  config :plausible, secret_key_base: secret, base_url: base_url

  level = get.("LOG_LEVEL", "notice")
  levels = ~w(error warning notice info debug)

  unless level in levels do
    raise "LOG_LEVEL must be one of #{Enum.join(levels, ", ")}"
  end

  config :logger, level: String.to_existing_atom(level)
end

ip =
  case :inet.parse_address(String.to_charlist(get.("LISTEN_IP", "127.0.0.1"))) do
    {:ok, ip} -> ip
    {:error, _} -> raise "LISTEN_IP must be an IP address"
  end

port_name = if get.("HTTP_PORT", nil), do: "HTTP_PORT", else: "PORT"
port = number.(port_name, "8000")

# Each environment and each test partition has a directory of its own, so that they can run at
# the same time.
default_data_dir =
  if config_env() in [:prod, :ce] do
    "/var/lib/plausible"
  else
    Path.join(
      System.tmp_dir!(),
      "qusto-#{config_env()}#{System.get_env("MIX_TEST_PARTITION", "")}"
    )
  end

config :plausible,
  listen: {ip, port},
  data_dir: get.("DATA_DIR", default_data_dir),
  build_metadata: get.("BUILD_METADATA", "{}"),
  boot_ms: seconds.("QUSTO_BOOT_SECONDS", "5"),
  stop_ms: seconds.("QUSTO_STOP_SECONDS", "5"),
  migration_ms: seconds.("QUSTO_MIGRATION_SECONDS", "5")

# What was built in holds unless the environment says otherwise; an empty value clears it.
if break = get.("QUSTO_BREAK", nil), do: config(:plausible, break: break)
