// The checks, in order. Each has a name that stays, a title, and ends in one of
// three states: it holds, it fails, or it is left open because this browser or
// this file cannot answer it.

class Examination {
  constructor(file, anchor) {
    this.file = file;
    this.anchor = anchor;
    this.checks = [];
    this.entries = []; // {index, entry, beliefs}: what was believed right before it
    this.events = []; // the history, for people
    this.agreements = []; // one for each certificate, or one without any
    this.ending = null;
    this.word = null; // somebody’s own about the ending
  }

  // Somebody by the name that a statement or the roster gives them.
  called(subject) {
    const asked = this.agreements.find(({ request }) => request?.requester === identity(subject));
    return asked ? `${asked.request["requester-name"]} (${identity(subject)})` : (this.beliefs ?? new Beliefs()).called(subject);
  }

  async check(name, title, step) {
    const outcome = { name, title, state: "holds", why: "" };
    try {
      outcome.why = (await step()) ?? "";
    } catch (error) {
      outcome.state = error instanceof Unable ? "open" : "fails";
      outcome.why = error instanceof Unable || error instanceof Refused ? error.message : "it is not in its form";
    }
    this.checks.push(outcome);
    return outcome.state === "holds";
  }

  async run() {
    const { file, anchor } = this;
    await this.check("version", "The file is of a version that this page reads", () => {
      if (file.version !== 1 || anchor.version !== 1) throw new Refused("file and trust are of version 1");
      if (!file.agreed && !file.entries.some((leaf) => JSON.parse(leaf.entry).session)) throw new Refused("the file holds no evidence");
    });
    if (file.entries.length) await this.ledger();
    if (file.agreed) await this.agreed(JSON.parse(file.agreed));
    for (const leaf of this.entries) if (leaf.entry.session) await this.session(leaf);
    await this.certificates();
    await this.after();
    this.checks.push({
      name: "policy", title: "Policy allowed it", state: "elsewhere",
      why: "This page does not run policy. This does, and checks everything again: stint evidence verify FILE --trust trust.json",
    });
  }

  async ledger() {
    const { file, anchor } = this;
    let checkpoint;
    await this.check("checkpoint", "The log\u2019s key signed the checkpoint", async () => {
      checkpoint = await openCheckpoint(file.checkpoint, anchor.log);
      return `${checkpoint.origin}, ${checkpoint.size} entries`;
    });
    if (anchor.witnesses?.length) {
      await this.check("witness", "A witness outside the signer cosigned it", async () => {
        const note = splitNote(file.checkpoint);
        const names = [];
        for (const key of anchor.witnesses) {
          const verifier = await readVerifierKey(key);
          if (await isSignedBy(note, verifier)) names.push(verifier.name);
        }
        if (!names.length) throw new Refused("no witness that is believed did");
        return names.join(", ");
      });
    }
    await this.check("inclusion", "Every entry is in the tree that was signed", async () => {
      if (!checkpoint) throw new Refused("there is no checkpoint to hold them against");
      for (const leaf of file.entries) {
        const path = leaf.path.map((hash) => fromBase64(hash, "a hash"));
        if (!(await isIncluded(await leafHash(leaf.entry), leaf.index, path, checkpoint))) throw new Refused(`entry ${leaf.index} is not`);
      }
      return `${file.entries.length} entries`;
    });
    this.entries = file.entries.map((leaf) => ({ index: leaf.index, entry: JSON.parse(leaf.entry), beliefs: null }));
    const whole = await this.check("history", "Nothing that the signer believed was left out", () => this.chain());
    if (whole) await this.check("roster", "Everybody was let in by those who may", () => this.replay());
  }

  // Each entry names the one before it that changed what the signer believed.
  chain() {
    let latest = -1;
    let last = -1;
    for (const { index, entry } of this.entries) {
      if (index <= last) throw new Refused("the entries are not in their order");
      if (entry.believed !== latest) {
        if (latest === -1 && !this.entries.some((leaf) => isBelieving(leaf.entry))) {
          throw new Unable("this file was exported by somebody who may not see the history; ask a reviewer or an administrator for one");
        }
        throw new Refused(`entry ${index} stands on entry ${entry.believed}, which is not here`);
      }
      if (isBelieving(entry)) latest = index;
      last = index;
    }
  }

  async replay() {
    let beliefs = new Beliefs();
    for (const leaf of this.entries) {
      leaf.beliefs = beliefs;
      try {
        beliefs = await applyEntry(leaf.entry, beliefs, this.anchor);
      } catch (error) {
        if (error instanceof Refused) error.message = `entry ${leaf.index}: ${error.message}`;
        throw error;
      }
    }
    this.beliefs = beliefs;
    this.events = beliefs.events;
    return `${this.events.length} entries, each signature checked`;
  }

