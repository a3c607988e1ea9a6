// What the signer believed at each moment: the entries that changed it, replayed
// in order. Every signature in them is checked again. How many administrators a
// change needs is the policy's to say, which the command line runs and this page
// does not; that each who is counted did sign is checked here.

const administratorsGroup = "administrators";

class Beliefs {
  constructor() {
    this.people = new Map(); // by identity
    this.devices = new Map(); // by id
    this.issuerKeys = [];
    this.authorities = []; // user CA keys that are accepted
    this.policy = null;
    this.events = []; // for people: what happened to whom, by whom
  }

  // A copy, to be changed by the next entry.
  next() {
    const copy = Object.assign(new Beliefs(), this);
    copy.people = new Map(this.people);
    copy.events = [...this.events];
    return copy;
  }

  // Somebody by their name in the roster, if it is known, and their identity.
  called(subject) {
    const person = this.people.get(identity(subject));
    return person ? `${person.name} (${identity(subject)})` : identity(subject);
  }

  // The passkey of that id which may sign, and whose it is.
  holder(credential) {
    for (const person of this.people.values()) {
      const passkey = person.passkeys.find((k) => k.credential === credential && !k.removed);
      if (passkey && !person.suspended) return { person, passkey };
    }
    throw new Refused("a passkey that signed is not in the roster, or was removed, or its person is suspended");
  }
}

const speaksFor = ({ person, passkey }, group) => person.groups.includes(group) && passkey.groups.includes(group);

// The administrators who signed a statement, each once. The person whom it is
// about never counts.
async function signingAdministrators(assertions, statement, about, beliefs, anchor) {
  const names = new Map();
  for (const assertion of assertions ?? []) {
    const holder = beliefs.holder(assertion.credential);
    if (!speaksFor(holder, administratorsGroup)) throw new Refused(`${holder.person.name} signed and is no administrator`);
    if (identity(holder.person.subject) === about) throw new Refused(`${holder.person.name} signed for themselves`);
    await checkAssertion(assertion, statement, holder.passkey, anchor);
    names.set(identity(holder.person.subject), `${holder.person.name} with the passkey \u201c${holder.passkey.name}\u201d`);
  }
  if (names.size === 0) throw new Refused("no administrator signed");
  return [...names.values()];
}

const readSubject = (text) => {
  const at = text.indexOf(" @ ");
  return { subject: text.slice(0, at), issuer: text.slice(at + 3) };
};

async function applyEnrolment(entry, beliefs, anchor) {
  const evidence = entry.enrolment.evidence;
  const s = readStatement(evidence.statement, "enrolment");
  const fresh = { credential: s.credential, public_key: s["public-key"] };
  // The signer's own page is at an address of its own.
  await checkAssertion(evidence.possession, evidence.statement, fresh, evidence.ceremony ? { ...anchor, origins: null } : anchor);
  const by = await authorityOf(evidence, s, beliefs, anchor);
  const known = beliefs.people.get(s.person);
  const groups = readList(s["groups as written"]);
  beliefs.people.set(s.person, {
    subject: readSubject(s.person), name: s.name, groups, suspended: known?.suspended ?? false,
    passkeys: [...(known?.passkeys ?? []), { ...fresh, name: s["passkey-name"], aaguid: s.aaguid, groups, removed: false }],
  });
  const reach = groups.length ? `in ${groups.join(", ")}` : "in no group";
  return { what: `${s.name} (${s.person}) enrolled the passkey \u201c${s["passkey-name"]}\u201d, ${reach}`, by, texts: [evidence.statement] };
}

async function authorityOf(evidence, s, beliefs, anchor) {
  if (evidence.ceremony) {
    const pinned = anchor.administrators.some((a) => a.credential === s.credential && a.public_key === s["public-key"] && identity(a.person) === s.person);
    if (!pinned) throw new Refused(`${s.name} joined at the ceremony and is none of the first administrators that are believed`);
    return ["the ceremony at the signer itself"];
  }
  if (evidence.login) {
    await checkLogin(evidence.login.binding, s.person, beliefs, anchor);
    const signed = { statement: evidence.statement, signature: evidence.login.signature };
    if (!(await isSignedByLoginKey(signed, evidence.login.binding.login_key))) throw new Refused("the login key did not sign the enrolment");
    return [`${s.name}, signed in at the identity provider`];
  }
  if (evidence.own) {
    const holder = beliefs.holder(evidence.own.credential);
    if (identity(holder.person.subject) !== s.person) throw new Refused("another person's passkey allowed an enrolment as if it were their own");
    await checkAssertion(evidence.own, evidence.statement, holder.passkey, anchor);
    return [`${s.name} with the passkey \u201c${holder.passkey.name}\u201d`];
  }
  return signingAdministrators(evidence.administrators, evidence.statement, s.person, beliefs, anchor);
}

