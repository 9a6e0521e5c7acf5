import { send } from "./send.js";

const script = document.currentScript;
const endpoint = new URL("/api/event", script.src).href;

// A page view, and another one each time the page changes its address without being loaded.
function pageview() {
  send(endpoint, {
    n: "pageview",
    u: location.href,
    d: script.dataset.domain,
    v: COMPILE_VERSION,
  });
}

const pushState = window.history.pushState;
window.history.pushState = function (...args) {
  pushState.apply(this, args);
  pageview();
};
window.addEventListener("popstate", pageview);
pageview();