  // One certificate, with all that led to it.
  async session({ index, entry, beliefs }) {
    const session = entry.session;
    const agreement = { index, entry, approvals: [] };
    this.agreements.push(agreement);
    const of = `Certificate ${session.serial}: `;
    let bundle = session.bundle;
    if (session.reissues) {
      await this.check(`reissue-${index}`, `${of}it stands in the place of one whose key was withdrawn`, () => {
        bundle = this.replaced({ index, entry, beliefs }).bundle;
        if (this.agreements.at(-2).text !== bundle.request) throw new Refused("the revision of that one had been replaced");
        return `number ${session.reissues}`;
      });
      if (!bundle) return;
    }
    await this.agreement(agreement, bundle, beliefs, `-${index}`, of);
    const { request, text } = agreement;
    if (!request || !beliefs) return;
    await this.check(`sign-in-${index}`, `${of}the requester had signed in`, async () => {
      const claims = await checkLogin(bundle.login, request.requester, beliefs, this.anchor);
      if (new Date(entry.time) < new Date(claims.exp * 1000)) return undefined;
      if (!session.reissues) throw new Refused("the ID token was over");
      return "the ID token was over, which a certificate that is issued once more may outlive";
    });
    await this.check(`activation-${index}`, `${of}the requester\u2019s own key asked for it`, async () => {
      const { activation, login } = bundle;
      const a = readStatement(activation.statement, "activation");
      agreement.activation = a;
      if (a["request-digest"] !== (await digestOf(text)) || a["session-key"] !== session.session_key) throw new Refused("it asked for something else");
      if (!(await isSignedByLoginKey(activation, login.login_key))) throw new Refused("the login key did not sign it");
    });
    const { activation } = agreement;
    if (activation && (activation.device !== "none" || activation.posture !== "none" || bundle.device)) {
      await this.check(`device-${index}`, `${of}the requester\u2019s own device asked for it`, () =>
        checkActivatedDevice(bundle, activation, request.requester, beliefs));
    }
    await this.check(`entry-${index}`, `${of}the ledger\u2019s entry says what was agreed`, () => {
      const same = session.request === request.request && identity(session.requester) === request.requester &&
        session.role === request.role && session.principal === `${request.login}@${request.target}`;
      if (!same) throw new Refused("it says something else");
    });
  }

  // Each certificate of the file, however many say the same serial: any of them may have been shown to somebody.
  async certificates() {
    const names = new Map(); // how often each was given
    for (const text of this.file.certificates) {
      let c = null;
      try {
        c = readCertificate(text);
      } catch {
        // told below
      }
      const leaf = c && this.entries.find(({ entry }) => entry.session?.serial === c.serial);
      if (leaf && !leaf.beliefs) continue; // whose keys the signer's were is not known, and nothing is said of it
      const name = `certificate-${leaf?.index ?? "unknown"}`;
      const times = (names.get(name) ?? 0) + 1;
      names.set(name, times);
      await this.check(times > 1 ? `${name}-${times}` : name, `Certificate ${c?.serial ?? "in the file"}: it is the one in the ledger`, () => {
        if (!c) throw new Refused("a certificate in the file cannot be read");
        if (!leaf) throw new Refused(`the file holds the certificate ${c.serial}, and no entry of it issued that`);
        return this.certificate(c, leaf);
      });
    }
  }

  // The certificate that one which was issued once more leads back to, with a bundle.
  // It refuses one that differs in more than serial, key and time, whose predecessor's
  // key still counted, or that its requester could not have asked for by then.
  replaced({ index, entry: { time, session }, beliefs }) {
    if (session.bundle) throw new Refused("it brings evidence of its own");
    const earlier = this.entries.findLast((leaf) => leaf.index < index && leaf.entry.session?.session_key === session.session_key);
    const before = earlier?.entry.session;
    if (before?.serial !== session.reissues) throw new Refused("that is not the newest for its session key");
    const said = (s) => [s.request, identity(s.requester), s.role, s.principal, s.session_key, s.ends].join("\n");
    if (said(before) !== said(session)) throw new Refused("it says something else than that one");
    if (new Date(time) >= new Date(session.ends)) throw new Refused("the time of the grant was over");
    if (beliefs) {
      const key = earlier.beliefs.authorities.find((k) => k.state === "current")?.key;
      if (!key || beliefs.authorities.some((k) => k.key === key && k.state !== "withdrawn")) throw new Refused("that one\u2019s key was not withdrawn");
      if (beliefs.people.get(identity(session.requester))?.suspended) throw new Refused("the requester was suspended");
    }
    return before.reissues ? this.replaced(earlier) : before;
  }