// Refuses unless the login key speaks for the person: by the nonce of an ID
// token, or confirmed by the person's own passkey. Gives the token's claims.
async function checkLogin(binding, person, beliefs, anchor) {
  const claims = await readIDToken(binding.id_token, beliefs.issuerKeys, anchor);
  if (`${claims.sub} @ ${claims.iss}` !== person) throw new Refused("the ID token is somebody else's");
  if (!binding.confirmation) {
    if (claims.nonce !== (await loginNonce(binding.login_key, binding.nonce_salt))) throw new Refused("the ID token does not commit to the login key");
    return claims;
  }
  const { statement, assertion } = binding.confirmation;
  const s = readStatement(statement, "login");
  const holder = beliefs.holder(assertion.credential);
  if (s.person !== person || s["login-key"] !== binding.login_key || identity(holder.person.subject) !== person) {
    throw new Refused("the sign-in was confirmed for another person or key");
  }
  await checkAssertion(assertion, statement, holder.passkey, anchor);
  return claims;
}

async function applyChange(entry, beliefs, anchor) {
  const { statement, administrators } = entry.change.evidence;
  const s = readStatement(statement, "roster");
  const by = await signingAdministrators(administrators, statement, s.person, beliefs, anchor);
  const person = beliefs.people.get(s.person) ?? { subject: readSubject(s.person), name: s.name, groups: [], passkeys: [], suspended: false };
  const named = s.passkeys === "none" ? [] : s.passkeys.split(", ");
  const after = { ...person };
  const removed = (passkey) => ({ ...passkey, removed: true });
  switch (s.change) {
    case "groups":
      after.groups = readList(s["groups as written"]);
      after.passkeys = person.passkeys.map((k) => ({ ...k, groups: named.includes(k.credential) ? after.groups : [] }));
      break;
    case "suspend":
      after.suspended = true;
      break;
    case "unsuspend":
      after.suspended = false;
      break;
    case "delete":
      after.groups = [];
      after.passkeys = person.passkeys.map(removed);
      break;
    case "remove-passkey":
      after.passkeys = person.passkeys.map((k) => (named.includes(k.credential) ? removed(k) : k));
      break;
    default:
      throw new Refused(`the roster was changed in a way that this page does not know: ${s.change}`);
  }
  beliefs.people.set(s.person, after);
  const what = {
    groups: `${s.name} (${s.person}) is in ${after.groups.join(", ") || "no group"} from then on`,
    suspend: `${s.name} (${s.person}) was suspended`,
    unsuspend: `${s.name} (${s.person}) was let back in`,
    delete: `${s.name} (${s.person}) was deleted from the roster`,
    "remove-passkey": `A passkey of ${s.name} (${s.person}) was removed`,
  }[s.change];
  return { what, by, texts: [statement] };
}

function applyRemoval(entry, beliefs) {
  for (const [who, person] of beliefs.people) {
    if (!person.passkeys.some((k) => k.credential === entry.removal.credential)) continue;
    const passkeys = person.passkeys.map((k) => (k.credential === entry.removal.credential ? { ...k, removed: true } : k));
    beliefs.people.set(who, { ...person, passkeys });
    return { what: `A passkey of ${person.name} (${who}) was removed`, by: [`${beliefs.called(entry.removal.by)}, as the broker said`], texts: [] };
  }
  throw new Refused("a passkey was removed that is not in the roster");
}

function applySuspension(entry, beliefs) {
  const who = identity(entry.suspension.person);
  const person = beliefs.people.get(who) ?? { subject: entry.suspension.person, name: entry.suspension.name, groups: [], passkeys: [] };
  beliefs.people.set(who, { ...person, suspended: true });
  return { what: `${person.name} (${who}) was suspended`, by: [`${beliefs.called(entry.suspension.by)}, as the broker said`], texts: [] };
}

