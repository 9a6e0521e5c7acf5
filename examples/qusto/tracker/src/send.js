export function send(endpoint, event) {
  return fetch(endpoint, {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "text/plain" },
    body: JSON.stringify(event),
  });
}
