import { send } from "./send.js";

// Tells the page's installer whether an event gets through.
window.verifyPlausibleInstallation = async function (endpoint) {
  const answer = await send(endpoint, {
    n: "verification",
    u: location.href,
    v: COMPILE_VERSION,
  });
  return { ok: answer.ok, status: answer.status };
};
