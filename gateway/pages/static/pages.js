"use strict";
// Passkeys, and forgetting what was shown once. Everything else works without this file.
(() => {
  const bytes = (text) => Uint8Array.from(
    atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const say = (words) => { document.getElementById("passkey-status").textContent = words; };
  const able = typeof window.PublicKeyCredential === "function";

  const send = (form, field, credential, response) => {
    form.elements[field].value = JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type,
      clientExtensionResults: {}, response,
    });
    form.submit();
  };

  const reading = document.getElementById("passkey");
  if (reading && able) {
    reading.hidden = false;
    document.getElementById("passkey-button").addEventListener("click", async () => {
      say("");
      try {
        const got = await navigator.credentials.get({ publicKey: {
          challenge: bytes(reading.dataset.challenge), rpId: reading.dataset.rp,
          userVerification: "required", timeout: 60000,
        } });
        send(reading, "assertion", got, {
          clientDataJSON: text(got.response.clientDataJSON),
          authenticatorData: text(got.response.authenticatorData),
          signature: text(got.response.signature),
          userHandle: got.response.userHandle ? text(got.response.userHandle) : null,
        });
      } catch {
        say("No passkey was used. Try again, or enter a code.");
      }
    });
  }

  const enrolling = document.getElementById("enrol");
  if (enrolling) {
    enrolling.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!able) { say("This browser has no passkeys."); return; }
      say("");
      const name = document.getElementById("label").value.trim() || "Throughgate";
      try {
        const made = await navigator.credentials.create({ publicKey: {
          challenge: bytes(enrolling.dataset.challenge),
          rp: { id: enrolling.dataset.rp, name: "Throughgate" },
          user: { id: bytes(enrolling.dataset.user), name, displayName: name },
          pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: "public-key", alg })),
          authenticatorSelection: {
            residentKey: "required", requireResidentKey: true, userVerification: "required",
          },
          attestation: "none", timeout: 60000,
        } });
        send(enrolling, "attestation", made, {
          clientDataJSON: text(made.response.clientDataJSON),
          attestationObject: text(made.response.attestationObject),
        });
      } catch {
        say("No passkey was registered. Try again.");
      }
    });
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
