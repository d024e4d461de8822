// The design system's components and passkeys. Everything but passkeys works without this file.
import {
  Button, Checkboxes, ErrorSummary, NotificationBanner, Radios, ServiceNavigation, SkipLink, createAll,
} from "./govuk-frontend.js";

document.body.classList.add("js-enabled", "govuk-frontend-supported");
for (const component of [
  Button, Checkboxes, ErrorSummary, NotificationBanner, Radios, ServiceNavigation, SkipLink,
]) createAll(component);

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

// Shown until this file has run: where it does not, the page says why nothing happens.
const without = document.getElementById("no-script");
if (without && able) without.hidden = true;

const entering = document.getElementById("passkey");
if (entering && able) {
  entering.hidden = false;
  entering.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("");
    try {
      const got = await navigator.credentials.get({ publicKey: {
        challenge: bytes(entering.dataset.challenge), rpId: entering.dataset.rp,
        userVerification: "required", timeout: 60000,
      } });
      send(entering, "assertion", got, {
        clientDataJSON: text(got.response.clientDataJSON),
        authenticatorData: text(got.response.authenticatorData),
        signature: text(got.response.signature),
        userHandle: got.response.userHandle ? text(got.response.userHandle) : null,
      });
    } catch {
      say("No passkey was used. Try again.");
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