  // The request, and each approval of it.
  async agreement(agreement, bundle, beliefs, suffix, of) {
    agreement.text = bundle.request;
    await this.check(`request${suffix}`, `${of}the request is in its form`, async () => {
      agreement.request = readStatement(bundle.request, "request");
      if (agreement.request.instance !== this.anchor.instance) throw new Refused("it is of another installation");
      if (agreement.request.request !== this.file.request) throw new Refused("it is another request than the file\u2019s");
      return digestOf(bundle.request);
    });
    if (!agreement.request || !beliefs) return;
    for (const [i, approval] of (bundle.approvals ?? []).entries()) {
      await this.check(`approval${suffix}-${i + 1}`, `${of}approval ${i + 1} is for exactly this, by a passkey of the roster`, async () => {
        const a = readStatement(approval.statement, "approval");
        if (a["request-digest"] !== (await digestOf(bundle.request))) throw new Refused("it is for another request");
        const same = ["instance", "request", "revision", "requester", "requester-name", "role", "target", "login", "reason", "policy"];
        const differs = same.find((name) => a[name] !== agreement.request[name]);
        if (differs) throw new Refused(`its ${differs} is not the request\u2019s`);
        const holder = beliefs.holder(approval.assertion.credential);
        if (identity(holder.person.subject) !== a.approver || holder.person.name !== a["approver-name"]) throw new Refused("the passkey is somebody else\u2019s");
        await checkAssertion(approval.assertion, approval.statement, holder.passkey, this.anchor);
        agreement.approvals.push({ ...a, text: approval.statement, passkey: holder.passkey, person: holder.person });
        return `${holder.person.name}, \u201c${holder.passkey.name}\u201d`;
      });
    }
  }

  async agreed(bundle) {
    const agreement = { approvals: [] };
    this.agreements.push(agreement);
    await this.agreement(agreement, bundle, this.beliefs, "", "");
  }

  async certificate(c, { entry: { time, session }, beliefs }) {
    const [then, ends] = [time, session.ends].map((at) => Math.floor(Date.parse(at) / 1000));
    if (c.kind !== 1 || c.key !== session.session_key || c.principal !== session.principal || c.ends !== ends || c.id !== session.request) {
      throw new Refused("the certificate says something else");
    }
    const accepted = beliefs.authorities.filter((key) => isAccepted(key, time));
    if (!accepted.some((key) => equal(keyBytes(key.key), c.authority))) throw new Refused("the certificate is signed by a key that was not the signer\u2019s then");
    if (then < c.begins || then >= c.ends) throw new Refused("the certificate does not hold: it was not good when it was given");
    if (c.options) throw new Refused("the certificate does not hold: it has an option that is not known");
    if (!(await isSignedBySSHKey(c.authority, c.signature, c.signed))) throw new Refused("the certificate does not hold: its signature is another");
    return `number ${c.serial}`;
  }

  // Nothing was given for the request once it was ended.
  async after() {
    const own = this.entries.filter(({ entry }) => (entry.session ?? entry.target ?? entry.ending)?.request === this.file.request);
    const ending = own.find(({ entry }) => entry.ending);
    this.ending = ending ?? null;
    if (!ending) return;
    this.word = await this.wordOf(ending.entry.ending, own);
    await this.check("ending", "Nothing was given after the end", () => {
      const late = own.find(({ index, entry }) => index > ending.index && !entry.ending);
      if (late) throw new Refused(`entry ${late.index} is from after it`);
    });
  }

  // Somebody's own statement that they ended the request, and whether it is the
  // requester's, signed by the key that had asked for a certificate under it.
  async wordOf({ request, reason, evidence }, own) {
    try {
      const end = readStatement(evidence?.statement ?? "", "end");
      if (end.request !== request || end.change !== reason) return null;
      const word = { by: readSubject(end.person), verified: false };
      for (const { entry } of this.beliefs && end.instance === this.anchor.instance ? own : []) {
        const login = entry.session?.bundle?.login;
        if (!login || identity(entry.session.requester) !== end.person) continue;
        try {
          word.verified ||= await isSignedByLoginKey(evidence, login.login_key);
        } catch {} // the browser cannot, or the signature is none: nothing is verified
      }
      return word;
    } catch {
      return null; // it is no statement of an end
    }
  }
}