async function policyDigest(files) {
  const compare = (a, b) => {
    const [x, y] = [utf8(a), utf8(b)];
    const at = x.findIndex((byte, i) => byte !== y[i]);
    return at < 0 ? x.length - y.length : x[at] - (y[at] ?? -1);
  };
  const sized = (text) => concat(bigEndian(utf8(text).length, 8), utf8(text));
  const parts = Object.keys(files).sort(compare).flatMap((name) => [sized(name), sized(files[name])]);
  return `sha256:${toHex(await sha256(concat(utf8("stint policy bundle 1\n"), ...parts)))}`;
}

async function applyPolicy(entry, beliefs, anchor) {
  const { digest, evidence } = entry.policy;
  const files = evidence?.files ?? entry.policy.files;
  if ((await policyDigest(files)) !== digest) throw new Refused("a policy's files are not those of its digest");
  const before = beliefs.policy;
  beliefs.policy = digest;
  if (!evidence) {
    if (before) throw new Refused("a policy was replaced and nobody signed it");
    if (anchor.policy && anchor.policy !== digest) throw new Refused("the first policy is not the one that is believed");
    return { what: `The first policy, ${digest}`, by: ["whoever set the signer up"], texts: [] };
  }
  const s = readStatement(evidence.statement, "policy");
  if (s.before !== before || s.after !== digest) throw new Refused("a policy was signed for other files, or in the place of another one");
  const by = await signingAdministrators(evidence.administrators, evidence.statement, "", beliefs, anchor);
  return { what: `A new policy, ${digest}: ${readList(s["changes as written"]).join(" ")}`, by, texts: [evidence.statement] };
}

async function applyInventory(entry) {
  const { statement, targets } = entry.inventory.evidence;
  const s = readStatement(statement, "inventory");
  if ((await digestOf(targets)) !== s.targets) throw new Refused("an inventory's targets are not those of its digest");
  return { what: `Number ${s.number} of the inventory ${s.inventory}`, by: ["the inventory\u2019s own key (checked by the command line)"], texts: [statement] };
}

// Two JWKs are the same by what a key consists of (RFC 7638), not by their spelling.
function sameKey(a, b) {
  const [x, y] = [JSON.parse(a), JSON.parse(b)];
  return ["kty", "n", "e", "crv", "x", "y"].every((member) => x[member] === y[member]);
}

function applyKeys(entry, beliefs, anchor) {
  const { keys } = entry;
  if (keys.log && keys.log !== anchor.log) throw new Refused("the ledger names another key as its own");
  for (const key of keys.issuer ?? []) {
    if (anchor.issuer.keys?.length && !anchor.issuer.keys.some((pinned) => sameKey(pinned, key.jwk))) throw new Refused("a key of the identity provider is none that is believed");
    if (!beliefs.issuerKeys.some((known) => known.jwk === key.jwk)) beliefs.issuerKeys = [...beliefs.issuerKeys, key];
  }
  const user = (keys.keys ?? []).filter((key) => key.purpose === "user-ca");
  if (user.length) beliefs.authorities = user;
  const what = [keys.keys?.length && "the signer\u2019s", keys.issuer?.length && "the identity provider\u2019s"].filter(Boolean);
  return { what: `The keys that count from then on: ${what.join(" and ") || "the ledger\u2019s"}${keys.reason ? `, because: ${keys.reason}` : ""}`, by: ["the signer"], texts: [] };
}

const believing = [
  ["enrolment", applyEnrolment], ["change", applyChange], ["removal", applyRemoval], ["suspension", applySuspension],
  ["policy", applyPolicy], ["inventory", applyInventory], ["keys", applyKeys], ["device", applyDevice], ["device_block", applyDeviceBlock],
];

// What one entry makes of what was believed before it.
async function applyEntry(entry, before, anchor) {
  const beliefs = before.next();
  const apply = believing.find(([kind]) => entry[kind]);
  if (apply) beliefs.events.push({ time: entry.time, ...(await apply[1](entry, beliefs, anchor)) });
  return beliefs;
}

const isBelieving = (entry) => believing.some(([kind]) => entry[kind]);
