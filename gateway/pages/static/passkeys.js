// Passkeys, for every page that asks for one or registers one. Everything else works without.
const passkeys = (() => {
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

  const ask = async (form) => {
    const got = await navigator.credentials.get({ publicKey: {
      challenge: bytes(form.dataset.challenge), rpId: form.dataset.rp,
      userVerification: "required", timeout: 60000,
    } });
    send(form, "assertion", got, {
      clientDataJSON: text(got.response.clientDataJSON),
      authenticatorData: text(got.response.authenticatorData),
      signature: text(got.response.signature),
      userHandle: got.response.userHandle ? text(got.response.userHandle) : null,
    });
  };

  const make = async (form) => {
    const name = document.getElementById("label").value.trim() || "Throughgate";
    const made = await navigator.credentials.create({ publicKey: {
      challenge: bytes(form.dataset.challenge),
      rp: { id: form.dataset.rp, name: "Throughgate" },
      user: { id: bytes(form.dataset.user), name, displayName: name },
      pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: "public-key", alg })),
      authenticatorSelection: {
        residentKey: "required", requireResidentKey: true, userVerification: "required",
      },
      attestation: "none", timeout: 60000,
    } });
    send(form, "attestation", made, {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
    });
  };

  // Shows a form that asks for a passkey, where there are any.
  const offer = (form, otherwise) => {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      say("");
      try { await ask(form); } catch { say(otherwise); }
    });
  };

  const enrolling = document.getElementById("enrol");
  if (enrolling) {
    enrolling.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!able) { say("This browser has no passkeys."); return; }
      say("");
      try { await make(enrolling); } catch { say("No passkey was registered. Try again."); }
    });
  }
  return { able, offer };
})();
