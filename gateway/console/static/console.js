// The design system's components; passkeys come before this, from the pages of alerts.
import {
  Button, Checkboxes, ErrorSummary, NotificationBanner, Radios, ServiceNavigation, SkipLink, createAll,
} from "./govuk-frontend.js";

document.body.classList.add("js-enabled", "govuk-frontend-supported");
for (const component of [
  Button, Checkboxes, ErrorSummary, NotificationBanner, Radios, ServiceNavigation, SkipLink,
]) createAll(component);

// Shown until this file has run: where it does not, the page says why nothing happens.
const without = document.getElementById("no-script");
if (without && passkeys.able) without.hidden = true;

const entering = document.getElementById("passkey");
if (entering && passkeys.able) passkeys.offer(entering, "No passkey was used. Try again.");
