// Shows what was found. All text is set as text: whatever people wrote into a
// reason or a name stays inert.

function element(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) e.setAttribute(key, value);
  e.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return e;
}

const section = (title, ...children) => element("section", {}, element("h2", {}, title), ...children);
const facts = (pairs) => element("dl", {}, ...pairs.flatMap(([k, v]) => [element("dt", {}, k), element("dd", {}, v)]));
const folded = (title, text) => element("details", {}, element("summary", {}, title), element("pre", {}, text));

// A moment in the reader's zone and in UTC.
function moment(text) {
  const at = new Date(text);
  const options = { dateStyle: "medium", timeStyle: "medium" };
  const utc = `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  return element("time", { datetime: text, title: at.toLocaleString(undefined, { ...options, timeStyle: "full" }) }, utc);
}

const words = { holds: "\u2713 Verified", fails: "\u2717 Fails", open: "? Open", elsewhere: "\u2192 Not here" };

function showVerdict(x, whoseTrust) {
  const failed = x.checks.filter((c) => c.state === "fails");
  const open = x.checks.filter((c) => c.state === "open");
  const state = failed.length ? "fails" : open.length ? "open" : "holds";
  const verdict = document.getElementById("verdict");
  verdict.className = `verdict ${state}`;
  const say = {
    holds: ["Verified", `Everything that this page can check holds, by the trust ${whoseTrust}. It cannot run policy: see the last check.`],
    fails: ["Not verified", failed.map((c) => `${c.title}: ${c.why}.`).join(" ")],
    open: ["Not fully checked", open.map((c) => `${c.title}: ${c.why}.`).join(" ")],
  }[state];
  verdict.replaceChildren(element("p", { class: "word" }, say[0]), element("p", {}, say[1]));
}

// Several certificates may stand on one agreement, which is told once.
function showAgreement([agreement, ...others]) {
  const r = agreement.request;
  if (!r) return section("What was asked", element("p", {}, "The request cannot be read."));
  const entry = agreement.entry;
  const children = [
    facts([
      ["Who asked", `${r["requester-name"]} (${r.requester})`],
      ["For", `${r.role} on ${r.target} as ${r.login}, for ${r.duration}`],
      ["Reason", r.reason || "none given"],
      ["Asked", moment(r.issued)],
      ["Policy", r.policy],
    ]),
    folded("The request, exactly", agreement.text),
    element("h3", {}, "Who agreed"),
  ];
  if (!agreement.approvals.length) children.push(element("p", {}, "Nobody is shown to have agreed in writing."));
  for (const a of agreement.approvals) {
    children.push(
      element("p", {}, `${a["approver-name"]} (${a.approver}) agreed to ${a.duration} with the passkey \u201c${a.passkey.name}\u201d (authenticator ${a.passkey.aaguid}), `, moment(a.issued), "."),
      folded("What they signed, exactly", a.text),
    );
  }
  for (const { index, entry: { time, session } } of entry ? [agreement, ...others] : []) {
    children.push(element("h3", {}, `Certificate ${session.serial}`), facts([
      ["For", session.principal],
      ["Given", moment(time)],
      ["Good until", moment(session.ends)],
      ["Session key", element("code", {}, session.session_key)],
      ...(session.reissues ? [["In the place of", `certificate ${session.reissues}, whose key was withdrawn; nobody was asked again`]] : []),
      ["Ledger", `entry ${index}`],
    ]));
  }
  if (!entry) children.push(element("p", {}, "The file shows no certificate for it. Whoever made it could leave one out, and what changed later about those who agreed."));
  return section("What was asked and agreed", ...children);
}

function row(...cells) {
  return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
}

function table(heads, rows) {
  const head = element("thead", {}, element("tr", {}, ...heads.map((h) => element("th", { scope: "col" }, h))));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": heads.join(", ") }, element("table", {}, head, element("tbody", {}, ...rows)));
}

// Who ended the request, and whose word that is.
function whoEnded(x, by) {
  const { word } = x;
  const who = by.subject ? x.called(by) : "nobody";
  const same = word && identity(word.by) === identity(by);
  if (word?.verified && same) return `${who}, whose own key signed that`;
  const said = `${who} as the broker said`;
  if (!word) return said;
  if (word.verified) return `${said}, but the key of ${x.called(word.by)} signed that they did it themselves`;
  return `${said}; a statement ${same ? "of theirs" : `in the name of ${x.called(word.by)}`} is beside it, and it is not shown whose key signed that`;
}

function showTimeline(x) {
  const happened = [];
  for (const { request, approvals } of x.agreements) {
    if (!request) continue;
    happened.push([request.issued, `${request["requester-name"]} asked`, "signed request"]);
    for (const a of approvals) happened.push([a.issued, `${a["approver-name"]} agreed`, "passkey"]);
  }
  for (const { index, entry } of x.entries) {
    const where = `ledger, entry ${index}`;
    if (entry.session) happened.push([entry.time, `Certificate ${entry.session.serial} was given`, where]);
    if (entry.target) happened.push([entry.time, `The proxy ${entry.target.proxy} was let in to ${entry.target.principal}`, where]);
    if (entry.ending) happened.push([entry.time, `Ended: ${entry.ending.reason}, by ${whoEnded(x, entry.ending.by)}`, where]);
  }
  const seen = new Set();
  const rows = happened
    .filter((h) => !seen.has(h.join()) && seen.add(h.join()))
    .sort((a, b) => new Date(a[0]) - new Date(b[0]))
    .map(([time, what, by]) => row(moment(time), what, by));
  return section("What happened", table(["When", "What", "Shown by"], rows));
}

function showHistory(x) {
  if (!x.events.length) return "";
  const rows = x.events.map((e) => {
    const what = element("div", {}, e.what, ...e.texts.map((text) => folded("The statement, exactly", text)));
    return row(moment(e.time), what, e.by.join("; "));
  });
  return section("Who was believed, and who said so", table(["When", "What", "By"], rows));
}

function showChecks(x) {
  const items = x.checks.map((c) =>
    element("li", { class: c.state, "data-check": c.name, "data-state": c.state },
      element("span", { class: "state" }, words[c.state]),
      element("span", {}, c.title, c.why ? element("span", { class: "why" }, ` \u2014 ${c.why}`) : "")),
  );
  return section("What was checked", element("ul", { class: "checks" }, ...items));
}

function showLimits() {
  const limits = [
    "That policy allowed it, and that enough administrators signed each change: the command line runs policy; this page does not.",
    "That this page is honest. It came with the evidence. The command line, from a source of your own, is independent of whoever made this file.",
    "That the trust it carries is right. Compare it with your own, below.",
    "That the file names every connection and every ending of the request. What is named is in the ledger; the whole ledger shows what is not.",
    "Who chose the first policy: it came with the beginning of the ledger.",
    "What state a machine was in: what a device says of itself is the word of whoever controls it. That its key is held in a TPM, the command line checks, as far as the TPM\u2019s own proof goes.",
    "What was done under the grant: recordings have proofs of their own.",
    "That the page on which an approver signed showed them the text above, and that the identity provider told the truth.",
  ];
  return section("What this does not prove", element("ul", {}, ...limits.map((l) => element("li", {}, l))));
}

function showTrust(anchor, choose) {
  const input = element("input", { type: "file", id: "trust", accept: "application/json,.json" });
  input.addEventListener("change", () => input.files[0] && choose(input.files[0]));
  const people = anchor.administrators.map((a) => element("li", {}, `${a.name} (${identity(a.person)}), passkey `, element("code", {}, a.credential)));
  return section(
    "Whom it believes",
    facts([
      ["Installation", anchor.instance],
      ["Log key", element("code", {}, anchor.log)],
      ["Portal", anchor.origins.join(", ")],
      ["Identity provider", anchor.issuer.url],
      ["First policy", anchor.policy],
      ["First administrators", element("ul", {}, ...people)],
      ["Witnesses", anchor.witnesses?.length ? element("ul", {}, ...anchor.witnesses.map((w) => element("li", {}, element("code", {}, w)))) : "none"],
    ]),
    element("div", { class: "screen" },
      element("label", { for: "trust" }, "Check again by your own trust.json, from a time or a person you trust (it does not leave this page)"),
      input),
  );
}

function show(x, anchor, whoseTrust, choose) {
  const r = x.agreements[0]?.request;
  const headline = r ? `${r["requester-name"]} asked for ${r.role} on ${r.target} as ${r.login}` : `Evidence for ${x.file.request}`;
  const agreements = new Map();
  for (const a of x.agreements) agreements.set(a.text, [...(agreements.get(a.text) ?? []), a]);
  document.title = `${headline} \u2014 Stint evidence`;
  document.getElementById("headline").textContent = headline;
  document.getElementById("story").replaceChildren(
    ...Array.from(agreements.values(), showAgreement), showTimeline(x), showHistory(x), showChecks(x), showLimits(), showTrust(anchor, choose),
  );
  showVerdict(x, whoseTrust);
}
