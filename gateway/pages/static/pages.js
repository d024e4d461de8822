// What an alert's pages do besides: forgetting what was shown once.
(() => {
  const reading = document.getElementById("passkey");
  if (reading && passkeys.able) {
    passkeys.offer(reading, "No passkey was used. Try again, or enter a code.");
  }

  const wrong = document.getElementById("wrong");
  // After the browser has gone to the address's own fragment, if it has one.
  if (wrong) addEventListener("load", () => wrong.focus());

  if (document.body.hasAttribute("data-once")) {
    const forget = () => document.body.replaceChildren();
    addEventListener("pagehide", forget);
    addEventListener("pageshow", (event) => { if (event.persisted) forget(); });
  }
})();
