// The signer's own page for its first people. It talks to the signer alone, and
// what it shows as the text to sign is what it hashes and has signed.

const at = (id) => document.getElementById(id);
const toBase64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
const fromBase64url = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const toHex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** A no with a sentence for the person. */
class Problem extends Error {}

async function call(path, body) {
  let answer, said;
  try {
    answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ secret, ...body }) });
    said = await answer.json();
  } catch {
    throw new Problem("The signer does not answer. Is it still running? Try again in a moment.");
  }
  if (!answer.ok) throw new Problem(said.title ?? "The signer refuses, without a reason.");
  return said;
}

// The secret stands in the address's fragment, which browsers do not send. It is
// wiped from the address, so that it stays in no history, and kept for a reload of this tab.
function takeSecret() {
  const kept = "stint-ceremony-link";
  let fragment = location.hash.slice(1);
  try {
    if (fragment) sessionStorage.setItem(kept, fragment);
    else fragment = sessionStorage.getItem(kept) ?? "";
  } catch {
    // Without storage a reload needs the link once more.
  }
  if (location.hash) history.replaceState(null, "", location.pathname);
  return fragment;
}

let secret = takeSecret();
let begun, made;

function show(section, title) {
  for (const id of ["opening", "who", "sign", "done"]) at(id).hidden = id !== section;
  at("problem").hidden = true;
  at("title").textContent = title;
  document.title = `${title} · Stint`;
  if (section !== "who") at("title").focus();
}

function tell(thrown) {
  at("problem").textContent = thrown instanceof Problem ? thrown.message : sentenceOf(thrown);
  at("problem").hidden = false;
}

// Browsers say little on purpose; this says what the person can do about each.
function sentenceOf(thrown) {
  const sentences = {
    NotAllowedError: "The passkey was not used: the prompt was closed, or ran out of time. Try again.",
    InvalidStateError: "This device already holds a passkey of yours for Stint. Take another device.",
    SecurityError: `The browser refuses passkeys under this address: its host must be ${begun?.relying_party ?? "the portal's"}.`,
    NotSupportedError: "This authenticator cannot make the kind of passkey that Stint needs. Take another one.",
    ConstraintError: "This authenticator cannot check who you are (fingerprint, face or PIN). Set that up, or take another one.",
  };
  return sentences[thrown?.name] ?? "The passkey could not be used. Try again, or take another device.";
}

// Runs one step at a time; a second click while one runs does nothing.
let running = false;
async function step(button, words, run) {
  if (running) return;
  running = true;
  const before = button?.textContent;
  if (button) {
    button.textContent = words;
    button.setAttribute("aria-disabled", "true");
  }
  at("problem").hidden = true;
  try {
    await run();
  } catch (thrown) {
    tell(thrown);
  } finally {
    running = false;
    if (button) {
      button.textContent = before;
      button.removeAttribute("aria-disabled");
    }
  }
}

function list(element, words) {
  element.replaceChildren(
    ...words.map((word) => {
      const item = document.createElement("li");
      item.textContent = word;
      return item;
    }),
  );
}

async function begin() {
  if (typeof PublicKeyCredential !== "function") {
    throw new Problem("This browser cannot use passkeys here. Open the link over https or on localhost, in a current browser.");
  }
  if (!secret) throw new Problem("The link is not complete. Open it exactly as it was given to you, with all that follows the # sign.");
  begun = await call("begin", {});
  const { person, people } = begun;
  at("name").textContent = person.name;
  at("email").textContent = person.email ? `${person.name}, ${person.email}` : person.name;
  at("subject").textContent = person.subject;
  at("issuer").textContent = person.issuer;
  at("groups").textContent = (person.groups ?? []).join(", ");
  at("instance").textContent = begun.instance;
  at("attested").hidden = !begun.attested;
  list(
    at("people"),
    people.map(({ name, joined }) => `${name}: ${joined ? "has joined" : name === person.name ? "not yet, this is you" : "not yet"}`),
  );
  show("who", `Welcome, ${person.name}`);
}

async function make() {
  // What was begun is used up by an attempt.
  begun = await call("begin", {});
  const { challenge, user, ...rest } = begun.options;
  const credential = await navigator.credentials.create({
    publicKey: { ...rest, challenge: fromBase64url(challenge), user: { ...user, id: fromBase64url(user.id) } },
  });
  const { response } = credential;
  made = await call("register", {
    name: at("passkey").value.trim(),
    credential: {
      id: credential.id,
      rawId: toBase64url(credential.rawId),
      type: credential.type,
      response: { clientDataJSON: toBase64url(response.clientDataJSON), attestationObject: toBase64url(response.attestationObject) },
    },
  });
  made.challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(made.statement));
  const digest = toHex(made.challenge);
  if (made.digest !== `sha256:${digest}`) throw new Problem("The text and its digest do not belong together. Nothing was signed; tell whoever runs the signer.");
  at("statement").textContent = made.statement;
  at("digest").textContent = digest;
  show("sign", "Read, and sign");
}

async function sign() {
  const credential = await navigator.credentials.get({
    publicKey: {
      challenge: made.challenge,
      rpId: begun.relying_party,
      allowCredentials: [{ type: "public-key", id: fromBase64url(made.credential) }],
      userVerification: "required",
      timeout: 300_000,
    },
  });
  const { response } = credential;
  const { portal, people } = await call("enrol", {
    assertion: {
      credential: toBase64url(credential.rawId),
      authenticator_data: toBase64url(response.authenticatorData),
      client_data: toBase64url(response.clientDataJSON),
      signature: toBase64url(response.signature),
    },
  });
  try {
    sessionStorage.clear();
  } catch {
    // There was none.
  }
  secret = "";
  const waiting = people.filter(({ joined }) => !joined).map(({ name }) => name);
  at("others").textContent = waiting.length
    ? "These people have not joined yet; each has a link of their own:"
    : "Everybody has joined, so this page closes for good.";
  list(at("waiting"), waiting);
  at("waiting").hidden = waiting.length === 0;
  at("onward").hidden = !portal;
  at("portal").href = portal || "/";
  at("signed").textContent = made.statement;
  show("done", "Done: you are in the roster");
}

at("make").addEventListener("submit", (event) => {
  event.preventDefault();
  void step(at("make-button"), "Waiting for your device…", make);
});
at("sign-button").addEventListener("click", () => void step(at("sign-button"), "Waiting for your device…", sign));
at("passkey").value = /Mobi/.test(navigator.userAgent) ? "Phone" : "This computer";
await step(null, "", begin);
at("opening").hidden = true;
